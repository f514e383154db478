"""Where what comes from the cluster is opened, and what goes there is sealed: results, reasons, prints, crashes.

What was opened is not believed here: that is for `vetting`. What is to go is sealed for its lease, with the newest key
that is held, and said to be computed on its submitter's warrant.

Rules of this file: nothing that a task or an owner wrote leaves it readable for the broker.
"""

from __future__ import annotations

import hashlib
import hmac
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from raisin_core import messages as m
from raisin_core import pages
from raisin_core.errors import SealError
from raisin_core.failures import Failure
from raisin_core.identity.sealing import Attestation, Context, Opened, Parcel, Sealer
from raisin_core.messages import Argument, Function, LeaseId, Message
from raisin_worker import commands as c
from raisin_worker.blobs import Blobs
from raisin_worker.events import Outcome
from raisin_worker.state import Argued

MOST_BLOBS: Final = 10_000
MOST_REASON: Final = 400
MOST_DETAIL: Final = 4_000
"""Bytes of a reason or a crash's detail, so that when hidden they go into a header (of a whole page's tasks)."""
MOST_REASONS: Final = 64
"""Different ones in a page: each costs a cipher's start."""
PRINTED: Final = 1_500
"""Characters of what a task printed that are hidden together."""
DIGEST: Final = 32
TAG: Final = 16


class Desk:
    """Opens and seals for one worker."""

    def __init__(self, sealer: Sealer, blobs: Blobs) -> None:
        self._sealer, self._blobs = sealer, blobs

    def open(self, message: Argument | Function, payload: bytes) -> c.Unsealed:
        """What leases will refer to, or what is wrong with it."""
        try:
            opened = self._sealer.open(payload, self._context(message, payload))
            _check_blobs(opened)
        except SealError as error:
            return c.Unsealed(message, None, str(error))
        return c.Unsealed(message, opened)

    def seal(self, run: c.Run, event: Outcome) -> Outcome:
        """Results and their blobs as they travel. Raises SealError, FrameError (a blob that is not what the task
        process said), OSError."""
        names = {name: self._blobs.seal(name) for name in event.blobs}
        parcel = Parcel(event.payload, names, tags(run.pages, event.start, event.stop))
        payload = self._results(run.lease, run.job, event.start, event.stop, parcel, run.submitter, run.fingerprint)
        unfit = self._hidden(event.unfit, run.job) if event.unfit else []
        return msgspec.structs.replace(event, payload=payload, blobs=sorted(set(names.values())), unfit=unfit)

    def refuse(self, command: c.Refuse) -> Iterator[c.Refusal]:
        """The answer to a lease that is not run here, in pages: for each task the reason. Raises SealError."""
        reason = self.hide(command.reason, command.job, MOST_REASON)
        failure = Failure.of(PermissionError(command.reason))
        for start in range(command.start, command.stop, pages.TASKS):
            stop = min(command.stop, start + pages.TASKS)
            none = array("d", [0.0])
            page = pages.encode_outcomes(pages.Outcomes(start, [failure] * (stop - start), none, none, 0, {}))
            payload = self._results(command.lease, command.job, start, stop, Parcel(page.payload), b"", b"")
            unfit = [(index, reason) for index in range(start, stop)]
            yield c.Refusal(m.Results(command.lease, command.job, start, stop, 0.0, [], unfit), payload)

    def cover(self, message: Message, payload: bytes) -> tuple[Message, bytes]:
        """A message on its way to the broker, with what tasks wrote or left behind made unreadable for it."""
        if isinstance(message, m.Wrote):
            text = payload.decode("utf-8", "replace")
            pieces = (text[at : at + PRINTED] for at in range(0, len(text), PRINTED))
            return message, "".join(self._sealer.hide(piece, message.job) for piece in pieces).encode()
        if isinstance(message, m.Crashed):
            detail = self.hide(message.detail, message.job, MOST_DETAIL)
            return msgspec.structs.replace(message, detail=detail), payload
        return message, payload

    def hide(self, text: str, job: bytes, most: int) -> str:
        """A text for a header, cut to so many bytes."""
        return self._sealer.hide(text.encode(errors="replace")[:most].decode(errors="ignore"), job)

    def _hidden(self, unfit: Sequence[tuple[int, str]], job: bytes) -> list[tuple[int, str]]:
        reasons = list(dict.fromkeys(reason for _, reason in unfit))
        hidden = {reason: self.hide(reason, job, MOST_REASON) for reason in reasons[:MOST_REASONS]}
        other = self.hide("for one more reason", job, MOST_REASON)
        return [(index, hidden.get(reason, other)) for index, reason in unfit]

    def _context(self, message: Argument | Function, payload: bytes) -> Context:
        if isinstance(message, Argument):
            return Context("arguments", message.job, message.first, message.count, message.number)
        if not hmac.compare_digest(hashlib.sha256(payload).digest(), message.digest):
            raise SealError("it is not the function that its digest names")
        return Context("function", b"", 0, 0)

    def _results(
        self, lease: LeaseId, job: bytes, start: int, stop: int, parcel: Parcel, submitter: bytes, fingerprint: bytes
    ) -> bytes:
        context = Context("results", job, start, stop - start, lease=(lease.run, lease.number))
        return self._sealer.seal(parcel, context, Attestation(submitter, fingerprint))


def tags(argued: Sequence[Argued], start: int, stop: int) -> bytes:
    """The tags of tasks `[start, stop)`, where all of their pages have them."""
    found = b""
    for page in argued:
        first, count = page.message.first, page.message.count
        low, high = max(start, first), min(stop, first + count)
        if page.opened is None or len(page.opened.parcel.tags) != count * TAG:
            return b""
        if low < high:
            found += page.opened.parcel.tags[(low - first) * TAG : (high - first) * TAG]
    return found if len(found) == (stop - start) * TAG else b""


def _check_blobs(opened: Opened) -> None:
    """Names become names of files and messages: they must be digests. Raises SealError."""
    blobs: Mapping[bytes, bytes] = opened.parcel.blobs
    if len(blobs) > MOST_BLOBS or any(len(each) != DIGEST for pair in blobs.items() for each in pair):
        raise SealError("it names blobs by what is no digest")
