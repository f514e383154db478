"""What all handles can do: start, wait, collect, cancel; as in threading, multiprocessing and concurrent.futures.

Where the three modules disagree: `get` is multiprocessing's (it raises the first failure), `result` is the same under
concurrent.futures' name, `join` is threading's and says whether it is over, `exitcode` is multiprocessing's.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any, Literal, TypeVar

from raisin_core.client import explain, launch, waiting
from raisin_core.client.bar import Bar
from raisin_core.client.iterator import ValueIterator
from raisin_core.client.launch import Plan
from raisin_core.client.runs import RemoteRun, Running, Values
from raisin_core.client.trust import parse as parse_trust
from raisin_core.errors import CancelledError, DeadlineExceeded, RaisinError, UntrustedResult, UsageError
from raisin_core.errors import TimeoutError as RaisinTimeout
from raisin_core.marked import NOTHING
from raisin_core.messages import ENDED, Progress

State = Literal["new", "running", "done", "failed", "cancelled", "late"]
Self = TypeVar("Self", bound="Handle")


class Handle:
    """One call of a verb. A handle that was never started starts when it is asked for results.

    Dropping a handle does not cancel its job; results are kept by the broker until the handle is gone (with
    `save=True`, longer).
    """

    _verb = "handle"
    _without = ""  # the verb of a call that nobody has the handle of

    def __init__(self, plan: Plan | None, run: Running | None = None, progress: bool | None = None) -> None:
        self._plan, self._run = plan, run
        self._wants_bar = plan.options.progress if plan is not None else progress
        self._reader: Values | None = None
        self._values: list[Any] = []
        self._failures: list[tuple[int, BaseException]] = []
        self._complete = False
        self._lock = threading.RLock()
        self._collecting = threading.RLock()  # held while waiting, so nothing but collecting may need it

    # -- starting and stopping -----------------------------------------------------------------------------------

    def start(self: Self) -> Self:
        """Submit it, and return itself. Raises UsageError the second time, SerializationError, ClusterError."""
        with self._lock:
            if self._run is not None:
                raise UsageError(f"this {self._verb} was started already")
            self._started()
        return self

    def cancel(self) -> bool:
        """Stop it for good: what is not done never will be. True if it was not over yet."""
        if self.done():
            return False
        run = self._started()
        run.cancel()
        with contextlib.suppress(RaisinError):  # what became of it is told to whoever asks for results
            run.join(time.monotonic() + 5.0, run.heal)
        return True

    terminate = kill = cancel

    # -- results -------------------------------------------------------------------------------------------------

    def get(self, timeout: float | None = None, trust: Any = "auto") -> Any:
        """All results, in the order of the elements; waits for them. `trust` adds to the option of that name.

        Raises the first failure (in order; the text says how many failed), TimeoutError after `timeout` seconds (the
        job goes on), CancelledError, DeadlineExceeded, UntrustedResult (what was read is kept, and the next call goes
        on there), or what the iterable raised.
        """
        self._accept("get", trust)
        self._collect(timeout)
        error = self._first_error()
        if error is not None:
            raise error.with_traceback(None)
        return self._shaped(self._values)

    def result(self, timeout: float | None = None, trust: Any = "auto") -> Any:
        """The same as `get`, as concurrent.futures calls it."""
        return self.get(timeout, trust)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What `get` would raise, or None; waits like it. Raises TimeoutError."""
        try:
            self._collect(timeout)
        except (CancelledError, DeadlineExceeded, UntrustedResult) as error:
            return error
        return self._first_error()

    def get_all(self, timeout: float | None = None, trust: Any = "auto") -> Iterator[dict[str, Any]]:
        """A record per task as results arrive; asked again, all come again. `trust` adds to the option of that name.

        Keys: `res` (not where it failed), `index` (a tuple for a scan), `args`, `state`, `error`, `host`, `account`,
        `attempts`, `run_time`, `cpu_time`, `queued_time` (seconds), `max_rss` (bytes, the process's peak), `stdout`.
        Raises TimeoutError after `timeout` seconds in all, UntrustedResult.
        """
        self._accept("get_all", trust)
        run, until = self._started(reads=True), _until(timeout)
        with self._bar() as bar:
            for batch in run.by_arrival(until, self._ticker(bar)):
                for start, items, _ in batch.runs():
                    for index in range(start, start + len(items)):
                        record = batch.record(index)
                        yield {**record, "index": self._index(index), "args": self._arguments(index)}
                bar.tick()
        error = run.error()
        if error is not None:
            raise error

    def errors(self) -> dict[Any, BaseException]:
        """The exceptions of all tasks that failed so far, by index; waits for the end."""
        self._collect(None)
        return {self._index(index): error for index, error in self._failures}

    def __iter__(self) -> Iterator[Any]:
        """Values in order, as they come; goes on after a task's exception."""
        return ValueIterator(self._started(reads=True), self._bar(), owner=self)

    # -- how it stands -------------------------------------------------------------------------------------------

    def join(self, timeout: float | None = None) -> bool:
        """Wait until it is over; False if it was not after `timeout` seconds. Raises UntrustedResult where it will not
        be before somebody says whether a result is to be loaded."""
        run = self._started()
        with self._bar() as bar:
            tick = self._ticker(bar)

            def look() -> None:
                tick()
                run.check_held()

            return run.join(_until(timeout), look)

    def is_alive(self) -> bool:
        """Whether it was started and is not over."""
        return self._run is not None and not self.done()

    def done(self) -> bool:
        """Whether it is over, one way or another."""
        return self._run is not None and self._run.progress().state in ENDED

    ready = done

    def running(self) -> bool:
        """Whether it was started and is not over."""
        return self.is_alive()

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._run is not None and self._run.progress().state == "cancelled"

    def successful(self) -> bool:
        """Whether all tasks gave results. Raises ValueError while it is not over (as multiprocessing does)."""
        if not self.done():
            raise ValueError(f"{self!r} is not over")
        return self.state == "done"

    @property
    def exitcode(self) -> int | None:
        """None before the end, then 0, or 1 if anything failed."""
        return None if not self.done() else int(self.state != "done")

    @property
    def state(self) -> State:
        """new, running, done, failed (over, and some tasks failed), cancelled, or late (past its deadline)."""
        if self._run is None:
            return "new"
        progress = self._run.progress()
        if progress.state == "done" and (progress.failed or self._run.error() is not None):
            return "failed"
        return progress.state

    @property
    def id(self) -> str:
        """Names the job, for `raisin.attach`; empty before it is started."""
        return self._run.id.hex() if self._run is not None else ""

    @property
    def name(self) -> str:
        """The label it was given."""
        return self._run.name if self._run is not None else self._plan.options.name if self._plan else ""

    def progress(self) -> Progress:
        """Counts: `done`, `failed`, `running` and `total` tasks (-1: not known yet)."""
        return self._started().progress()

    def explain(self) -> str:
        """How it stands, and why nothing (or no more) of it runs: one line, and while it is not over, a few more: where
        its tasks are, what holds them up, and what each worker does with it.

        Where the broker cannot say, it is the one line that is known here. Raises what starting it raises.
        """
        run, said = self._started(), self.progress()
        told = explain.told(run, said.total) if isinstance(run, RemoteRun) and not self.done() else ""
        counts = said.done, said.total, said.failed, said.running
        return told or explain.sentence(self.name, self.id, self.state, counts, said.waits)

    def add_done_callback(self, call: Callable[[Any], object]) -> None:
        """Call `call(handle)` when it is over, from a thread of its own (like concurrent.futures)."""

        def wait() -> None:
            self._started().join(None, None)
            call(self)

        self._started()
        threading.Thread(target=wait, name="raisin-callback", daemon=True).start()

    def __len__(self) -> int:
        """How many tasks there are. Raises TypeError while that is not known."""
        if self._run is not None and self._run.progress().total >= 0:
            return self._run.progress().total
        length = launch.length(self._plan) if self._plan is not None else None
        if length is None:
            raise TypeError("the number of elements is not known")
        return length

    def __bool__(self) -> bool:
        return True

    def __await__(self) -> Generator[Any, None, Any]:
        return waiting.in_thread(self.get).__await__()

    def __aiter__(self) -> AsyncIterator[Any]:
        return waiting.AsyncValues(iter(self))

    def __repr__(self) -> str:
        return f"<raisin.{self._verb} {self.name!r} {self.state}{f' {self.id[:8]}' if self.id else ''}>"

    def __del__(self) -> None:
        run = getattr(self, "_run", None)
        if run is not None:
            try:
                run.forget()
            except Exception:  # noqa: BLE001 - the interpreter may be ending, and nobody could be told
                return

    # -- inside --------------------------------------------------------------------------------------------------

    def _started(self, reads: bool = False) -> Running:
        """The call under way, begun if need be. Whoever `reads` sends it on its way with the question for results."""
        with self._lock:
            if self._run is None:
                assert self._plan is not None
                self._run = run = launch.start(self._plan, self._without)
                if isinstance(run, RemoteRun):
                    if run.feeder is not None:
                        run.feeder.start()
                    if not reads:
                        run.job.session.wake()
            return self._run

    def _accept(self, verb: str, trust: Any) -> None:
        """Load these results, too."""
        accept = parse_trust(f"{self._verb}.{verb}", trust)
        if accept != NOTHING:
            self._started(reads=True).accept(accept)

    def _collect(self, timeout: float | None) -> None:
        """Read values until the end; what was read before a timeout is kept."""
        run, until = self._started(reads=True), _until(timeout)
        if not self._collecting.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
            raise RaisinTimeout(self.explain())
        try:
            with self._bar() as bar:
                self._collect_rest(run, until, bar)
        finally:
            self._collecting.release()

    def _collect_rest(self, run: Running, until: float | None, bar: Bar) -> None:
        self._reader = self._reader or run.in_order()
        while not self._complete:
            got = self._reader.run(until, self._ticker(bar))
            if got is None:
                self._complete = True
                self._reader.close()
            else:
                start, items, failed = got
                self._values.extend(items)
                self._failures += [(index, items[index - start]) for index in sorted(failed)]
            bar.tick()

    def _first_error(self) -> BaseException | None:
        error = self._started().error()
        if not self._failures:
            return error
        first = self._failures[0][1]
        note = f"{len(self._failures)} of {len(self._values)} failed"
        if note not in getattr(first, "__notes__", ()):
            add_note(first, note)
        return first

    def _bar(self) -> Bar:
        return Bar(self.name, self._wants_bar, self._counts)

    def _counts(self) -> tuple[int, int, int]:
        progress = self._started().progress()
        return max(progress.done, len(self._values)), progress.failed, progress.total

    def _ticker(self, bar: Bar) -> Callable[[], None]:
        run = self._started()

        def tick() -> None:
            bar.tick()
            run.heal()

        return tick

    def _shaped(self, values: list[Any]) -> Any:
        return list(values)

    def _index(self, index: int) -> Any:
        return index

    def _arguments(self, index: int) -> tuple[Any, ...]:
        raise AssertionError("each verb knows its own")


def add_note(error: BaseException, note: str) -> None:
    """PEP 678's add_note, which Python 3.10 does not have yet (and does not show)."""
    if hasattr(error, "add_note"):
        error.add_note(note)
    else:
        error.__notes__ = [*getattr(error, "__notes__", ()), note]  # type: ignore[attr-defined]


def _until(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout
