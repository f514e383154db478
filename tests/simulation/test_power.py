"""What a power cut leaves in the simulation's store."""

from __future__ import annotations

from raisin_broker.records import WorkerSeen
from tests.simulation.power import PowerStore

FIRST, SECOND = b"1" * 16, b"2" * 16


def filled() -> PowerStore:
    store = PowerStore()
    store.start()
    for batch, instance in enumerate((FIRST, SECOND)):
        store.stage(batch, [WorkerSeen(instance)])
        store.commit(batch)
    return store


def test_a_crash_loses_nothing() -> None:
    assert filled().crash().start().workers == [FIRST, SECOND]


def test_a_power_cut_gives_an_earlier_commit_and_keeps_the_run() -> None:
    store = filled()
    store.cut(1)
    stored = store.crash().start()
    assert (stored.workers, stored.run) == ([FIRST], 2)


def test_what_was_cut_away_stays_away() -> None:
    store = filled()
    store.cut(5)
    later = store.crash()
    later.stage(7, [WorkerSeen(SECOND)])
    later.commit(7)
    assert later.crash().start().workers == [SECOND]


def test_what_is_written_twice_is_one_commit() -> None:
    store = filled()
    store.stage(1, [WorkerSeen(SECOND)])
    store.commit(1)
    store.cut(1)
    assert store.crash().start().workers == [FIRST]
