"""What goes into the client's machine and what comes out of it.

Rules of this file: types only.
"""

from __future__ import annotations

import msgspec

from raisin_core.messages import Argument, Message, Open, Order, Page, Progress, Result

# -- events ----------------------------------------------------------------------------------------------------------


class Connected(msgspec.Struct, frozen=True):
    """A connection to the broker stands."""


class Disconnected(msgspec.Struct, frozen=True):
    """It does not stand any more."""


class Received(msgspec.Struct, frozen=True):
    """The broker said this."""

    message: Message
    payload: bytes = b""


class Submit(msgspec.Struct, frozen=True):
    """Make a job."""

    message: Open
    payload: bytes


class AddPage(msgspec.Struct, frozen=True):
    """Add a page to a job; pages come in order."""

    message: Page
    payload: bytes


class CloseJob(msgspec.Struct, frozen=True):
    """The job has this many tasks."""

    job: bytes
    total: int


class CancelJob(msgspec.Struct, frozen=True):
    """Stop the job for good."""

    job: bytes


class ForgetJob(msgspec.Struct, frozen=True):
    """Nobody here is interested any more; `keep` leaves the job with the broker."""

    job: bytes
    keep: bool = False


class AttachTo(msgspec.Struct, frozen=True):
    """Take up a job that somebody submitted before."""

    job: bytes


class Read(msgspec.Struct, frozen=True):
    """Collect results: see messages.Follow. Said again to go on."""

    job: bytes
    reader: int
    order: Order
    after: int
    limit: int


class StopReading(msgspec.Struct, frozen=True):
    """This reader wants no more."""

    job: bytes
    reader: int


class FetchArguments(msgspec.Struct, frozen=True):
    """Get the page of arguments that holds the task `index`."""

    job: bytes
    index: int


class BlobThere(msgspec.Struct, frozen=True):
    """A blob of ours is with the broker."""

    digest: bytes


class Tick(msgspec.Struct, frozen=True):
    """Time has passed."""


class Leave(msgspec.Struct, frozen=True):
    """Say goodbye and end."""


Event = (
    Connected
    | Disconnected
    | Received
    | Submit
    | AddPage
    | CloseJob
    | CancelJob
    | ForgetJob
    | AttachTo
    | Read
    | StopReading
    | FetchArguments
    | BlobThere
    | Tick
    | Leave
)

# -- commands --------------------------------------------------------------------------------------------------------


class Say(msgspec.Struct, frozen=True):
    """Send this to the broker."""

    message: Message
    payload: bytes = b""


class Deliver(msgspec.Struct, frozen=True):
    """A result page for a reader."""

    message: Result
    payload: bytes


class DeliverArguments(msgspec.Struct, frozen=True):
    """A page of arguments that was asked for."""

    message: Argument
    payload: bytes


class Accepted(msgspec.Struct, frozen=True):
    """So many pages of the job are durable; `closed`: its end is, too."""

    job: bytes
    pages: int
    closed: bool


class Stands(msgspec.Struct, frozen=True):
    """How a job stands."""

    progress: Progress


class Describes(msgspec.Struct, frozen=True):
    """What an attached job is."""

    job: bytes
    form: str
    name: str
    shape: list[int]


class Printed(msgspec.Struct, frozen=True):
    """A task wrote this."""

    job: bytes
    index: int
    host: str
    text: bytes


class Failed(msgspec.Struct, frozen=True):
    """The broker will not do what was asked of this job (all jobs, if empty)."""

    job: bytes
    code: str
    reason: str


class Greeted(msgspec.Struct, frozen=True):
    """The session stands."""

    run: int


class SendBlob(msgspec.Struct, frozen=True):
    """Bring a blob to the broker."""

    digest: bytes


class Reconnect(msgspec.Struct, frozen=True):
    """The broker is silent: throw the sockets away and make others."""


class Exit(msgspec.Struct, frozen=True):
    """The goodbye is said."""


Command = (
    Say
    | Deliver
    | DeliverArguments
    | Accepted
    | Stands
    | Describes
    | Printed
    | Failed
    | Greeted
    | SendBlob
    | Reconnect
    | Exit
)
