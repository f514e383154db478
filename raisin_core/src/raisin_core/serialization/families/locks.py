"""What threads wait for: it arrives with its plain state, and nobody holds it or waits for it.

Locks are the one thing that changes on its way: a lock that is held arrives unlocked. A semaphore keeps its value (a
bounded one is full again), an event its flag, a barrier its size, a queue its items; `threading.local` brings what the
writing thread has there. What lives in one process only (threads, pools, unfinished futures) is refused.

Rules of this file: the standard library only.
"""

from __future__ import annotations

import concurrent.futures
import queue
import threading
from typing import TYPE_CHECKING, Any, Final

from raisin_core.errors import SerializationError

if TYPE_CHECKING:
    from raisin_core.serialization.pickling import Pickler

KINDS: Final[dict[str, Any]] = {
    "Lock": threading.Lock,
    "RLock": threading.RLock,
    "_RLock": threading._RLock,
    "Queue": queue.Queue,
    "LifoQueue": queue.LifoQueue,
    "PriorityQueue": queue.PriorityQueue,
}
TYPES: Final = {"Lock": type(threading.Lock()), "RLock": type(threading.RLock())}


def reduce_lock(value: Any, pickler: Pickler) -> Any:
    """A lock, as a new one that nobody holds."""
    kind = next((name for name, each in TYPES.items() if type(value) is each), type(value).__name__)
    return rebuild_lock, (kind,)


def rebuild_lock(kind: str) -> Any:
    return KINDS[kind]()


def reduce_condition(value: threading.Condition, pickler: Pickler) -> Any:
    """A condition with its lock, which it may share with others."""
    return rebuild_condition, (value._lock,)  # type: ignore[attr-defined]


def rebuild_condition(lock: Any) -> threading.Condition:
    return threading.Condition(lock)


def reduce_semaphore(value: threading.Semaphore, pickler: Pickler) -> Any:
    """Its value now: what is taken may never have been there."""
    return rebuild_semaphore, (value._value,)


def rebuild_semaphore(value: int) -> threading.Semaphore:
    return threading.Semaphore(value)


def reduce_bounded(value: threading.BoundedSemaphore, pickler: Pickler) -> Any:
    """Full, as nobody on the other side has taken any."""
    return rebuild_bounded, (value._initial_value,)  # type: ignore[attr-defined]


def rebuild_bounded(value: int) -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(value)


def reduce_event(value: threading.Event, pickler: Pickler) -> Any:
    """Set or not."""
    return rebuild_event, (value.is_set(),)


def rebuild_event(is_set: bool) -> threading.Event:
    event = threading.Event()
    if is_set:
        event.set()
    return event


def reduce_barrier(value: threading.Barrier, pickler: Pickler) -> Any:
    """Its size, with nobody waiting."""
    state = {"_action": value._action}  # type: ignore[attr-defined]
    return rebuild_barrier, (value.parties, value._timeout, value.broken), state  # type: ignore[attr-defined]


def rebuild_barrier(parties: int, timeout: float | None, is_broken: bool) -> threading.Barrier:
    barrier = threading.Barrier(parties, timeout=timeout)
    if is_broken:
        barrier.abort()
    return barrier


def reduce_local(value: threading.local, pickler: Pickler) -> Any:
    """What the writing thread has there, for the thread that reads."""
    return rebuild_local, (), dict(vars(value))


def rebuild_local() -> threading.local:
    return threading.local()


def reduce_queue(value: queue.Queue[Any], pickler: Pickler) -> Any:
    """Its items, in their order, and how many are not done."""
    with value.mutex:
        state = (list(value.queue), value.unfinished_tasks, bool(getattr(value, "is_shutdown", False)))
    return rebuild_queue, (type(value).__name__, value.maxsize), state, None, None, fill_queue


def rebuild_queue(kind: str, maxsize: int) -> Any:
    return KINDS[kind](maxsize)


def fill_queue(value: Any, state: tuple[list[Any], int, bool]) -> None:
    """Puts its items into a new queue. Raises SerializationError where queues cannot be shut down, and it is."""
    items, unfinished, is_shut = state
    if is_shut and not hasattr(value, "shutdown"):
        raise SerializationError("a queue that was shut down cannot be read by a Python before 3.13")
    value.queue.extend(items)
    value.unfinished_tasks = unfinished
    if is_shut:
        value.is_shutdown = True


def reduce_simple_queue(value: queue.SimpleQueue[Any], pickler: Pickler) -> Any:
    """An empty one only: the items cannot be looked at without taking them out."""
    if not value.empty():
        raise SerializationError("a SimpleQueue travels only when it is empty; use a queue.Queue")
    return rebuild_simple_queue, ()


def rebuild_simple_queue() -> queue.SimpleQueue[Any]:
    return queue.SimpleQueue()


def refuse(value: Any, pickler: Pickler) -> Any:
    """What lives in one process. Raises SerializationError."""
    raise SerializationError(f"cannot pickle {type(value).__name__!r} object: it lives in this process only")


def reduce_future(value: concurrent.futures.Future[Any], pickler: Pickler) -> Any:
    """One that is done travels as any object does. Raises SerializationError for others, which would never be done."""
    if not value.done():
        raise SerializationError("cannot pickle 'Future' object: it is not done, and nobody would end it elsewhere")
    return NotImplemented


REDUCERS: Final[dict[type, Any]] = {
    TYPES["Lock"]: reduce_lock,
    TYPES["RLock"]: reduce_lock,
    KINDS["_RLock"]: reduce_lock,
    threading.Condition: reduce_condition,
    threading.Semaphore: reduce_semaphore,
    threading.BoundedSemaphore: reduce_bounded,
    threading.Event: reduce_event,
    threading.Barrier: reduce_barrier,
    threading.local: reduce_local,
    queue.Queue: reduce_queue,
    queue.LifoQueue: reduce_queue,
    queue.PriorityQueue: reduce_queue,
    queue.SimpleQueue: reduce_simple_queue,
    concurrent.futures.Future: reduce_future,
    threading.Thread: refuse,
}
REFUSED: Final[dict[type, Any]] = {  # and what inherits from them
    threading.Thread: refuse,
    concurrent.futures.Executor: refuse,
    concurrent.futures.Future: reduce_future,
}
