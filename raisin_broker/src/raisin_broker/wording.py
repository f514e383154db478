"""What the machine's commands need from the store: payloads, what is told with a result page, what was recorded.

Rules of this file: reads the store, nothing else; every shell of the broker's machine uses it.
"""

from __future__ import annotations

import msgspec

from raisin_broker.outbox import FunctionOf, KeyOf, PageOf, Recall, ResultOf, Send
from raisin_broker.records import TAG, Recalled, StoredResult
from raisin_broker.store.base import Store
from raisin_core.messages import Message, Origin, Result


def worded(command: Send, store: Store) -> tuple[Message, bytes] | None:
    """The message and its payload; None if the store does not have it (any more). Raises StoreError."""
    payload: bytes | None
    match command.payload:
        case bytes():
            payload = command.payload
        case PageOf():
            payload = store.page(command.payload.job, command.payload.number)
        case FunctionOf():
            payload = store.function(command.payload.digest)
        case KeyOf():
            payload = store.key(command.payload.account, command.payload.key)
        case ResultOf():
            found = store.result(command.payload.job, command.payload.arrival)
            return None if found is None else (_told(command.message, found), found.payload)
    return None if payload is None else (command.message, payload)


def _told(message: Message, found: StoredResult) -> Message:
    """A result page's message with all that readers are told."""
    assert isinstance(message, Result)
    about, source = found.about, found.source
    return msgspec.structs.replace(
        message,
        won=found.won,
        host=about.host,
        member=about.member,
        queued=about.queued,
        retried=_shifted(about.retried, source.first, found) if source else about.retried,
        ruling=about.ruling,
        blobs=about.blobs,
        origin=Origin(source.job, *found.source_span, source.first) if source else None,
    )


def _shifted(retried: list[tuple[int, int]], first: int, found: StoredResult) -> list[tuple[int, int]]:
    """Attempts by the indices of the job that has these results from another one."""
    moved = ((index - first + found.start, attempts) for index, attempts in retried)
    return [(index, attempts) for index, attempts in moved if found.start <= index < found.stop]


def remembered(question: Recall, store: Store) -> list[Recalled]:
    """What is recorded, or being computed, of the tasks with these tags; in their order. Raises StoreError."""
    found = {each.at: each for each in store.recall(question.account, question.key, question.tags)}
    running = {
        tag: (job, start + number)
        for job, start, stop in question.running
        for number, tag in enumerate(store.tags(job, start, stop))
    }
    for at in range(len(question.tags) // TAG) if running else ():
        where = running.get(question.tags[at * TAG : (at + 1) * TAG])
        if where is not None and at not in found:
            found[at] = Recalled(at, where[0], 0, where[1])
    return [found[at] for at in sorted(found)]
