"""What goes into the client's machine and what comes out of it.

Rules of this file: types only.
"""

from __future__ import annotations

import msgspec

from raisin_core.messages import Argument, Message, Open, Order, Page, Progress, Result
from raisin_core.peer import BlobThere, Connected, Disconnected, Exit, Received, Reconnect, Say, SendBlob, Tick

# -- events ----------------------------------------------------------------------------------------------------------


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


class ReleaseJob(msgspec.Struct, frozen=True):
    """Whatever holds the job is welcome: see messages.Release."""

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


class Ask(msgspec.Struct, frozen=True):
    """Put a question, and again in each new session until it is answered; `about` is the job (empty: all)."""

    about: bytes
    message: Message


class Holds(msgspec.Struct, frozen=True):
    """The newest roster that is known here: its version, and the book that proves it."""

    version: int
    book: bytes


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
    | ReleaseJob
    | ForgetJob
    | AttachTo
    | Read
    | StopReading
    | FetchArguments
    | Ask
    | Holds
    | BlobThere
    | Tick
    | Leave
)

# -- commands --------------------------------------------------------------------------------------------------------


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
    resume: str = ""


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
    payload: bytes = b""


class Blocked(msgspec.Struct, frozen=True):
    """The broker has no room for what was said of this job; it is said again after a while."""

    job: bytes
    reason: str


class Answer(msgspec.Struct, frozen=True):
    """The answer to a question (Refused where there is none)."""

    about: bytes
    message: Message


class Adopt(msgspec.Struct, frozen=True):
    """The broker gave a newer roster, it says."""

    book: bytes


class Greeted(msgspec.Struct, frozen=True):
    """The session stands."""

    run: int


Command = (
    Say
    | Deliver
    | DeliverArguments
    | Accepted
    | Stands
    | Describes
    | Printed
    | Failed
    | Blocked
    | Answer
    | Adopt
    | Greeted
    | SendBlob
    | Reconnect
    | Exit
)
