"""Results as if others had computed them: on the cluster of this machine, with a sealer that knows none of them."""

from __future__ import annotations

import dataclasses
import enum
from fractions import Fraction
from typing import Any, NamedTuple

import pytest

import raisin
from raisin_core.client import attach as attaching
from raisin_core.client.job import Job
from raisin_core.errors import RemoteError, StreamError, UntrustedResult
from raisin_core.identity.sealing import NullSealer, Opened, Parcel
from raisin_core.messages import Result


def stranger(job: Job, message: Result, payload: bytes) -> Opened:
    """Whatever comes is of others."""
    return Opened(Parcel(payload), False, member="zoe-laptop", account="zoe")


class Colour(enum.Enum):
    RED = 1


class Pair(NamedTuple):
    a: Any
    b: Any


@dataclasses.dataclass(frozen=True)
class Both:
    colour: Colour
    pair: Pair


class Model:
    def __init__(self, x: int) -> None:
        self.x = x


class Mine(Exception):
    pass


def both(x):
    return Both(Colour.RED, Pair(x, [Fraction(1, x + 1)]))


def model(x):
    return {"model": Model(x)}


def fails(x):
    if x == 1:
        raise Mine("one")
    if x == 2:
        return {}["two"]
    return x


@pytest.fixture(autouse=True)
def _strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NullSealer, "epoch", 1)
    monkeypatch.setattr(Job, "open_payload", stranger)


def test_values_and_the_jobs_own_classes_come() -> None:
    assert list(raisin.map(both, range(3))) == [both(x) for x in range(3)]
    assert raisin.scan(pow, [2, 3], [1, 2]) == [[2, 4], [3, 9]]
    assert raisin.process(lambda: Pair(1, 2)) == Pair(1, 2)
    assert list(raisin.map(abs, range(-5000, 0))) == list(range(5000, 0, -1))


def test_what_is_none_waits_for_a_word() -> None:
    handle = raisin.Map(model, range(3)).start()
    with pytest.raises(UntrustedResult, match=r"returned .*Model at \['model'\] from zoe-laptop \(account zoe"):
        handle.get()
    assert [each["model"].x for each in handle.get(trust=[Model])] == [0, 1, 2]
    assert {record["res"]["model"].x for record in handle.get_all()} == {0, 1, 2}


def test_the_verbs_say_how_they_are_told() -> None:
    with pytest.raises(UntrustedResult, match=r"(done|Not loaded)\. Accept: raisin\.process\(\.\.\., trust=\[Model"):
        raisin.process(model, (1,))
    assert raisin.process(model, (1,), trust="all")["model"].x == 1
    assert [each["model"].x for each in raisin.map(model, [5], trust=[Model])] == [5]


def test_exceptions_are_made_anew_or_said() -> None:
    handle = raisin.Map(fails, range(4)).start()
    errors = handle.errors()
    assert [type(errors[index]) for index in (1, 2)] == [RemoteError, KeyError]
    assert str(errors[1]) == f"{__name__}.Mine: one"
    assert "fails" in str(errors[1].__cause__)
    assert [record.get("res") for record in sorted(handle.get_all(), key=lambda each: each["index"])] == [
        0,
        None,
        None,
        3,
    ]


def test_attached_jobs_find_classes_in_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    handle = raisin.Map(both, range(2), save=True).start()
    handle.join()
    monkeypatch.setattr(raisin.connect.__globals__["_embedded"], "runs", {})  # as another program
    with pytest.raises(StreamError, match=r"not known here: tests\.e2e\.test_trust\.Both\(colour, pair\)"):
        raisin.attach(handle.id).get()
    monkeypatch.setattr(attaching, "_classes", lambda job: (Pair, Both, Colour))
    assert raisin.attach(handle.id).get() == [both(0), both(1)]


def test_blobs_come_with_values_and_with_what_is_none() -> None:
    large = raisin.process(lambda: ["x" * 300_000, Pair(b"y" * 300_000, None)])
    assert large == ["x" * 300_000, Pair(b"y" * 300_000, None)]

    def kept() -> Any:
        made = Model(1)
        made.large = b"z" * 600_000
        return made

    handle = raisin.Process(kept).start()
    with pytest.raises(UntrustedResult):
        handle.get()
    assert len(handle.get(trust="all").large) == 600_000


def test_a_job_that_was_refused_is_attached_with_more_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    handle = raisin.Map(model, range(3), save=True).start()
    with pytest.raises(UntrustedResult):
        handle.get()
    monkeypatch.setattr(raisin.connect.__globals__["_embedded"], "runs", {})  # as another program
    with pytest.raises(UntrustedResult):
        raisin.attach(handle.id).get()
    assert [each["model"].x for each in raisin.attach(handle.id, trust="all").get(timeout=60)] == [0, 1, 2]
