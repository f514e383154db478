"""What a worker knows: its slots, the leases it holds, and what it keeps for them.

Rules of this file: pure data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import msgspec

from raisin_core.identity.sealing import Opened
from raisin_core.messages import Argument, Context, Crashed, Function, HeldLease, LeaseId, Results


class WorkLease(msgspec.Struct):
    """A lease: tasks `[start, stop)` have not been sent back yet. Where payloads are sealed, `submitter` (its Ed25519
    key) and `fingerprint` are what vetting found."""

    id: LeaseId
    job: bytes
    start: int
    stop: int
    function: bytes
    context: bytes
    task_timeout: float
    slot: int | None = None
    submitter: bytes = b""
    fingerprint: bytes = b""

    @property
    def serves(self) -> bytes:
        """What its task process must be set up for: the context of a client, or one submitting machine."""
        return self.context + self.submitter

    @property
    def settings(self) -> list[bytes]:
        """What a task process may be set up for to run this: one that served nobody yet may serve any submitter."""
        return [self.serves, b""] if self.submitter else [self.serves]

    def held(self) -> HeldLease:
        return HeldLease(self.id, self.job, self.start, self.stop)


class Slot(msgspec.Struct):
    """One task process: what it is set up for (what leases there `serve`), and what it runs. `not_before` is when it
    may be started again."""

    number: int
    context: bytes
    state: Literal["down", "starting", "idle", "busy"] = "down"
    lease: LeaseId | None = None
    functions: set[bytes] = msgspec.field(default_factory=set)
    failures: int = 0
    not_before: float = 0.0


class Argued(msgspec.Struct):
    """A page of arguments; where payloads are sealed, who stands for it, or why it cannot be opened (`problem`)."""

    message: Argument
    payload: bytes
    opened: Opened | None = None
    problem: str = ""

    @property
    def blobs(self) -> Mapping[bytes, bytes]:
        """The blobs it needs: the names that it has them by -> those they travel by."""
        if self.opened is not None:
            return self.opened.parcel.blobs
        return dict(zip(self.message.blobs, self.message.blobs)) if self.message.blobs else {}


class Defined(msgspec.Struct):
    """A function, with the blobs it needs (as for a page); or why it cannot be opened (`problem`)."""

    payload: bytes
    blobs: Mapping[bytes, bytes]
    problem: str = ""


class Unjudged(msgspec.Struct):
    """Results that are kept until there is a verdict; `waits` are blobs that must be with the broker first."""

    message: Results
    payload: bytes
    waits: set[bytes]


class State:
    """Everything a worker knows."""

    def __init__(self, slots: int, eager: bool) -> None:
        self.slots = [Slot(number, b"", not_before=0.0 if eager else math.inf) for number in range(slots)]
        self.leases: dict[LeaseId, WorkLease] = {}
        self.pages: dict[bytes, dict[int, Argued]] = {}
        self.functions: dict[bytes, Defined] = {}
        self.contexts: dict[bytes, bytes] = {}
        self.unjudged: dict[tuple[bytes, int, int], Unjudged] = {}
        self.crashes: dict[LeaseId, Crashed] = {}
        self.here: set[bytes] = set()
        self.wanted: set[tuple[bytes, bytes]] = set()

    def keep(self, message: Argument | Function | Context, payload: bytes) -> None:
        """What leases will refer to, as it came: nothing is sealed."""
        if isinstance(message, Argument):
            self.pages.setdefault(message.job, {})[message.number] = Argued(message, payload)
        elif isinstance(message, Function):
            self.functions[message.digest] = Defined(payload, dict(zip(message.blobs, message.blobs)))
        else:
            self.contexts[message.digest] = payload

    def keep_opened(self, message: Argument | Function, opened: Opened | None, problem: str) -> None:
        """The same, as a member sealed it; or what is wrong with it."""
        payload, blobs = (b"", {}) if opened is None else (opened.payload, opened.parcel.blobs)
        if opened is None:
            problem = problem or "it was not opened"
        if isinstance(message, Argument):
            self.pages.setdefault(message.job, {})[message.number] = Argued(message, payload, opened, problem)
        else:
            self.functions[message.digest] = Defined(payload, blobs, problem)

    def pieces(self, lease: WorkLease) -> list[Argued]:
        """The pages that cover a lease; raises LookupError where one is missing."""
        pages = self.pages.get(lease.job, {})
        found = [
            page
            for page in pages.values()
            if page.message.first < lease.stop and lease.start < page.message.first + page.message.count
        ]
        found.sort(key=lambda page: page.message.first)
        at = lease.start
        for page in found:
            if page.message.first > at:
                break
            at = page.message.first + page.message.count
        if at < lease.stop:
            raise LookupError(f"arguments from task {at} on are missing")
        return found

    def has_pages(self, lease: WorkLease) -> bool:
        """Whether all pages that a lease needs are here."""
        try:
            self.pieces(lease)
        except LookupError:
            return False
        return True

    def forget_pages(self) -> None:
        """Keep only the pages of jobs that leases are held of: the broker does not know what else is here."""
        held = {lease.job for lease in self.leases.values()}
        self.pages = {job: pages for job, pages in self.pages.items() if job in held}

    def blobs(self, lease: WorkLease) -> dict[bytes, bytes]:
        """The blobs that a lease needs here (name -> the one it travels by), as far as function and pages have
        come."""
        function = self.functions.get(lease.function)
        needed = {} if function is None else dict(function.blobs)
        for page in self.pages.get(lease.job, {}).values():
            if page.message.first < lease.stop and lease.start < page.message.first + page.message.count:
                needed.update(page.blobs)
        return needed

    def is_complete(self, lease: WorkLease) -> bool:
        """Whether function, context and pages of a lease are here (its blobs need not be)."""
        if lease.function not in self.functions or (lease.context and lease.context not in self.contexts):
            return False
        return self.has_pages(lease)

    def queue(self) -> list[WorkLease]:
        """Leases that have not begun, oldest first."""
        return [lease for lease in self.leases.values() if lease.slot is None]

    def check(self) -> None:
        """Invariants. Raises AssertionError."""
        for slot in self.slots:
            assert (slot.state == "busy") == (slot.lease is not None), f"slot {slot.number} is {slot.state}"
            if slot.lease is not None and slot.lease in self.leases:
                assert self.leases[slot.lease].slot == slot.number, "a slot runs what another has"
        for lease in self.leases.values():
            assert lease.slot is None or self.slots[lease.slot].lease == lease.id, "a lease runs nowhere"
