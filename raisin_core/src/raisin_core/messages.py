"""Every message of the protocol, with who says it to whom; the table of docs/protocol.md is made from this file.

Rules of this file: types and their meaning, no behaviour. A header is a msgpack array `[tag, fields...]`; fields are
only ever appended, with defaults. Payloads travel in a frame of their own and are opaque to everybody but their two
ends. Ids are 16 random bytes made by whoever owns the thing; digests are 32 bytes of SHA-256; times are seconds. A
lease is named by `(run, number)`: the broker's run that gave it out, and a counter within that run.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

import msgspec

VERSION: Final = 1
CHUNK: Final = 256 * 1024

Id = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
NoDigest = Annotated[bytes, msgspec.Meta(max_length=32)]
Index = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Text = Annotated[str, msgspec.Meta(max_length=10_000)]
Blobs = Annotated[list[Digest], msgspec.Meta(max_length=10_000)]

Verdict = Literal["recorded", "duplicate", "cancelled", "unknown"]
Form = Literal["map", "process", "scan"]
JobState = Literal["running", "done", "cancelled", "late"]
Order = Literal["arrival", "window"]
Way = Literal["peer>broker", "client>broker", "worker>broker", "broker>peer", "broker>client", "broker>worker"]

ENDED: Final[frozenset[JobState]] = frozenset(("done", "cancelled", "late"))


class Message(msgspec.Struct, frozen=True, array_like=True, tag=str.lower):
    """What all messages have: who may say it (`way`), on which socket pair, and what its payload frame holds
    (`payload`)."""

    way: ClassVar[Way]
    payload: ClassVar[str] = ""
    bulk: ClassVar[bool] = False


class Options(msgspec.Struct, frozen=True, array_like=True):
    """What the submitter asked of a job. `deadline` is wall-clock time (seconds since the epoch), 0 where there is
    none."""

    retries: int = 0
    deadline: float = 0.0
    task_timeout: float = 0.0
    chunksize: int = 0
    where: list[str] = []
    save: bool = False


class LeaseId(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Names one lease: the broker's run and a counter within it."""

    run: Index
    number: Index


class HeldLease(msgspec.Struct, frozen=True, array_like=True):
    """One lease as its worker sees it: `[start, stop)` is what has not been sent back yet."""

    lease: LeaseId
    job: Id
    start: Index
    stop: Index


# -- every peer and the broker ---------------------------------------------------------------------------------------


class Hello(Message, frozen=True):
    """Begins a session. `replaces` names instances that the sender knows to be dead (it holds their lock)."""

    way = "peer>broker"
    payload = "the context named by `context`, if any: directory, environment, path, interpreter"
    instance: Id
    role: Literal["client", "worker"]
    host: Text
    pid: int
    environment: Text = ""
    slots: int = 0
    context: NoDigest = b""
    replaces: list[Id] = []


class Welcome(Message, frozen=True):
    """The session exists; say something every `beat` seconds, and mistrust a silence of `silence`."""

    way = "broker>peer"
    run: Index
    beat: float
    silence: float
    cluster: str = ""


class WhoAreYou(Message, frozen=True):
    """The broker has no session for this connection: say Hello, then send again what was not acknowledged."""

    way = "broker>peer"


class Refused(Message, frozen=True):
    """Something was not accepted, and why; `code` is for programs. A fatal refusal ends the session."""

    way = "broker>peer"
    code: Literal["malformed", "version", "role", "unknown job", "not yours", "busy", "replaced", "member"]
    reason: Text
    about: bytes = b""
    fatal: bool = False


class Beat(Message, frozen=True):
    """I am alive. A worker adds the number of the newest lease it has seen and a digest of those it holds."""

    way = "peer>broker"
    seen: Index = 0
    held: int = 0


class BeatBack(Message, frozen=True):
    """So am I."""

    way = "broker>peer"


class Goodbye(Message, frozen=True):
    """The sender ends its session in good order."""

    way = "peer>broker"


class Farewell(Message, frozen=True):
    """The broker ends in good order; with `final` it will not come back (an embedded cluster without clients)."""

    way = "broker>peer"
    final: bool = False


# -- a client submits ------------------------------------------------------------------------------------------------


class Open(Message, frozen=True):
    """Makes a job; sending it again changes nothing. `shape` holds the lengths of a scan's axes; for a map, how many
    arguments a task has (0: each element is a tuple of arguments)."""

    way = "client>broker"
    payload = "the function, with its constant keyword arguments"
    job: Id
    form: Form
    name: Text
    function: Digest
    options: Options
    context: NoDigest = b""
    shape: list[int] = []
    blobs: Blobs = []


