"""A job at a broker, as its handle sees it: submitted page by page, watched, read.

News come in the I/O thread; whoever waits does so on `condition`. Results that a reader was given wait undecoded
until they are wanted, and no more of them are asked for than the reader's credit allows.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from raisin_core import pages
from raisin_core.client import commands as c
from raisin_core.client.function import Packed
from raisin_core.client.seals import NoSeal, Seal
from raisin_core.client.session import Session
from raisin_core.errors import (
    ClusterError,
    DataLost,
    ForkError,
    NotAdmitted,
    NotYourJob,
    RaisinError,
    SealError,
    UnknownJob,
    UntrustedResult,
    VersionMismatch,
)
from raisin_core.identity.sealing import Opened, Sealer
from raisin_core.messages import ENDED, Argument, Form, Open, Options, Order, Page, Progress, Result

if TYPE_CHECKING:
    from raisin_core.client.resumed import Resumed

PAGES_AHEAD: Final = 16
KEPT_ARGUMENTS: Final = 8
SLICE_SECONDS: Final = 0.5
_numbers: Final = itertools.count(1)  # of readers; a job that is taken up again has new ones, which begin anew


class Tap:
    """One reader's results, in the order they came."""

    def __init__(self, job: Job, number: int, order: Order) -> None:
        self.job, self.number, self.order = job, number, order
        self.results: deque[tuple[Result, bytes]] = deque()
        self.delivered = 0

    def ask(self, after: int, limit: int) -> None:
        """Let results come: see messages.Follow."""
        self.job.session.post(c.Read(self.job.id, self.number, self.order, after, limit))

    def close(self) -> None:
        self.job.close_tap(self)


class Job:
    """The client's end of a job. `on_wait` is called now and then while something is waited for."""

    def __init__(self, session: Session, key: bytes, context: bytes = b"", seal: Seal | None = None) -> None:
        self.session, self.id, self.context = session, key, context
        self.seal: Seal = seal or NoSeal()
        self.condition = threading.Condition()
        self.progress: Progress | None = None
        self.description: c.Describes | None = None
        self.error: RaisinError | None = None
        self.stored = self.added = 0
        self.total: int | None = None
        self.closed = False
        self.failed_of_all: int | None = None
        self.accepted = False
        self.blocked = ""
        self.on_changed: Callable[[bytes], RaisinError] | None = None
        self.on_text: Callable[[c.Printed], None] | None = None
        self.on_end: Callable[[], None] | None = None
        self._taps: dict[int, Tap] = {}
        self._arguments: OrderedDict[int, tuple[int, int, list[Any]]] = OrderedDict()
        session.listen(key, self)

    @property
    def sealer(self) -> Sealer:
        """What its payloads pass."""
        return self.seal.sealer

    # -- submitting ----------------------------------------------------------------------------------------------

    def open(
        self,
        form: Form,
        name: str,
        function: Packed,
        options: Options,
        shape: Sequence[int],
        resumed: Resumed | None = None,
    ) -> None:
        """Make the job; it goes on its way with what comes next (a page, a reader)."""
        self._check_process()
        blobs = sorted(function.blobs)
        message = Open(self.id, form, name, function.digest, options, self.context, list(shape), blobs)
        if resumed is not None:
            message = resumed.opening(message)
            self.on_changed = resumed.error
        message, payload, travelling = self.seal.submit(message, function.payload, function.blobs)
        self.session.add_blobs(travelling)
        self.session.post(c.Submit(message, payload), soon=resumed is not None)

    def add_page(self, first: int, count: int, encoded: pages.Encoded, last: bool = False, tags: bytes = b"") -> None:
        """Add the arguments of tasks `[first, first + count)`; after the `last` page there are no more (and it waits
        for a reader, or `Session.wake`). `tags` name them where the job has a key to record under."""
        self._check_process()
        page = Page(self.id, self.added, first, count, sorted(encoded.blobs), last, tags)
        page, payload, travelling = self.seal.page(page, encoded.payload, encoded.blobs)
        self.session.add_blobs(travelling)
        self.added += 1
        self.total = first + count if last else self.total
        self.session.post(c.AddPage(page, payload), soon=not last)

    def close(self, total: int) -> None:
        """The job has `total` tasks."""
        self.total = total
        self.session.post(c.CloseJob(self.id, total))

    @property
    def has_room(self) -> bool:
        """Whether another page may be added without piling them up in memory."""
        return self.added - self.stored < PAGES_AHEAD

    def cancel(self) -> None:
        """Stop it for good."""
        self.session.post(c.CancelJob(self.id))

    def forget(self, keep: bool) -> None:
        """No more interest here; `keep` leaves the job with the broker. No hurry: it goes with what comes next."""
        if self.session.alive:
            self.session.unlisten(self.id)
            self.session.post(c.ForgetJob(self.id, keep), soon=False)

    def attach(self) -> None:
        """Take up a job that exists already."""
        self.session.post(c.AttachTo(self.id))

    # -- reading -------------------------------------------------------------------------------------------------

    def tap(self, order: Order) -> Tap:
        """A new reader; nothing comes before it asks."""
        self._check_process()
        with self.condition:
            number = next(_numbers)
            tap = self._taps[number] = Tap(self, number, order)
        return tap

    def close_tap(self, tap: Tap) -> None:
        """That reader wants no more (of a job that has ended, nothing more will come anyway)."""
        if self._taps.pop(tap.number, None) is not None and self.session.alive and not self.ended:
            self.session.post(c.StopReading(self.id, tap.number), soon=False)

    def wait(
        self, true: Callable[[], object], until: float | None, meanwhile: Callable[[], None] | None = None
    ) -> bool:
        """Wait until a condition holds (True) or the monotonic clock says `until` (False).

        `meanwhile` is called about twice a second. Raises what became of the job, if that is an error.
        """
        with self.condition:
            while not true():
                if self.error is not None:
                    raise self.error
                self._check_process()
                left = SLICE_SECONDS if until is None else min(SLICE_SECONDS, until - time.monotonic())
                if left <= 0:
                    return False
                if not self.condition.wait(left) and meanwhile is not None:
                    self.condition.release()
                    try:
                        meanwhile()
                    finally:
                        self.condition.acquire()
        return True

    def all_read(self, failed: int) -> None:
        """A reader has had all results, of which so many failed: the broker's word that it is over may come later."""
        self.failed_of_all = failed

    @property
    def ended(self) -> bool:
        """Whether the broker has said that the job is over."""
        return self.progress is not None and self.progress.state in ENDED

    def fetch(self, digest: bytes) -> bytes:
        """A blob, from the broker. Raises ClusterError if it does not have it, SealError if it is not the one."""
        which, wrong = f"a blob of job {self.id.hex()[:8]} ({digest.hex()[:12]})", ""
        for name in self.seal.names(digest):
            data = self._fetch(name)
            try:
                found = self.seal.blob(digest, data) if data is not None else None
                wrong = wrong or ("it is another one" if data is not None else "")
            except SealError as error:  # somebody may have named a wrong one: look at the next
                found, wrong = None, str(error)
            if found is not None:
                return found
        if wrong:
            raise SealError(
                f"the broker at {self.session.address} does not give {which} as a member sealed it: {wrong}"
            )
        raise ClusterError(f"the broker has lost {which}")

    def _fetch(self, name: bytes) -> bytes | None:
        """A blob as it travels; None if the broker does not have it."""
        got: list[bytes | None] = []

        def done(data: bytes | None) -> None:
            with self.condition:
                got.append(data)
                self.condition.notify_all()

        self.session.fetch_blob(name, done)
        self.wait(lambda: got, None)
        return got[0]

    def argument(self, index: int) -> Any:
        """The argument of a task, as it was submitted (the element; a tuple where tasks have several); where it cannot
        be read, the exception that says why."""
        first, values = self._page(index)
        return values[index - first]

    def axes(self) -> list[tuple[str, Any]]:
        """A scan's arguments, each ("axis", values) or ("constant", value). Raises why they cannot be read."""
        values = self._page(0)[1]
        if values and isinstance(values[0], Exception):
            raise values[0]
        return list(values)

    def _page(self, index: int) -> tuple[int, list[Any]]:
        """First index and values of the page of arguments that holds a task; fetched if need be."""

        def here() -> tuple[int, list[Any]] | None:
            for first, count, values in self._arguments.values():
                if first <= index < first + count:
                    return first, values
            return None

        with self.condition:
            found = here()
        if found is None:
            self.session.post(c.FetchArguments(self.id, index))
            self.wait(here, None)
            with self.condition:
                found = here()
        assert found is not None
        return found

    def open_payload(self, message: Result, payload: bytes) -> Opened:
        """Unseal a result page. Raises SealError, which is what becomes of the job."""
        try:
            while (index := self.seal.needs(message)) is not None:
                self._page(index)
            return self.seal.result(message, payload)
        except SealError as error:
            raise self._fail(self._forged("results", error)) from None

    def _forged(self, what: str, error: SealError) -> SealError:
        """What the broker did, in words."""
        where = f"the broker at {self.session.address} gave {what}"
        return SealError(f"{where} that no member wrote for this job ({self.id.hex()[:8]}): {error}")

    def _fail(self, error: RaisinError) -> RaisinError:
        """Nobody is to wait for more."""
        with self.condition:
            self.error = self.error or error  # what follows is a consequence
            self.condition.notify_all()
        return error

    # -- news (in the I/O thread) --------------------------------------------------------------------------------

    def on_result(self, message: Result, payload: bytes) -> None:
        with self.condition:
            tap = self._taps.get(message.reader)
            if tap is not None:
                tap.results.append((message, payload))
                tap.delivered += 1
                self.condition.notify_all()

    def on_arguments(self, message: Argument, payload: bytes) -> None:
        threading.Thread(target=self._keep_arguments, args=(message, payload), daemon=True).start()

    def _keep_arguments(self, message: Argument, payload: bytes) -> None:
        """Decode in a thread of its own: it may need blobs, and runs the user's code."""
        try:
            opened = self.seal.arguments(message, payload)
        except SealError as error:
            self._fail(self._forged("arguments", error))
            return
        try:
            values = self._decoded(message, opened)
        except Exception as error:  # noqa: BLE001 - rebuilding may raise anything
            values = [error] * message.count
        with self.condition:
            self._arguments[message.number] = (message.first, message.count, values)
            while len(self._arguments) > KEPT_ARGUMENTS:
                self._arguments.popitem(last=False)
            self.condition.notify_all()

    def _decoded(self, message: Argument, opened: Opened) -> list[Any]:
        """A page of arguments; those of others' machines are not unpickled."""
        if not opened.own:
            raise UntrustedResult(
                f"the arguments of job {self.id.hex()[:8]} come from {opened.member} (account {opened.account}), which "
                f"is not confirmed as yours: raisin trust {opened.member}"
            )
        return pages.decode(opened.payload, self.fetch)

    def on_accepted(self, news: c.Accepted) -> None:
        with self.condition:
            self.stored, self.closed = news.pages, news.closed
            self.accepted, self.blocked = True, ""
            self.condition.notify_all()

    def on_progress(self, progress: Progress) -> None:
        with self.condition:
            self.progress = self._readable(progress)
            self.total = progress.total if progress.total >= 0 else self.total
            self.condition.notify_all()
        if progress.state in ENDED and self.on_end is not None:
            self.on_end()

    def _readable(self, progress: Progress) -> Progress:
        text = self.seal.text(progress.waits) if progress.waits else ""
        return progress if text == progress.waits else msgspec.structs.replace(progress, waits=text)

    def on_described(self, news: c.Describes) -> None:
        with self.condition:
            self.description = msgspec.structs.replace(news, name=self.seal.text(news.name))
            self.condition.notify_all()

    def on_printed(self, news: c.Printed) -> None:
        text = self.seal.printed(news.text) if self.on_text is not None else None
        if self.on_text is not None and text is not None:
            self.on_text(msgspec.structs.replace(news, text=text))

    def on_failed(self, news: c.Failed) -> None:
        kinds = {
            "unknown job": UnknownJob,
            "version": VersionMismatch,
            "not yours": NotYourJob,
            "member": NotAdmitted,
            "lost": DataLost,
            "gone": DataLost,
        }
        text = f"{self.seal.text(news.reason)} ({self.session.address})"
        error: RaisinError = kinds.get(news.code, ClusterError)(text)
        if news.code == "changed" and self.on_changed is not None:
            error = self.on_changed(news.payload)
        self._fail(error)

    def on_blocked(self, news: c.Blocked) -> None:
        with self.condition:
            self.blocked = self.seal.text(news.reason)

    def _check_process(self) -> None:
        if not self.session.alive:
            if self.session.pid != os.getpid():
                raise ForkError("this handle belongs to the process that was forked; make a new one in this process")
            raise ClusterError("the connection is closed (the interpreter is ending?)")


def as_tuple(element: Any) -> tuple[Any, ...]:
    """A task's arguments, or instead of them why they cannot be read."""
    return (element,) if isinstance(element, Exception) else tuple(element)
