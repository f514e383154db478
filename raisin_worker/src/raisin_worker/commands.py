"""What goes into the worker's machine and what comes out of it, besides the events of slots (`events`).

Rules of this file: types only.
"""

from __future__ import annotations

import msgspec

from raisin_core.identity.sealing import Opened
from raisin_core.messages import Argument, Function, LeaseId, Results
from raisin_core.peer import BlobThere, Connected, Disconnected, Exit, Received, Reconnect, Say, SendBlob, Tick
from raisin_worker.events import SlotEvent
from raisin_worker.membership import Membership
from raisin_worker.state import Argued

# -- events, besides those of the slots ------------------------------------------------------------------------------


class SlotTrimmed(msgspec.Struct, frozen=True):
    """The range that this slot runs will end at `stop`: the answer to TrimSlot."""

    slot: int
    lease: LeaseId
    stop: int


class BlobHere(msgspec.Struct, frozen=True):
    """A blob that was wanted is here; or cannot be had, if `found` is false. `name` is the one it has here (empty: its
    digest)."""

    digest: bytes
    found: bool = True
    name: bytes = b""


class Drain(msgspec.Struct, frozen=True):
    """Finish what runs, give back the rest, and end; `at_once` gives back what runs, too."""

    at_once: bool = False


class Unsealed(msgspec.Struct, frozen=True):
    """The broker brought this, and it was opened; or could not be, and why."""

    message: Argument | Function
    opened: Opened | None
    problem: str = ""


class Refusal(msgspec.Struct, frozen=True):
    """A part of the answer to Refuse, sealed."""

    message: Results
    payload: bytes


class Renewed(msgspec.Struct, frozen=True):
    """There is a newer roster, or the owner has changed a setting."""

    membership: Membership


class Removed(msgspec.Struct, frozen=True):
    """The broker does not admit this machine any more."""


Event = (
    SlotEvent
    | Connected
    | Disconnected
    | Received
    | SlotTrimmed
    | BlobHere
    | BlobThere
    | Unsealed
    | Refusal
    | Renewed
    | Removed
    | Tick
    | Drain
)

# -- commands --------------------------------------------------------------------------------------------------------


class StartSlot(msgspec.Struct, frozen=True):
    """Start the slot's process with this context, in the place of the one there is (which is killed, with its
    children)."""

    slot: int
    context: bytes
    payload: bytes


class EndSlot(msgspec.Struct, frozen=True):
    """End the slot's process, with its children."""

    slot: int


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
    lease: LeaseId
    submitter: bytes = b""
    fingerprint: bytes = b""


class TrimSlot(msgspec.Struct, frozen=True):
    """Let the slot end its range at `stop` or soon after, and say SlotTrimmed."""

    slot: int
    lease: LeaseId
    stop: int


class FetchBlob(msgspec.Struct, frozen=True):
    """Get a blob from the broker; here it is to have this `name` (empty: its digest)."""

    digest: bytes
    name: bytes = b""


class Refuse(msgspec.Struct, frozen=True):
    """Answer a lease that is not run here with its reason: by Refusals, at once."""

    lease: LeaseId
    job: bytes
    start: int
    stop: int
    reason: str


Command = Say | StartSlot | EndSlot | Define | Run | TrimSlot | FetchBlob | SendBlob | Refuse | Reconnect | Exit
