"""The broker and its workers."""

from __future__ import annotations

from typing import Literal

from raisin_core.messages.base import Blobs, Digest, HeldLease, Id, Index, LeaseId, Message, NoDigest, Text, Verdict


class Function(Message, frozen=True):
    """A function that leases will name; sent once per session, before the first such lease."""

    way = "broker>worker"
    payload = "the function, with its constant keyword arguments"
    digest: Digest
    blobs: Blobs = []


class Context(Message, frozen=True):
    """Directory, environment, path and interpreter of a submitting client of this machine (embedded cluster only)."""

    way = "broker>worker"
    payload = "the context"
    digest: Digest


class Argument(Message, frozen=True):
    """A page of arguments: for a worker before the first lease in it, for a client that asked with Fetch."""

    way = "broker>peer"
    payload = "the arguments, encoded together"
    job: Id
    number: Index
    first: Index
    count: Index
    blobs: Blobs = []


class Lease(Message, frozen=True):
    """The right, and the request, to run tasks `[start, stop)` of a job."""

    way = "broker>worker"
    lease: LeaseId
    job: Id
    start: Index
    stop: Index
    function: Digest
    context: NoDigest = b""
    task_timeout: float = 0.0


class Trim(Message, frozen=True):
    """Asks for the tasks of a lease from `stop` on back (all that have not begun, if `stop` is not after the start)."""

    way = "broker>worker"
    lease: LeaseId
    stop: Index


class Trimmed(Message, frozen=True):
    """The lease now ends at `stop`: the answer to Trim, and how a draining worker gives back."""

    way = "worker>broker"
    lease: LeaseId
    stop: Index


class Results(Message, frozen=True):
    """The results of tasks `[start, stop)`: the next piece of a lease. `failed` raised; `unfit` could not run on this
    host (with the reason); the rest succeeded. `seconds` is the time it took. Some of them can only travel as pickles
    where it is `opaque`. Sent again until there is a verdict."""

    way = "worker>broker"
    payload = "the results, encoded together"
    lease: LeaseId
    job: Id
    start: Index
    stop: Index
    seconds: float
    failed: list[int] = []
    unfit: list[tuple[int, str]] = []
    blobs: Blobs = []
    opaque: bool = False


class Judged(Message, frozen=True):
    """What became of a result page: the worker may forget it."""

    way = "broker>worker"
    job: Id
    start: Index
    stop: Index
    verdict: Verdict


class Crashed(Message, frozen=True):
    """The task process ended while it ran `index`: nothing from there on in this lease was run to its end.
    `timeout` means that the agent ended it because the task took longer than it may."""

    way = "worker>broker"
    lease: LeaseId
    job: Id
    index: Index
    kind: Literal["crash", "timeout"]
    detail: Text
    slot: Index


class ListLeases(Message, frozen=True):
    """The digest of your leases is not what I expect: list them."""

    way = "broker>worker"


class Held(Message, frozen=True):
    """All leases that the worker holds, and the newest lease number it has seen."""

    way = "worker>broker"
    leases: list[HeldLease]
    seen: Index


class Drop(Message, frozen=True):
    """Pages of a job that will not be needed any more."""

    way = "broker>worker"
    job: Id
    pages: list[int]


class Over(Message, frozen=True):
    """These jobs have ended: end what runs of them, forget their pages. Functions will be sent again if needed."""

    way = "broker>worker"
    jobs: list[Id]
    functions: list[Digest] = []


class Draining(Message, frozen=True):
    """The worker wants no more leases."""

    way = "worker>broker"


class Wrote(Message, frozen=True):
    """A task wrote to its standard output: text for whoever started the job. May be lost."""

    way = "worker>broker"
    payload = "the text"
    job: Id
    index: Index


class Printed(Message, frozen=True):
    """A task of your job wrote this. May be lost."""

    way = "broker>client"
    payload = "the text"
    job: Id
    index: Index
    host: Text
