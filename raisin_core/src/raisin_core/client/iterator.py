"""Values in order, one by one: what `raisin.map` returns, and what iterating over a handle gives.

It goes on after a task's exception, like the built-in map's iterator. For `raisin.map` it also feeds the job, in the
thread that asks for values, and only a window ahead of what was consumed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from raisin_core.client.bar import Bar
from raisin_core.client.feeder import Feeder
from raisin_core.client.local import LocalRun
from raisin_core.client.runs import RemoteRun, Running

FIRST_AHEAD: Final = 8192
MOST_AHEAD: Final = 131_072


class ValueIterator(Iterator[Any]):
    """An iterator over the values of a call; `len()` works where the number of tasks is known (tqdm needs only
    that). It keeps its `owner` alive: without a handle the results would be deleted."""

    def __init__(self, run: Running, bar: Bar, feeder: Feeder | None = None, owner: object = None) -> None:
        self._run, self._bar, self._feeder, self._owner = run, bar, feeder, owner
        self._values = run.in_order()
        self._plain: Iterator[Any] = iter(())
        self._mixed: deque[tuple[Any, bool]] = deque()
        self._over = False

    def __next__(self) -> Any:
        for value in self._plain:
            return value
        return self._advance()

    def close(self) -> None:
        """Read no more."""
        if not self._over:
            self._over = True
            self._plain = iter(())
            self._mixed.clear()
            self._values.close()
            self._bar.finish()

    def _advance(self) -> Any:
        while not self._over:
            if self._mixed:
                item, failed = self._mixed.popleft()
                if failed:
                    raise item.with_traceback(None)
                return item
            self._next_run()
            for value in self._plain:
                return value
        raise StopIteration

    def _next_run(self) -> None:
        if self._feeder is not None and self._lags() and self._feeder.ready():
            self._feeder.step()
        run = self._values.run(None, self._tick, self._feed if self._feeder is not None else None)
        self._bar.tick()
        if run is None:
            self._end()
            return
        start, items, failed = run
        if failed:
            self._mixed.extend((item, start + at in failed) for at, item in enumerate(items))
        else:
            self._plain = iter(items)

    def _end(self) -> None:
        self.close()
        error = self._run.error()
        if error is not None:
            raise error

    def _lags(self) -> bool:
        """Whether less is under way than may be."""
        assert self._feeder is not None
        ahead = min(MOST_AHEAD, max(FIRST_AHEAD, 2 * self._values.next))
        return self._feeder.submitted - self._values.next < ahead

    def _feed(self) -> bool:
        """Nothing has come yet: submit more, if there is room."""
        assert self._feeder is not None
        if not (self._feeder.ready() and self._lags()):
            return False
        self._feeder.step()
        return True

    def _tick(self) -> None:
        self._bar.tick()
        self._run.heal()


class MapIterator(ValueIterator):
    """What `raisin.map` returns: dropping or closing it cancels what has not been done."""

    def __init__(self, run: RemoteRun | LocalRun, bar: Bar, length: int | None) -> None:
        feeder = run.feeder if isinstance(run, RemoteRun) else None
        super().__init__(run, bar, feeder)
        self._length = length
        run.lazy = True
        if feeder is not None and length is not None and feeder.ready():
            feeder.step()  # started at once, where pulling a page cannot keep us waiting

    def __len__(self) -> int:
        if self._length is None:
            raise TypeError("the number of elements is not known")
        return self._length

    def __length_hint__(self) -> int:
        return self._length or 0

    def close(self) -> None:
        """Cancel what has not been done, and read no more."""
        if not self._over:
            super().close()
            self._run.cancel()
            self._run.forget()

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:  # noqa: BLE001 - the interpreter may be ending, and nobody could be told
            return
