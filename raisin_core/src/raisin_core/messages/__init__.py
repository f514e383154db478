"""Every message of the protocol, with who says it to whom; the table of docs/protocol.md is made from this package.

base        what headers are made of        submitting  a client submits        working     the broker and its workers
sessions    every peer and the broker       collecting  a client collects       pieces      blobs, bit by bit
belonging   who is a member

Rules of this file: types and their meaning, no behaviour. A header is a msgpack array `[tag, fields...]`; fields are
only ever appended, with defaults. Payloads travel in a frame of their own and are opaque to everybody but their two
ends. Ids are 16 random bytes made by whoever owns the thing; digests are 32 bytes of SHA-256; times are seconds. A
lease is named by `(run, number)`: the broker's run that gave it out, and a counter within that run.
"""

from __future__ import annotations

from typing import Final

from raisin_core.messages import belonging, collecting, pieces, sessions, submitting, working
from raisin_core.messages.base import (
    CHUNK,
    ENDED,
    VERSION,
    Blobs,
    Digest,
    Form,
    HeldLease,
    Id,
    Index,
    JobState,
    Label,
    LeaseId,
    Message,
    NoDigest,
    Options,
    Order,
    Parts,
    RefusalCode,
    Tags,
    Text,
    Verdict,
    Way,
)
from raisin_core.messages.belonging import Join, ListMembers, MemberLine, Members, Publish, Resign, Roster
from raisin_core.messages.collecting import (
    Attach,
    Described,
    Explain,
    Explained,
    Fetch,
    Follow,
    JobLine,
    Jobs,
    ListJobs,
    Origin,
    Progress,
    Result,
    Ruling,
    Unfollow,
    WorkerLine,
)
from raisin_core.messages.pieces import (
    Chunk,
    Get,
    Have,
    Put,
)
from raisin_core.messages.sessions import (
    Beat,
    BeatBack,
    Farewell,
    Goodbye,
    Hello,
    Refused,
    Welcome,
    WhoAreYou,
)
from raisin_core.messages.submitting import (
    Cancel,
    Close,
    Closed,
    Forget,
    Open,
    Opened,
    Page,
    Release,
    Stored,
)
from raisin_core.messages.working import (
    Argument,
    Context,
    Crashed,
    Draining,
    Drop,
    Function,
    Held,
    Judged,
    Lease,
    ListLeases,
    Over,
    Printed,
    Results,
    Trim,
    Trimmed,
    Wrote,
)

ROOMS: Final = (sessions, belonging, submitting, collecting, working, pieces)
MESSAGES: Final[tuple[type[Message], ...]] = tuple(
    kind for room in ROOMS for kind in Message.__subclasses__() if kind.__module__ == room.__name__
)

__all__ = [
    "CHUNK",
    "ENDED",
    "MESSAGES",
    "VERSION",
    "Argument",
    "Attach",
    "Beat",
    "BeatBack",
    "Blobs",
    "Cancel",
    "Chunk",
    "Close",
    "Closed",
    "Context",
    "Crashed",
    "Described",
    "Digest",
    "Draining",
    "Drop",
    "Explain",
    "Explained",
    "Farewell",
    "Fetch",
    "Follow",
    "Forget",
    "Form",
    "Function",
    "Get",
    "Goodbye",
    "Have",
    "Held",
    "HeldLease",
    "Hello",
    "Id",
    "Index",
    "JobLine",
    "JobState",
    "Jobs",
    "Join",
    "Judged",
    "Label",
    "Lease",
    "LeaseId",
    "ListJobs",
    "ListLeases",
    "ListMembers",
    "MemberLine",
    "Members",
    "Message",
    "NoDigest",
    "Open",
    "Opened",
    "Options",
    "Order",
    "Origin",
    "Over",
    "Page",
    "Parts",
    "Printed",
    "Progress",
    "Publish",
    "Put",
    "RefusalCode",
    "Refused",
    "Release",
    "Resign",
    "Result",
    "Results",
    "Roster",
    "Ruling",
    "Stored",
    "Tags",
    "Text",
    "Trim",
    "Trimmed",
    "Unfollow",
    "Verdict",
    "Way",
    "Welcome",
    "WhoAreYou",
    "WorkerLine",
    "Wrote",
]
