"""Which slot runs what: leases in the order they came, on slots that are set up for their context.

Rules of this file: pure.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from raisin_worker.commands import Command, Define, FetchBlob, Run, StartSlot
from raisin_worker.state import Slot, State, WorkLease

MOST_FUNCTIONS: Final = 1000
"""A task process keeps the functions that it was given; after so many another one takes its place."""


def fill(state: State, now: float) -> list[Command]:
    """Give idle slots what waits and has all it needs; start those that are down; ask for blobs that are missing."""
    out: list[Command] = []
    coming = Counter(slot.context for slot in state.slots if slot.state == "starting")
    for lease in state.queue():
        if missing := _missing(state, lease):
            out += _ask(state, missing)
        elif missing is not None:
            ready = next((s for s in state.slots if s.state == "idle" and s.context == lease.context), None)
            if ready is not None:
                out += _run(state, ready, lease)
            elif coming[lease.context]:
                coming[lease.context] -= 1
            elif (slot := _convertible(state, lease.context, now)) is not None:
                out.append(start(state, slot, lease.context))
    down = [slot for slot in state.slots if slot.state == "down" and slot.not_before <= now]
    full = [slot for slot in state.slots if slot.state == "idle" and len(slot.functions) >= MOST_FUNCTIONS]
    return out + [start(state, slot) for slot in down + full]


def start(state: State, slot: Slot, context: bytes | None = None) -> StartSlot:
    """Start a slot anew, with another context if one is given."""
    slot.state, slot.lease = "starting", None
    slot.context = slot.context if context is None else context
    slot.functions.clear()
    return StartSlot(slot.number, slot.context, state.contexts.get(slot.context, b""))


def _convertible(state: State, context: bytes, now: float) -> Slot | None:
    """A slot that may be started anew with this context: nothing runs there, and no lease waits for its start (else
    leases of several contexts would take each other's slots for ever)."""
    awaited = {lease.context for lease in state.queue()}
    free = [slot for slot in state.slots if slot.state == "idle" and slot.context != context]
    free += [slot for slot in state.slots if slot.state == "starting" and slot.context not in awaited]
    free += [slot for slot in state.slots if slot.state == "down" and (slot.not_before <= now or not slot.failures)]
    return free[0] if free else None


def _missing(state: State, lease: WorkLease) -> set[bytes] | None:
    """The blobs that must still come; None while function, context or pages are not here."""
    if lease.function not in state.functions or (lease.context and lease.context not in state.contexts):
        return None
    if not state.has_pages(lease):
        return None
    return state.blobs(lease) - state.here


def _ask(state: State, missing: set[bytes]) -> list[Command]:
    asked = sorted(missing - state.wanted)
    state.wanted.update(asked)
    return [FetchBlob(digest) for digest in asked]


def _run(state: State, slot: Slot, lease: WorkLease) -> list[Command]:
    slot.state, slot.lease, lease.slot = "busy", lease.id, slot.number
    out: list[Command] = []
    if lease.function not in slot.functions:
        slot.functions.add(lease.function)
        out.append(Define(slot.number, lease.function, state.functions[lease.function][0]))
    pages = state.pieces(lease)
    out.append(Run(slot.number, lease.job, lease.function, lease.start, lease.stop, pages, lease.task_timeout))
    return out