class Page(Message, frozen=True):
    """Adds the arguments of tasks `[first, first + count)`. Pages are numbered from 0 without gaps; after the `last`
    one the job has as many tasks as were sent."""

    way = "client>broker"
    payload = "the arguments, encoded together"
    job: Id
    number: Index
    first: Index
    count: Index
    blobs: Blobs = []
    last: bool = False


class Close(Message, frozen=True):
    """No more pages: the job has `total` tasks. Not needed where a page was said to be the last."""

    way = "client>broker"
    job: Id
    total: Index


class Opened(Message, frozen=True):
    """The job is durable; pages below `credit` may be sent. Stored and Closed say this as well."""

    way = "broker>client"
    job: Id
    credit: Index


class Stored(Message, frozen=True):
    """Pages below `pages` are durable, pages below `credit` may be sent (both are cumulative)."""

    way = "broker>client"
    job: Id
    pages: Index
    credit: Index


class Closed(Message, frozen=True):
    """The job, all its pages and its end are durable."""

    way = "broker>client"
    job: Id


class Cancel(Message, frozen=True):
    """Stops a job for good: what is not recorded yet never will be."""

    way = "client>broker"
    job: Id


class Forget(Message, frozen=True):
    """The job's handle is gone: an ended job may be deleted, a running one when it ends."""

    way = "client>broker"
    job: Id


# -- a client collects -----------------------------------------------------------------------------------------------


class Follow(Message, frozen=True):
    """Asks for results. By arrival: pages that arrived after number `after`, up to number `limit`.
    By window: pages with tasks in `[after, limit)`. Said again with larger figures to go on (a cumulative credit)."""

    way = "client>broker"
    job: Id
    reader: Index
    order: Order
    after: Index
    limit: Index


class Unfollow(Message, frozen=True):
    """This reader wants no more."""

    way = "client>broker"
    job: Id
    reader: Index


class Result(Message, frozen=True):
    """One recorded result page; only the indices in `won` count (pairs of start and stop), all if it is empty.
    `retried` lists (index, attempts) where there was more than one; `queued` is the wait before the lease, in
    seconds."""

    way = "broker>client"
    payload = "the results, encoded together; with `ruling`, the broker's own (see `Ruling`)"
    job: Id
    reader: Index
    arrival: Index
    start: Index
    stop: Index
    won: list[tuple[int, int]]
    host: Text
    member: str
    queued: float = 0.0
    retried: list[tuple[int, int]] = []
    ruling: bool = False
    blobs: Blobs = []


class Ruling(msgspec.Struct, frozen=True, array_like=True):
    """What the broker itself records for a task that no worker could finish: the payload of such a result page.
    `trials` tells, for each attempt, the host and what happened there."""

    kind: Literal["crashed", "timeout", "unfit"]
    trials: list[tuple[str, str]]


class Progress(Message, frozen=True):
    """How a job stands; said when asked for, at most twice a second while it changes, and when it ends.
    `arrivals` is the number of result pages so far; `total` is -1 until the job is closed."""

    way = "broker>client"
    job: Id
    state: JobState
    done: int
    failed: int
    running: int
    total: int
    arrivals: int
    waits: str = ""


class Fetch(Message, frozen=True):
    """Asks for the page of arguments that holds the task `index`."""

    way = "client>broker"
    job: Id
    index: Index


class Attach(Message, frozen=True):
    """Asks what job this is."""

    way = "client>broker"
    job: Id


class Described(Message, frozen=True):
    """The answer to Attach, followed by a Progress."""

    way = "broker>client"
    job: Id
    form: Form
    name: Text
    shape: list[int]


# -- workers ---------------------------------------------------------------------------------------------------------


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
    host (with the reason); the rest succeeded. `seconds` is the time it took. Sent again until there is a verdict."""

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


# -- blobs, on the second socket pair --------------------------------------------------------------------------------


class Put(Message, frozen=True):
    """A piece of a blob of `size` bytes, from `offset`; with an empty payload, asks how much is there already."""

    way = "peer>broker"
    payload = "up to 256 KiB"
    bulk = True
    digest: Digest
    offset: Index
    size: int


class Have(Message, frozen=True):
    """The broker has the blob's first `offset` bytes; all of it, checked and durable, if `complete`."""

    way = "broker>peer"
    bulk = True
    digest: Digest
    offset: Index
    complete: bool


class Get(Message, frozen=True):
    """Asks for a piece of a blob."""

    way = "peer>broker"
    bulk = True
    digest: Digest
    offset: Index


class Chunk(Message, frozen=True):
    """A piece of a blob of `size` bytes; `size` is -1 if the broker does not have it."""

    way = "broker>peer"
    payload = "up to 256 KiB"
    bulk = True
    digest: Digest
    offset: Index
    size: int


MESSAGES: Final[tuple[type[Message], ...]] = tuple(Message.__subclasses__())
