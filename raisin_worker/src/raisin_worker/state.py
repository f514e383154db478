"""What a worker knows: its slots, the leases it holds, and what it keeps for them.

Rules of this file: pure data.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from raisin_core.messages import Argument, Crashed, HeldLease, LeaseId, Results


class WorkLease(msgspec.Struct):
    """A lease: tasks `[start, stop)` have not been sent back yet."""

    id: LeaseId
    job: bytes
    start: int
    stop: int
    function: bytes
    context: bytes
    task_timeout: float
    slot: int | None = None

    def held(self) -> HeldLease:
        return HeldLease(self.id, self.job, self.start, self.stop)


class Slot(msgspec.Struct):
    """One task process: what it is set up for, and what it runs. `not_before` is when it may be started again."""

    number: int
    context: bytes
    state: Literal["down", "starting", "idle", "busy"] = "down"
    lease: LeaseId | None = None
    functions: set[bytes] = msgspec.field(default_factory=set)
    failures: int = 0
    not_before: float = 0.0


class Argued(msgspec.Struct):
    """A page of arguments, as it came."""

    message: Argument
    payload: bytes


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
        self.functions: dict[bytes, tuple[bytes, list[bytes]]] = {}
        self.contexts: dict[bytes, bytes] = {}
        self.unjudged: dict[tuple[bytes, int, int], Unjudged] = {}
        self.crashes: dict[LeaseId, Crashed] = {}
        self.here: set[bytes] = set()
        self.wanted: set[bytes] = set()

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

    def blobs(self, lease: WorkLease) -> set[bytes]:
        """The blobs that a lease needs here, as far as function and pages have come."""
        needed = set(self.functions.get(lease.function, (b"", []))[1])
        for page in self.pages.get(lease.job, {}).values():
            if page.message.first < lease.stop and lease.start < page.message.first + page.message.count:
                needed.update(page.message.blobs)
        return needed

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
