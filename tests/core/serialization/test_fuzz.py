"""A little of `make fuzz`, always the same."""

from __future__ import annotations

import pytest

from tests.fuzz.__main__ import case
from tests.fuzz.targets import TARGETS, seeded


@pytest.mark.parametrize("numbers", [range(60), pytest.param(range(60, 300), marks=pytest.mark.slow)], ids=str)
@pytest.mark.parametrize("target", TARGETS)
def test_damaged_bytes_do_no_harm(target: str, numbers: range) -> None:
    samples = TARGETS[target].samples()
    few = TARGETS[target].mutate is seeded  # a machine's case has hundreds of steps
    numbers = numbers[::10] if few else numbers
    assert [found for number in numbers if (found := case(target, samples, 1, number))] == []


def test_a_target_that_fails_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = TARGETS["values"]._replace(read=lambda data: data[1000], right=lambda found, data: True)
    monkeypatch.setitem(TARGETS, "values", wrong)
    assert "IndexError" in (case("values", wrong.samples(), 1, 1) or "")
