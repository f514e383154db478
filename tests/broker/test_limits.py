"""What one member may have: how often it may come, and how much of a turn is its."""

from __future__ import annotations

import doctest

from hypothesis import given
from hypothesis import strategies as st

from raisin_broker import limits
from raisin_broker.limits import MOST_KEYS, SHARE_MALFORMED, SHARE_SECONDS, Rate, Shares


def test_so_many_at_once_and_then_so_many_a_second() -> None:
    rate = Rate(5, each_second=2.0)
    assert [rate.admits("zoe", 0.0) for _ in range(6)] == [True] * 5 + [False]
    assert [rate.admits("zoe", 1.0) for _ in range(3)] == [True, True, False]
    assert rate.admits("ann", 1.0), "others are not to blame"


def test_whoever_tries_in_vain_need_not_wait_longer() -> None:
    rate = Rate(1, each_second=1.0)
    assert [rate.admits("zoe", at / 10) for at in range(11)] == [True] + [False] * 9 + [True]


def test_a_clock_that_stands_still_gives_nothing() -> None:
    rate = Rate(1, each_second=1.0)
    assert [rate.admits("zoe", at) for at in (5.0, 5.0, 4.0)] == [True, False, False]


@given(st.lists(st.floats(0.0, 10.0), max_size=80))
def test_nobody_gets_more_than_the_rate(times: list[float]) -> None:
    rate = Rate(10, each_second=2.0)
    assert sum(rate.admits("zoe", at) for at in sorted(times)) <= 10 + 2.0 * 10.0


def test_what_is_remembered_is_bounded_and_the_newest_stay() -> None:
    rate = Rate(1, each_second=0.001)
    for number in range(3 * MOST_KEYS):
        rate.admits(f"{number}", number / 1000)
    assert len(rate._left) <= MOST_KEYS
    assert not rate.admits(f"{3 * MOST_KEYS - 1}", 3 * MOST_KEYS / 1000)


def test_a_turn_ends_when_somebody_has_had_a_share() -> None:
    shares = Shares()
    assert not shares.note("zoe", SHARE_SECONDS * 0.6, 0)
    assert not shares.note("ann", SHARE_SECONDS * 0.6, 0)
    assert shares.note("zoe", SHARE_SECONDS * 0.6, 0)
    shares.begin()
    assert not shares.note("zoe", SHARE_SECONDS * 0.6, 0)


def test_what_is_no_message_ends_it_sooner() -> None:
    shares = Shares()
    assert [shares.note("zoe", 0.0, 1) for _ in range(SHARE_MALFORMED)] == [False] * (SHARE_MALFORMED - 1) + [True]
    assert not shares.note("ann", 0.0, SHARE_MALFORMED - 1)
    assert shares.note("eve", 0.0, SHARE_MALFORMED), "a whole bundle at once"


def test_doctests() -> None:
    assert doctest.testmod(limits) == (0, 2)
