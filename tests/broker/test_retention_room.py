"""Retention: what goes where there is too much, when nothing new is taken, and what a restart changes."""

from __future__ import annotations

import pytest

from raisin_broker.retention import RETURN_SECONDS
from tests.broker.keeping import ANN, HOUR, Kept, alone, leave


@pytest.fixture
def kept() -> Kept:
    made = Kept()
    made.here(ANN)
    made.turn()
    return made


# -- a restart -------------------------------------------------------------------------------------------------------


def test_after_a_restart_clients_have_time_to_come_back(kept: Kept) -> None:
    job = kept.ended()
    kept.turn()
    after = kept.killed()
    after.now += 2 * HOUR
    after.turn()
    after.room_is(5000)
    assert job.id in after.jobs
    assert "all in use" in after.room
    after.here(ANN)
    after.turn(RETURN_SECONDS)
    after.room_is(5000)
    assert job.id in after.jobs, "it is here again"
    leave(after)
    after.room_is(5000)
    assert after.gone == [job.id]


def test_who_does_not_come_back_has_left(kept: Kept) -> None:
    job = kept.ended()
    kept.turn()
    after = kept.killed()
    after.turn()
    after.turn(RETURN_SECONDS)
    after.room_is(5000)
    assert after.gone == [job.id]
    assert after.killed().jobs == {}


# -- size ------------------------------------------------------------------------------------------------------------


def test_the_oldest_goes_first_and_more_of_them_the_longer_it_takes(kept: Kept) -> None:
    jobs = [kept.ended() for _ in range(40)]
    leave(kept)
    kept.turn()
    going = []
    while kept.jobs:
        before = len(kept.gone)
        kept.room_is(100_000)
        going.append(len(kept.gone) - before)
    assert kept.gone == [job.id for job in jobs]
    assert going[:4] == [1, 2, 4, 8]
    kept.room_is(0)
    kept.here(ANN)
    for _ in range(5):
        kept.ended()
    leave(kept)
    kept.turn()
    kept.room_is(100_000)
    assert len(kept.jobs) == 4, "it begins anew"


def test_no_more_go_than_the_average_says(kept: Kept) -> None:
    jobs = [kept.ended() for _ in range(10)]
    leave(kept)
    for used in (1200, 1150, 1130):
        kept.room_is(used)
    assert kept.gone == [job.id for job in jobs[:3]]


def test_nothing_more_goes_before_the_last_is_durably_gone(kept: Kept) -> None:
    first, second = kept.ended(), kept.ended()
    leave(kept)
    kept.turn()
    kept.commits = False
    for _ in range(5):
        kept.room_is(5000)
    assert kept.gone == [first.id]
    kept.commits = True
    kept.now += 1.0
    kept.machine.out.go_on()
    kept.turn()
    kept.room_is(5000)
    assert kept.gone == [first.id, second.id]


def test_without_a_limit_nothing_goes_for_its_size() -> None:
    kept = Kept(most=0)
    kept.here(ANN)
    alone(kept)
    kept.room_is(2**62)
    assert not kept.gone
    assert kept.room == ""


# -- room ------------------------------------------------------------------------------------------------------------


def test_nothing_is_taken_while_all_is_in_use_and_it_is_again_when_there_is_room(kept: Kept) -> None:
    kept.ended()
    kept.room_is(1000)
    assert kept.room == ""
    kept.room_is(1001)
    assert kept.room == "the broker keeps 1,001 bytes, more than it may (1,000), all in use"
    leave(kept)
    kept.room_is(1001)
    assert kept.gone
    assert kept.room.endswith("and some of it is being deleted")
    kept.room_is(900)
    assert kept.room == ""


def test_while_room_is_being_made_all_is_taken(kept: Kept) -> None:
    alone(kept)
    kept.room_is(5000)
    assert kept.gone
    assert kept.room == ""


def test_a_full_disk_says_so_until_it_is_not(kept: Kept) -> None:
    kept.ended()
    kept.room_is(10, "the disk is full")
    assert kept.room == "the disk is full"
    kept.room_is(2000)
    assert "all in use" in kept.room
    kept.room_is(10)
    assert kept.room == ""


def test_a_full_disk_alone_costs_no_job(kept: Kept) -> None:
    """Another program may have filled it; whoever wants that bounds what is kept."""
    for _ in range(5):
        kept.ended()
    leave(kept)
    for _ in range(3):
        kept.room_is(900, "the disk is full")
    assert not kept.gone
    assert kept.machine.state.room == "the disk is full"
