"""Results without a handle's own bar and shape: for those who show or store them.

Rules of this file: what is collected is not gathered in memory; nothing of it raises what a task raised.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from raisin_core.client.handles import Handle

TICK_SECONDS: Final = 0.2


class Found(NamedTuple):
    """What one task gave: a value, or the exception in its place if it `failed`. `index` is a tuple for a scan."""

    index: Any
    value: Any
    failed: bool


def await_end(handle: Handle, tick: Callable[[], None]) -> None:
    """Wait until it is over, however; `tick` is called a few times a second. Raises what became of the job, and
    UntrustedResult where it waits for a word about somebody's result."""
    run = handle._started()
    while not run.join(time.monotonic() + TICK_SECONDS, None):
        tick()
        run.heal()
        run.check_held()


def in_order(handle: Handle) -> Iterator[Found]:
    """All results, in the order of the tasks. Raises CancelledError or DeadlineExceeded where it ended before."""
    run = handle._started()
    reader = run.in_order()
    try:
        while (got := reader.run(None, run.heal)) is not None:
            start, items, failed = got
            for at, item in enumerate(items, start):
                yield Found(handle._index(at), item, at in failed)
    finally:
        reader.close()


def arrived(handle: Handle, seconds: float | None = None) -> Iterator[Found]:
    """The results that were there when this was asked, as they arrived. Raises TimeoutError after `seconds`."""
    run = handle._started()
    left = run.progress().arrivals
    batches = run.by_arrival(None if seconds is None else time.monotonic() + seconds, run.heal)
    for batch in itertools.islice(batches, left):
        for start, items, failed in batch.runs():
            for at, item in enumerate(items, start):
                yield Found(handle._index(at), item, at in failed)


def shaped(handle: Handle, values: list[Any]) -> Any:
    """All values as `get` gives them."""
    return handle._shaped(values)
