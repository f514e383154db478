"""Times and sizes as people write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raisin_core import amounts

TIMES = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
SIZES = {"": 1, "B": 1, "K": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
SIZES |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
SPACES = st.sampled_from(["", " ", "  "])


@given(number=st.integers(0, 10**6), unit=st.sampled_from(sorted(TIMES)), space=SPACES)
def test_times(number: int, unit: str, space: str) -> None:
    assert amounts.seconds(f"{space}{number}{space}{unit.upper()}{space}") == number * TIMES[unit]


@given(number=st.integers(0, 10**18 - 1), unit=st.sampled_from(sorted(SIZES)), space=SPACES)
def test_sizes_are_exact(number: int, unit: str, space: str) -> None:
    assert amounts.size(f"{space}{number}{space}{unit.lower()}{space}") == number * SIZES[unit]


@given(whole=st.integers(0, 1000), part=st.integers(0, 99), unit=st.sampled_from(sorted(SIZES)))
def test_parts_of_a_unit(whole: int, part: int, unit: str) -> None:
    assert amounts.size(f"{whole}.{part:02}{unit}") == (100 * whole + part) * SIZES[unit] // 100
    assert amounts.seconds(f"{whole}.{part:02}h") == pytest.approx((whole + part / 100) * 3600)


@pytest.mark.parametrize("text", ["", "d", "-1", "1e9", "nan", "inf", "1,5h", "1 2", "30 days", "٣s", "1.h", ".5h"])
def test_what_is_no_amount_is_refused_and_named(text: str) -> None:
    for read in (amounts.seconds, amounts.size):
        with pytest.raises(ValueError, match="write for example") as refused:
            read(text)
        assert repr(text) in str(refused.value)


@given(text=st.text(max_size=8))
def test_whatever_is_written_gives_a_number_or_a_reason(text: str) -> None:
    for read in (amounts.seconds, amounts.size):
        try:
            found = read(text)
        except ValueError:
            continue
        assert 0 <= found < math.inf


@pytest.mark.parametrize("text", ["9" * 400, "9" * 400 + ".5", "1." + "0" * 400])
def test_numbers_beyond_all_measure_are_refused(text: str) -> None:
    for read in (amounts.seconds, amounts.size):
        with pytest.raises(ValueError, match="write for example"):
            read(text)
