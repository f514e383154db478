"""The option `trust`: what may be said, and what it means."""

from __future__ import annotations

from typing import Any

import pytest

from raisin_core.client.trust import parse
from raisin_core.errors import UsageError
from raisin_core.marked import EVERYTHING, NOTHING, Accept


class Model:
    """No value."""


def test_what_the_option_means() -> None:
    assert parse("map", "auto") == NOTHING
    assert parse("map", "all") == EVERYTHING
    assert parse("map", [Model, "a.b.C"]) == Accept(frozenset([f"{__name__}.Model", "a.b.C"]))
    assert "collections.OrderedDict" in parse("map", ["typing.OrderedDict", "collections.OrderedDict"]).types
    assert parse("map", ["concurrent.futures.Future"]).types == {
        "concurrent.futures.Future",
        "concurrent.futures._base.Future",
    }


@pytest.mark.parametrize("value", ["everybody", [], True, None, 5, Model, ["SVC"], [5], "a.B"])
def test_what_it_does_not(value: Any) -> None:
    with pytest.raises(UsageError, match="trust must be"):
        parse("map", value)
