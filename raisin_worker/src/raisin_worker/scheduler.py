"""Which slot runs what: leases in the order they came, on slots that are set up for what they serve.

A task process serves one context of a client, or one submitting machine: for another it is started anew.

Rules of this file: pure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from raisin_worker.commands import Command, Define, EndSlot, FetchBlob, Run, StartSlot
from raisin_worker.state import Slot, State, WorkLease

MOST_FUNCTIONS: Final = 1000
"""A task process keeps the functions that it was given; after so many another one takes its place."""


def fill(state: State, now: float, admits: Callable[[WorkLease], bool] | None = None) -> list[Command]:
    """Give idle slots what waits and has all it needs; start those that are down; ask for blobs that are missing.

    `admits` is asked for each lease at each time, since pages may have changed; one that it refuses it takes away."""
    out: list[Command] = []
    coming = Counter(slot.context for slot in state.slots if slot.state == "starting")
    for lease in state.queue():
        if not state.is_complete(lease) or (admits is not None and not admits(lease)):
            continue
        if missing := {name: wire for name, wire in state.blobs(lease).items() if name not in state.here}:
            out += _ask(state, missing)
        elif (ready := _ready(state, lease)) is not None:
            out += _run(state, ready, lease)
        elif (context := next((each for each in lease.settings if coming[each]), None)) is not None:
            coming[context] -= 1
        elif (slot := _convertible(state, lease.serves, now)) is not None:
            out.append(start(state, slot, lease.serves))
    down = [slot for slot in state.slots if slot.state == "down" and slot.not_before <= now]
    full = [slot for slot in state.slots if slot.state == "idle" and len(slot.functions) >= MOST_FUNCTIONS]
    return out + [start(state, slot) for slot in down + full]


def end(state: State, slot: Slot) -> EndSlot:
    """End a slot's process; it is started again when a lease needs it."""
    slot.state, slot.lease, slot.context = "down", None, b""
    slot.failures, slot.not_before = 0, math.inf
    slot.functions.clear()
    return EndSlot(slot.number)


def start(state: State, slot: Slot, context: bytes | None = None) -> StartSlot:
    """Start a slot anew, with another context if one is given."""
    slot.state, slot.lease = "starting", None
    slot.context = slot.context if context is None else context
    slot.functions.clear()
    return StartSlot(slot.number, slot.context, state.contexts.get(slot.context, b""))


def _convertible(state: State, context: bytes, now: float) -> Slot | None:
    """A slot that may be started anew with this context: nothing runs there, and no lease waits for its start (else
    leases of several contexts would take each other's slots for ever)."""
    awaited = {lease.serves for lease in state.queue()}
    free = [slot for slot in state.slots if slot.state == "idle" and slot.context != context]
    free += [slot for slot in state.slots if slot.state == "starting" and slot.context not in awaited]
    free += [slot for slot in state.slots if slot.state == "down" and (slot.not_before <= now or not slot.failures)]
    return free[0] if free else None


def _ready(state: State, lease: WorkLease) -> Slot | None:
    for context in lease.settings:
        for slot in state.slots:
            if slot.state == "idle" and slot.context == context:
                return slot
    return None


def _ask(state: State, missing: Mapping[bytes, bytes]) -> list[Command]:
    asked = sorted(set(missing.items()) - state.wanted)
    state.wanted.update(asked)
    return [FetchBlob(wire, b"" if wire == name else name) for name, wire in asked]


def _run(state: State, slot: Slot, lease: WorkLease) -> list[Command]:
    slot.state, slot.lease, lease.slot, slot.context = "busy", lease.id, slot.number, lease.serves
    out: list[Command] = []
    if lease.function not in slot.functions:
        slot.functions.add(lease.function)
        out.append(Define(slot.number, lease.function, state.functions[lease.function].payload))
    pages = state.pieces(lease)
    out.append(
        Run(
            slot.number,
            lease.job,
            lease.function,
            lease.start,
            lease.stop,
            pages,
            lease.task_timeout,
            lease.id,
            lease.submitter,
            lease.fingerprint,
        )
    )
    return out
