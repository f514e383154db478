"""Retention: unsaved results go with the last handle, whoever has it, and a lost connection is no leaving."""

from __future__ import annotations

import pytest

from raisin_broker.machine import Unreachable
from raisin_broker.peers import Timing
from raisin_core import digests
from raisin_core import messages as m
from tests.broker.keeping import ANN, BOB, Kept, leave, old_and_too_much


@pytest.fixture
def kept() -> Kept:
    made = Kept()
    made.here(ANN)
    made.here(BOB)
    made.turn()
    return made


@pytest.mark.parametrize("first", ["it ends", "its owner forgets it"])
def test_what_somebody_else_reads_goes_when_that_is_over(kept: Kept, first: str) -> None:
    job = kept.open()
    kept.say(BOB, m.Follow(job.id, 1, "arrival", 0, 10))
    said = [m.Cancel(job.id), m.Forget(job.id, keep=False)]
    for message in said if first == "it ends" else said[::-1]:
        kept.say(ANN, message)
    old_and_too_much(kept)
    assert not kept.gone
    kept.say(BOB, m.Forget(job.id, keep=True))
    kept.turn()
    assert kept.gone == [job.id], "at once"


def test_what_somebody_else_read_goes_soon_after_that_has_left_without_a_word(kept: Kept) -> None:
    job = kept.open()
    kept.say(BOB, m.Attach(job.id))
    kept.say(ANN, m.Forget(job.id, keep=False))
    kept.say(ANN, m.Cancel(job.id))
    kept.turn()
    leave(kept, BOB)
    assert not kept.gone
    kept.say(ANN, m.Beat())
    kept.turn(60.0)
    assert kept.gone == [job.id]


def test_what_nobody_else_reads_goes_at_once(kept: Kept) -> None:
    job = kept.ended()
    kept.say(ANN, m.Forget(job.id, keep=False))
    kept.turn()
    assert kept.gone == [job.id]


def test_a_client_whose_connection_broke_may_come_back(kept: Kept) -> None:
    job = kept.ended()
    kept.handle(Unreachable(ANN))
    kept.turn()
    kept.room_is(5000)
    assert not kept.gone
    kept.here(ANN)
    assert not kept.machine.state.lost
    old_and_too_much(kept)
    assert not kept.gone
    kept.handle(Unreachable(ANN))
    kept.say(BOB, m.Beat())
    kept.turn(3 * Timing().silence)
    kept.room_is(5000)
    assert kept.gone == [job.id]
    assert not kept.machine.state.lost


def test_a_client_that_says_goodbye_has_left(kept: Kept) -> None:
    job = kept.ended()
    leave(kept)
    kept.turn()
    kept.room_is(5000)
    assert kept.gone == [job.id]


def test_who_attaches_before_the_end_came_is_not_told_of_less_than_was_acknowledged(kept: Kept) -> None:
    """All in one turn: the answer says how it stands when the end is durable, or its client would think it lost."""
    name = b"j" * 16
    kept.say(ANN, m.Open(name, "map", "f", digests.content(b"f"), m.Options()), b"f")
    kept.say(ANN, m.Attach(name))
    kept.say(ANN, m.Page(name, 0, 0, 1, [], last=True), b"a")
    kept.turn()
    said = [each.message for each in kept.said if isinstance(each.message, (m.Closed, m.Progress))]
    (closed,) = (at for at, message in enumerate(said) if isinstance(message, m.Closed))
    assert [message.total for message in said[closed:] if isinstance(message, m.Progress)] == [1]
