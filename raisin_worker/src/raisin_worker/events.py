"""What slots tell the worker's machine.

Rules of this file: types only. Times are seconds. Payloads and texts are opaque bytes, digests are 32 bytes of SHA-256.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Ready(msgspec.Struct, frozen=True):
    """The slot's process can run tasks."""

    slot: int


class Outcome(msgspec.Struct, frozen=True):
    """Results of tasks `[start, stop)`: the next piece of the range that the slot runs.

    `failed` raised, `unfit` could not run on this host (with the reason), the rest succeeded; no index is in both.
    `blobs` are the digests of what the payload needs besides itself; their files are in the worker's blob directory.
    `opaque`: some of them travel as marked pickles, which not every reader loads.
    After a trim, `stop` may lie a little behind what the trim announced: tasks that ran meanwhile.
    """

    slot: int
    start: int
    stop: int
    seconds: float
    failed: list[int]
    unfit: list[tuple[int, str]]
    payload: bytes
    blobs: list[bytes]
    opaque: bool = False


class RangeEnded(msgspec.Struct, frozen=True):
    """The range is over; all its tasks below `stop` were reported by Outcome before."""

    slot: int
    stop: int


class Wrote(msgspec.Struct, frozen=True):
    """The task wrote this to its standard output or error."""

    slot: int
    index: int
    text: bytes


class Died(msgspec.Struct, frozen=True):
    """The slot's process is gone. `index` is the task that it ran, -1 if it ran none.

    With kind `timeout`, the executor ended it because the task took longer than it may.
    """

    slot: int
    index: int
    kind: Literal["crash", "timeout"]
    detail: str


SlotEvent = Ready | Outcome | RangeEnded | Wrote | Died
