"""A little of `make fuzz`, always the same."""

from __future__ import annotations

import pytest

from tests.fuzz.__main__ import case
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_damaged_bytes_do_no_harm(target: str) -> None:
    samples = TARGETS[target].samples()
    assert [found for number in range(300) if (found := case(target, samples, 1, number))] == []


def test_a_target_that_fails_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = TARGETS["values"]._replace(read=lambda data: data[1000], right=lambda found, data: True)
    monkeypatch.setitem(TARGETS, "values", wrong)
    assert "IndexError" in (case("values", wrong.samples(), 1, 1) or "")
