"""Locks, queues and loggers on their way: their plain state arrives, and nobody holds them."""

from __future__ import annotations

import concurrent.futures
import logging
import queue
import sys
import threading
from typing import Any

import pytest

from raisin_core.errors import SerializationError
from raisin_core.serialization.families import locks
from tests.core.serialization.pickled import again


class Shared:
    """As users write it: a lock, conditions of it, and methods."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.filled, self.emptied = threading.Condition(self.lock), threading.Condition(self.lock)
        self.both = [self.lock, self]


def is_free(lock: Any) -> bool:
    taken = lock.acquire(blocking=False)
    if taken:
        lock.release()
    return bool(taken)


@pytest.mark.parametrize("make", [threading.Lock, threading.RLock, threading._RLock])
def test_locks_arrive_unlocked(make: Any) -> None:
    lock = make()
    with lock:
        found = again(lock)
    assert type(found) is type(lock)
    assert found is not lock
    assert is_free(found)


def test_identity_is_kept() -> None:
    found = again(Shared())
    assert found.both[0] is found.lock
    assert found.both[1] is found
    with found.filled:
        found.emptied.notify_all()  # only who holds the lock of both may
        assert found.lock._is_owned()


def test_a_condition_without_waiters() -> None:
    condition = threading.Condition()
    ready = threading.Event()

    def wait() -> None:
        with condition:
            ready.set()
            condition.wait()

    waiter = threading.Thread(target=wait)
    waiter.start()
    ready.wait()
    with condition:
        found = again(condition)
        condition.notify()
    waiter.join()
    with found:
        assert not found.wait(0)
    assert repr(found).endswith(", 0)>")


def test_semaphores() -> None:
    semaphore, bounded = threading.Semaphore(3), threading.BoundedSemaphore(2)
    semaphore.acquire()
    bounded.acquire()
    found, full = again((semaphore, bounded))
    assert [is_free(found) and found.acquire(blocking=False) for _ in range(3)] == [True, True, False]
    with pytest.raises(ValueError, match="released too many times"):
        full.release()
    assert type(full) is threading.BoundedSemaphore


def test_events() -> None:
    event = threading.Event()
    assert not again(event).is_set()
    event.set()
    assert again(event).wait(0)


def test_barriers() -> None:
    calls: list[int] = []
    barrier = again(threading.Barrier(1, action=lambda: calls.append(1) or calls, timeout=3))
    assert (barrier.parties, barrier.n_waiting, barrier.wait()) == (1, 0, 0)
    broken = threading.Barrier(2)
    broken.abort()
    with pytest.raises(threading.BrokenBarrierError):
        again(broken).wait()


def test_a_barrier_whose_action_belongs_to_its_owner() -> None:
    class Owner:
        def __init__(self) -> None:
            self.called = False
            self.barrier = threading.Barrier(1, self.call)

        def call(self) -> None:
            self.called = True

    barrier = again(Owner().barrier)
    barrier.wait()
    assert barrier._action.__self__.called
    assert barrier._action.__self__.barrier is barrier


def test_thread_locals_bring_what_the_writing_thread_has() -> None:
    local = threading.local()
    local.value, local.itself = 1, local
    found = again(local)
    assert (found.value, found.itself is found) == (1, True)
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append(hasattr(found, "value")))
    thread.start()
    thread.join()
    assert seen == [False]


@pytest.mark.parametrize(
    ("kind", "order"), [(queue.Queue, [3, 1, 2]), (queue.LifoQueue, [2, 1, 3]), (queue.PriorityQueue, [1, 2, 3])]
)
def test_queues_bring_their_items(kind: Any, order: list[int]) -> None:
    full = kind(3)
    for item in (3, 1, 2):
        full.put(item)
    found = again(full)
    with pytest.raises(queue.Full):
        found.put_nowait(4)
    assert [found.get_nowait() for _ in range(3)] == order
    assert full.qsize() == 3
    for _ in range(3):
        found.task_done()
    found.join()
    found.put(5)
    assert found.get(timeout=1) == 5


def test_a_queue_with_itself_inside() -> None:
    one: queue.Queue[Any] = queue.Queue()
    one.put(one)
    found = again(one)
    assert found.get_nowait() is found


def test_a_queue_of_a_class_of_ones_own() -> None:
    found = again(Numbered())
    assert type(found) is Numbered
    assert found.get_nowait() == (0, "a")
    assert found.put("b", timeout=0) is None
    assert found.get_nowait() == (1, "b")


class Numbered(queue.Queue):  # type: ignore[type-arg]
    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.put("a")

    def _put(self, item: Any) -> None:
        super()._put((self.count, item))
        self.count += 1


def test_queues_that_were_shut_down() -> None:
    state = ([1], 1, True)
    if sys.version_info >= (3, 13):
        one: queue.Queue[int] = queue.Queue()
        one.put(1)
        one.shutdown()
        found = again(one)
        assert found.get_nowait() == 1
        with pytest.raises(queue.ShutDown):
            found.get_nowait()
    else:
        with pytest.raises(SerializationError, match="shut down"):
            locks.fill_queue(queue.Queue(), state)


def test_simple_queues_travel_empty() -> None:
    one: queue.SimpleQueue[int] = queue.SimpleQueue()
    assert again(one).empty()
    one.put(1)
    with pytest.raises(SerializationError, match=r"only when it is empty; use a queue\.Queue"):
        again(one)
    assert one.get_nowait() == 1


class Worker(threading.Thread):
    pass


@pytest.mark.parametrize("make", [threading.Thread, Worker, lambda: threading.Timer(1, print)])
def test_threads_stay(make: Any) -> None:
    with pytest.raises(SerializationError, match="it lives in this process only"):
        again(make())


def test_pools_stay_and_futures_travel_when_they_are_done() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        done = pool.submit(sum, [1, 2])
        assert done.result() == 3
        assert again(done).result(0) == 3
        with pytest.raises(SerializationError, match="'ThreadPoolExecutor' object: it lives in this process only"):
            again(pool)
    with pytest.raises(SerializationError, match="nobody would end it elsewhere"):
        again(concurrent.futures.Future())


def test_loggers_by_name() -> None:
    logger = logging.getLogger("raisin.tests.small")
    adapter = logging.LoggerAdapter(logger, {"a": 1})
    root, found, adapted = again((logging.getLogger(), logger, adapter))
    assert root is logging.getLogger()
    assert found is logger
    assert adapted.logger is logger
    assert adapted.extra == {"a": 1}
