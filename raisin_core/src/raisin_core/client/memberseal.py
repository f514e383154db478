"""What leaves and enters a job between members: see identity.sealing for how; here is what must be true of it.

The broker is not believed. What counts is what members sealed and signed for this very place: results by a worker, on
the warrant of whoever submitted the job; recorded results (`resume=`) for the same function and the same arguments.
What only the broker says (how far a job is, that a task crashed) can be wrong, but never becomes a value.

Rules of this file: it does no I/O and takes no lock; whatever is not as it must be is SealError.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from raisin_core import digests
from raisin_core.client.seals import Blobs, Circle, hidden, keyed
from raisin_core.errors import SealError
from raisin_core.identity.sealing import Attestation, Context, Opened, Parcel, Sealer, Warrant
from raisin_core.messages import Argument, Open, Options, Page, Result, Ruling
from raisin_core.ranges import Ranges

VALID_SECONDS: Final = 30 * 86_400.0
"""How long pages may be run that have no deadline."""
TAG: Final = 16  # bytes: see serialization.tags
OPENS, CLOSES, UNREADABLE = "\u27e6", "\u27e7", "(sealed)"  # see Sealer.hide and Sealer.reveal
MAX_NAMES: Final = 16
MAX_RULING: Final = 1024 * 1024


class _Known(NamedTuple):
    """What a page of arguments tells of its tasks `[first, stop)`."""

    first: int
    stop: int
    tags: bytes
    fingerprint: bytes


class MemberSeal:
    """The seal of one job in a cluster of several people: submitted here, or taken up (`attach`)."""

    def __init__(self, circle: Circle, job: bytes) -> None:
        self._circle, self._job = circle, job
        self._function: bytes | None = None  # None: it was submitted elsewhere
        self._options = Options()
        self._fingerprint = b""
        self._tags = bytearray()
        self._known: dict[int, _Known] = {}
        self._names: dict[bytes, list[bytes]] = {}
        self._answered: dict[int, Ranges] = {}

    @property
    def sealer(self) -> Sealer:
        return self._circle.sealer

    # -- what leaves ---------------------------------------------------------------------------------------------

    def submit(self, message: Open, payload: bytes, blobs: Blobs) -> tuple[Open, bytes, Blobs]:
        """The job as the broker gets it. Its function is named by the digest of what travels."""
        sealer = self.sealer
        travelling, names = self._blobs(blobs)
        while True:
            epoch = sealer.epoch
            sealed = sealer.seal(Parcel(payload, names), Context("function", b"", 0, 0))
            if sealer.epoch == epoch:
                break
        self._function, self._options = digests.content(sealed), message.options
        if message.resume:
            self._fingerprint = keyed(sealer, message.resume, message.fingerprint)
        message = msgspec.structs.replace(
            message,
            name=sealer.hide(message.name, self._job),
            function=self._function,
            blobs=sorted(travelling),
            fingerprint=self._fingerprint,
            parts=hidden(sealer, message.parts) if message.parts else b"",
            epoch=epoch,
        )
        return message, sealed, travelling

    def page(self, message: Page, payload: bytes, blobs: Blobs) -> tuple[Page, bytes, Blobs]:
        """A page with its warrant: this function, on these arguments, as these options say."""
        assert self._function is not None, "pages are added where the job was submitted"
        travelling, names = self._blobs(blobs)
        not_after = self._options.deadline or time.time() + VALID_SECONDS
        warrant = Warrant(self._function, self._options, not_after, self._fingerprint)
        context = Context("arguments", self._job, message.first, message.count, message.number)
        sealed = self.sealer.seal(Parcel(payload, names, message.tags), context, warrant)
        self._tags += message.tags
        return msgspec.structs.replace(message, blobs=sorted(travelling)), sealed, travelling

    def _blobs(self, blobs: Blobs) -> tuple[Blobs, Blobs]:
        """Blobs as they travel, by their names there; and these names by those of their contents."""
        travelling: Blobs = {}
        names: Blobs = {}
        for digest, data in blobs.items():
            name, sealed = self.sealer.seal_blob(data)
            travelling[name], names[digest] = sealed, name
        return travelling, names

    # -- what comes back -----------------------------------------------------------------------------------------

    def result(self, message: Result, payload: bytes) -> Opened:
        """A page of results of this job, or one recorded before that answers the same tasks. Raises SealError."""
        _check_won(message)
        if message.ruling:
            parcel = Parcel(self._ruling(message, payload))
            self._check_new(message)
            return Opened(parcel, own=False)
        at = message.origin
        opened = self._opened(message, payload)
        said = opened.statement
        if not isinstance(said, Attestation):
            raise SealError("they are not signed as results")
        self._check_submitter(said.submitter, any_of_mine=at is not None or self._function is None)
        if at is not None:
            self._check_same_tasks(message, opened.parcel.tags, said.fingerprint)
        elif self._function is not None and not hmac.compare_digest(said.fingerprint, self._fingerprint):
            raise SealError("they are another function's")
        self._check_new(message)
        return opened

    def _opened(self, message: Result, payload: bytes) -> Opened:
        at = message.origin
        if at is None:
            return self._open(payload, Context("results", self._job, message.start, message.stop - message.start))
        try:
            return self._open(payload, Context("results", at.job, at.start, at.stop - at.start))
        except SealError as error:  # perhaps of a worker that was removed since
            raise SealError(f"{error}; they are recorded under the key of `resume`: force=True computes anew") from None

    def _check_new(self, message: Result) -> None:
        """A task's result counts once for each reader."""
        answered = self._answered.setdefault(message.reader, Ranges())
        for start, stop in message.won or [(message.start, message.stop)]:
            if answered.overlap(start, stop):
                raise SealError(f"task {answered.overlap(start, stop)[0][0]} was answered before")
            answered.add(start, stop)

    def arguments(self, message: Argument, payload: bytes) -> Opened:
        """A page of this job's arguments. Raises SealError."""
        context = Context("arguments", self._job, message.first, message.count, message.number)
        opened = self._open(payload, context)
        said = opened.statement
        if not isinstance(said, Warrant):
            raise SealError("they are not signed as arguments")
        self._check_submitter(opened.signer, any_of_mine=self._function is None)
        stop = message.first + message.count
        self._known[message.first] = _Known(message.first, stop, bytes(opened.parcel.tags), said.fingerprint)
        return opened

    def needs(self, message: Result) -> int | None:
        """Of a job that was submitted elsewhere, its arguments' tags: recorded results are compared with them."""
        if message.origin is None or self._function is not None:
            return None
        at = message.start
        while at < message.stop:
            known = self._of(at)
            if known is None:
                return at
            at = known.stop
        return None

    def _open(self, payload: bytes, context: Context) -> Opened:
        try:
            opened = self.sealer.open(payload, context)
        except SealError:
            if not self._circle.refresh():
                raise
            opened = self.sealer.open(payload, context)
        for digest, name in opened.parcel.blobs.items():
            names = self._names.setdefault(digest, [])
            if name not in names and len(names) < MAX_NAMES:
                names.append(name)
        return opened

    def _check_submitter(self, submitter: bytes, any_of_mine: bool) -> None:
        """A job's tasks are run because this machine asked for it, or another one of its account did."""
        if hmac.compare_digest(submitter, self._circle.signature):
            return
        if not (any_of_mine and self._circle.of_my_account(submitter)):
            raise SealError("they were asked for by somebody else")

    def _check_same_tasks(self, message: Result, tags: bytes, fingerprint: bytes) -> None:
        """Recorded results answer the tasks for which they are given: the same function, the same arguments."""
        at = message.origin
        assert at is not None
        skipped, length = at.first - at.start, message.stop - message.start
        if skipped < 0 or skipped + length > at.stop - at.start or len(tags) != (at.stop - at.start) * TAG:
            raise SealError("they are recorded for other tasks")
        wanted = self._wanted(message.start, message.stop)
        if not wanted or any(not each or not hmac.compare_digest(each, fingerprint) for _, each in wanted):
            raise SealError("they are recorded for another function")
        if not hmac.compare_digest(
            b"".join(each for each, _ in wanted), tags[skipped * TAG : (skipped + length) * TAG]
        ):
            raise SealError("they are recorded for other arguments")

    def _wanted(self, start: int, stop: int) -> list[tuple[bytes, bytes]]:
        """The tags of these tasks (in their order, piece by piece), each with its function's fingerprint."""
        if self._function is not None:
            return [(bytes(self._tags[start * TAG : stop * TAG]), self._fingerprint)]
        pieces, at = [], start
        while at < stop and (known := self._of(at)) is not None:
            end = min(stop, known.stop)
            pieces.append((known.tags[(at - known.first) * TAG : (end - known.first) * TAG], known.fingerprint))
            at = end
        return pieces

    def _of(self, index: int) -> _Known | None:
        return next((each for each in self._known.values() if each.first <= index < each.stop), None)

    def _ruling(self, message: Result, payload: bytes) -> bytes:
        """What the broker says of a task that no worker finished, with the workers' words in it readable."""
        if message.stop != message.start + 1 or len(payload) > MAX_RULING:
            raise SealError("they are no word on one task")
        try:
            said = msgspec.msgpack.decode(payload, type=Ruling)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SealError(f"they are no results at all: {error}") from None
        trials = [(self.text(host), self.text(detail)) for host, detail in said.trials]
        return msgspec.msgpack.encode(msgspec.structs.replace(said, trials=trials))

    # -- blobs and texts -----------------------------------------------------------------------------------------

    def names(self, digest: bytes) -> Iterable[bytes]:
        """Those that a member stated; somebody may have stated wrong ones."""
        return tuple(self._names.get(digest, ()))

    def blob(self, digest: bytes, data: bytes) -> bytes | None:
        """The blob, if what members sealed under that name is it. Raises SealError."""
        opened = self.sealer.open_blob(data)
        return opened if hmac.compare_digest(hashlib.sha256(opened).digest(), digest) else None

    def text(self, text: str) -> str:
        """With what is hidden in it made readable."""
        return self.sealer.reveal(text)

    def printed(self, text: bytes) -> bytes | None:
        """What a task wrote, if a member hid it; the broker's own words are dropped."""
        said = text.decode("utf-8", "replace")
        tokens = [f"{OPENS}{each}" for each in said.split(OPENS)[1:]]
        written = [self.sealer.reveal(each) for each in tokens if each.endswith(CLOSES)]
        good = "".join(tokens) == said and len(written) == len(tokens) and UNREADABLE not in written
        return "".join(written).encode() if tokens and good else None


def _check_won(message: Result) -> None:
    """Which of a page's tasks count is for the broker to say; that they are the page's is not. Raises SealError."""
    at = message.start
    for start, stop in message.won:
        if not at <= start < stop <= message.stop:
            raise SealError("they are said to answer tasks that they do not")
        at = stop
    if not message.start < message.stop:
        raise SealError("they answer no task")
