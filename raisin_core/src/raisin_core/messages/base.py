"""What headers are made of, and what all messages have.

Rules of this file: types and their meaning, no behaviour.
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
Label = Annotated[str, msgspec.Meta(max_length=200)]
Tags = Annotated[bytes, msgspec.Meta(max_length=16 * 4096)]
Parts = Annotated[bytes, msgspec.Meta(max_length=64 * 1024)]

Verdict = Literal["recorded", "duplicate", "cancelled", "unknown"]
RefusalCode = Literal[
    "malformed",
    "version",
    "role",
    "unknown job",
    "not yours",
    "busy",
    "replaced",
    "member",
    "changed",
    "lost",
    "gone",
    "roster",
    "invitation",
]
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
    none. `pickles` are the members from whom it takes any result (None: everybody): the first one of another that
    can only travel as a pickle holds the job, until `Release`."""

    retries: int = 0
    deadline: float = 0.0
    task_timeout: float = 0.0
    chunksize: int = 0
    where: list[str] = []
    save: bool = False
    pickles: list[str] | None = None


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
