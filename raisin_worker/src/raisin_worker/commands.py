"""What goes into the worker's machine and what comes out of it, besides the events of slots (`events`).

Rules of this file: types only.
"""

from __future__ import annotations

import msgspec

from raisin_core.messages import LeaseId
from raisin_core.peer import BlobThere, Connected, Disconnected, Exit, Received, Reconnect, Say, SendBlob, Tick
from raisin_worker.events import SlotEvent
from raisin_worker.state import Argued

# -- events, besides those of the slots ------------------------------------------------------------------------------


class SlotTrimmed(msgspec.Struct, frozen=True):
    """The range that this slot runs will end at `stop`: the answer to TrimSlot."""

    slot: int
    lease: LeaseId
    stop: int


class BlobHere(msgspec.Struct, frozen=True):
    """A blob that was wanted is here; or cannot be had, if `found` is false."""

    digest: bytes
    found: bool = True


class Drain(msgspec.Struct, frozen=True):
    """Finish what runs, give back the rest, and end; `at_once` gives back what runs, too."""

    at_once: bool = False


Event = SlotEvent | Connected | Disconnected | Received | SlotTrimmed | BlobHere | BlobThere | Tick | Drain

# -- commands --------------------------------------------------------------------------------------------------------


class StartSlot(msgspec.Struct, frozen=True):
    """Start the slot's process with this context, in the place of the one there is (which is killed, with its
    children)."""

    slot: int
    context: bytes
    payload: bytes


class Define(msgspec.Struct, frozen=True):
    """Give the slot a function."""

    slot: int
    digest: bytes
    payload: bytes


class Run(msgspec.Struct, frozen=True):
    """Run `[start, stop)` on the slot."""

    slot: int
    job: bytes
    function: bytes
    start: int
    stop: int
    pages: list[Argued]
    task_timeout: float


class TrimSlot(msgspec.Struct, frozen=True):
    """Let the slot end its range at `stop` or soon after, and say SlotTrimmed."""

    slot: int
    lease: LeaseId
    stop: int


class FetchBlob(msgspec.Struct, frozen=True):
    """Get a blob from the broker."""

    digest: bytes


Command = Say | StartSlot | Define | Run | TrimSlot | FetchBlob | SendBlob | Reconnect | Exit
