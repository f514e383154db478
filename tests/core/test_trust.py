"""Whose results are loaded: a job read by its handle, with a broker, a session and workers made up."""

from __future__ import annotations

import os
import pickle
import traceback
from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec
import pytest

from raisin_core import messages as m
from raisin_core import pages, plain_pages
from raisin_core.client import commands as c
from raisin_core.client.batch import ruling_error
from raisin_core.client.connection import Connection
from raisin_core.client.job import Job
from raisin_core.client.map import Map
from raisin_core.client.runs import RemoteRun
from raisin_core.client.session import Session
from raisin_core.client.trust import Trust
from raisin_core.errors import RemoteError, TaskFailed, UntrustedResult
from raisin_core.errors import TimeoutError as RaisinTimeout
from raisin_core.failures import Failure, Link
from raisin_core.identity.sealing import NullSealer, Opened, Parcel
from raisin_core.marked import EVERYTHING, Accept

JOB = b"\x3f\x2a" + b"j" * 14


class Model:
    """No value."""

    def __init__(self, weight: int) -> None:
        self.weight = weight

    def __eq__(self, other: object) -> bool:
        return type(other) is Model and other.weight == self.weight

    __hash__ = None  # type: ignore[assignment]


class Point(NamedTuple):
    x: int
    y: int


class Mine(Exception):
    pass


class Hostile:
    def __reduce__(self) -> Any:
        return _ran, ()


def _ran() -> None:
    raise AssertionError("somebody's code ran")


def opened(job: Job, message: m.Result, payload: bytes) -> Opened:
    """Results of others, and of this machine where they begin with a mark."""
    own = payload.startswith(b"own")
    return Opened(Parcel(payload.removeprefix(b"own")), own, b"s" * 32, "zoe-laptop", "zoe")


class Wire:
    """In the place of a session."""

    alive, pid, address, lost_at = True, 0, "here:1", None

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.said: list[c.Event] = []

    def listen(self, key: bytes, listener: object) -> None: ...

    def unlisten(self, key: bytes) -> None: ...

    def post(self, event: c.Event, soon: bool = True) -> None:
        self.said.append(event)


class Cluster:
    def __init__(self) -> None:
        self.runs: dict[bytes, object] = {}

    def heal(self) -> None: ...


class Desk:
    """A handle, and the broker's side of it."""

    def __init__(self, trust: Trust | None = None) -> None:
        self.wire = Wire()
        self.job = Job(cast(Session, self.wire), JOB)
        run = RemoteRun(self.job, "fit", cast(Connection, Cluster()), True, trust=trust or Trust(classes=(Point,)))
        self.handle = Map(None, _run=run)
        self.arrivals = 0
        self.pages: list[tuple[m.Result, bytes]] = []

    def result(self, start: int, items: Sequence[Any], own: bool = False, payload: bytes = b"") -> None:
        page = payload or plain_pages.encode_outcomes(told(start, *items), (Point,)).page.payload
        self.arrivals += 1
        message = m.Result(JOB, 1, self.arrivals, start, start + len(items), [], "zoe-laptop", "zoe")
        self.pages.append((message, (b"own" if own else b"") + page))

    def stands(self, done: int, total: int, held: str = "", state: m.JobState = "running") -> None:
        self.job.on_progress(m.Progress(JOB, state, done, 0, 0, total, self.arrivals, held=held))

    def ends(self) -> None:
        total = sum(message.stop - message.start for message, _ in self.pages)
        self.stands(total, total, state="done")

    def deliver(self) -> None:
        """All there is to every reader, as if it had come."""
        for number, tap in self.job._taps.items():
            if not tap.delivered:
                for message, payload in self.pages:
                    self.job.on_result(msgspec.structs.replace(message, reader=number), payload)

    def passes_on(self) -> None:
        """The newest result comes to those who read."""
        message, payload = self.pages[-1]
        for number in self.job._taps:
            self.job.on_result(msgspec.structs.replace(message, reader=number), payload)

    def released(self) -> int:
        return sum(isinstance(event, c.ReleaseJob) for event in self.wire.said)


@pytest.fixture(autouse=True)
def _delivers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits is given what there is."""
    wait = Job.wait

    def waits(job: Job, true: Any, until: float | None, meanwhile: Any = None) -> bool:
        for desk in DESKS:
            if desk.job is job:
                desk.deliver()
        return wait(job, true, until, meanwhile)

    DESKS.clear()
    monkeypatch.setattr(Job, "wait", waits)
    monkeypatch.setattr(NullSealer, "epoch", 1)
    monkeypatch.setattr(Job, "open_payload", opened)
    monkeypatch.setattr(Job, "argument", lambda job, index: (index,))


DESKS: list[Desk] = []


def desk(trust: Trust | None = None) -> Desk:
    DESKS.append(Desk(trust))
    return DESKS[-1]


# -- what loads --------------------------------------------------------------------------------------------------------


def test_values_of_others_load() -> None:
    it = desk()
    it.result(0, [1, {"a": 1}])
    it.result(2, [Point(1, 2)])
    it.ends()
    assert it.handle.get() == [1, {"a": 1}, Point(1, 2)]
    assert [record["account"] for record in it.handle.get_all()] == ["zoe"] * 3
    assert not it.released()


def test_own_results_load_whatever_they_are() -> None:
    it = desk()
    it.result(0, [Model(1), Failure.of(Mine("x"))], own=True)
    it.ends()
    with pytest.raises(Mine):
        it.handle.get()
    assert next(it.handle.get_all())["res"] == Model(1)


def test_without_sealing_everything_is_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NullSealer, "epoch", 0)
    it = desk(Trust())
    it.result(0, [0], own=True, payload=pages.encode_outcomes(told(0, Model(1))).payload)
    it.ends()
    assert it.handle.get(trust=[Model]) == [Model(1)]
    assert not it.released()


# -- what does not -----------------------------------------------------------------------------------------------------


def test_the_error_says_what_where_and_what_to_do() -> None:
    it = desk()
    it.result(0, [{"model": Model(1)}])
    it.stands(1, 500, held="zoe-laptop")
    with pytest.raises(UntrustedResult) as caught:
        it.handle.get()
    assert str(caught.value) == (
        f"task 0 of fit (job 3f2a6a6a) returned {__name__}.Model at ['model'] from zoe-laptop (account zoe).\n"
        '  Stopped after 1 of 500; result kept. Accept: m.get(trust=[Model]); trust="all" lets zoe run code here.'
    )


@pytest.mark.parametrize("trust", [[Model], [f"{__name__}.Model"], "all"])
def test_what_is_kept_loads_when_it_is_accepted_and_the_job_goes_on(trust: Any) -> None:
    it = desk()
    it.result(0, [0, Model(1)])
    it.stands(2, 4, held="zoe-laptop")
    for _ in range(2):
        with pytest.raises(UntrustedResult):
            it.handle.get()
    with pytest.raises(RaisinTimeout):
        it.handle.get(timeout=0, trust=trust)
    assert it.released() == 1
    asked = [event for event in it.wire.said if isinstance(event, c.Read)]
    it.stands(2, 4)
    (tap,) = it.job._taps.values()
    it.result(2, [Model(2), Model(3)])
    it.passes_on()
    it.ends()
    assert it.handle.get() == [0, Model(1), Model(2), Model(3)]
    assert [event for event in it.wire.said if isinstance(event, c.Read)] == asked
    assert tap.delivered == 2


def test_another_type_is_not_accepted() -> None:
    it = desk()
    it.result(0, [Model(1), Hostile()])
    it.ends()
    with pytest.raises(UntrustedResult, match="Hostile"):
        it.handle.get(trust=[Model])
    assert isinstance(it.handle.exception(), UntrustedResult)


def test_iteration_gives_what_comes_before_it() -> None:
    it = desk()
    it.result(0, [0, 1, Model(2), 3])
    it.ends()
    values = iter(it.handle)
    assert [next(values), next(values)] == [0, 1]
    for _ in range(2):
        with pytest.raises(UntrustedResult, match=r"task 2 .*\n.*4 of 4 done"):
            next(values)
    it.handle._started().accept(EVERYTHING)
    assert list(values) == [Model(2), 3]


def test_records_come_again_when_they_are_accepted() -> None:
    it = desk()
    it.result(0, [0])
    it.result(1, [Model(1)])
    it.ends()
    with pytest.raises(UntrustedResult):
        list(it.handle.get_all())
    assert [record["res"] for record in it.handle.get_all(trust=[Model])] == [0, Model(1)]


def test_the_verb_says_it_beforehand() -> None:
    it = desk(Trust(Accept(frozenset([f"{__name__}.Model"]))))
    it.result(0, [Model(1)])
    it.ends()
    assert it.handle.get() == [Model(1)]


def test_what_cannot_be_loaded_after_all_is_a_failure() -> None:
    it = desk()
    it.result(0, [Hostile(), 1])
    it.ends()
    with pytest.raises(AssertionError, match="somebody's code ran"):
        it.handle.get(trust=[Hostile])
    assert it.handle._run is not None
    assert it.handle._run.in_order().failed == 0
    assert list(it.handle.errors()) == [0]


# -- a job that is held ------------------------------------------------------------------------------------------------


def test_a_job_is_held_by_a_result_that_is_far_behind() -> None:
    it = desk()
    it.result(300, [Model(1)])
    it.stands(1, 500, held="zoe-laptop")
    with pytest.raises(UntrustedResult, match="task 300 of fit"):
        it.handle.get()


@pytest.mark.parametrize("way", ["get", "get_all"])
def test_a_job_is_held_by_a_result_that_does_not_come(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raisin_core.client.reading.HELD_SECONDS", 0.0)
    it = desk()
    it.stands(1, 500, held="zoe\x1b[2J")
    with pytest.raises(UntrustedResult, match=r"from zoe can only(.|\n)*Stopped after 1 of 500"):
        list(getattr(it.handle, way)())


def test_join_does_not_wait_for_a_job_that_is_held() -> None:
    it = desk()
    it.stands(1, 500, held="zoe-laptop")
    with pytest.raises(UntrustedResult):
        it.handle.join(5.0)
    it.handle._started().accept(EVERYTHING)
    assert it.handle.join(0.0) is False


def test_a_job_that_ones_own_machine_holds_goes_on() -> None:
    it = desk()
    it.result(0, [Model(1)], own=True)
    it.stands(1, 500, held="zoe-laptop")
    with pytest.raises(RaisinTimeout):
        it.handle.get(timeout=0)
    assert it.released() == 1
    it.result(1, [Model(2)])
    it.passes_on()
    with pytest.raises(UntrustedResult, match="task 1"):
        it.handle.get(timeout=0)


def test_a_job_that_ended_holds_nobody() -> None:
    it = desk()
    it.result(0, [1])
    it.stands(1, 1, held="zoe-laptop", state="done")
    assert it.handle.get() == [1]


# -- exceptions, and bytes from anybody --------------------------------------------------------------------------------


def test_exceptions_of_others_are_made_from_their_texts() -> None:
    failures = [Failure.of(error) for error in (ValueError("x"), Mine("y"), SystemExit(3))]
    it = desk()
    it.result(0, failures)
    it.ends()
    assert [type(error) for error in it.handle.errors().values()] == [ValueError, RemoteError, TaskFailed]
    all_of_it = desk(Trust(EVERYTHING))
    all_of_it.result(0, failures)
    all_of_it.ends()
    assert [type(error) for error in all_of_it.handle.errors().values()] == [ValueError, Mine, TaskFailed]


def told(start: int, *items: Any) -> pages.Outcomes:
    return pages.Outcomes(start, list(items), array("d", [0.1]), array("d", [0.1]), 1, {})


PAGES = {
    "a pickled page": lambda: pages.encode_outcomes(told(0, Hostile(), 1)).payload,
    "results of other tasks": lambda: plain_pages.encode_outcomes(told(5, 1, 2)).page.payload,
    "too few results": lambda: plain_pages.encode_outcomes(told(0, 1)).page.payload,
    "a pickle": lambda: b"\0" + pickle.dumps(Hostile()),
    "no page": lambda: b"x",
    "a blob without a name": lambda: b"\1short",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_is_none_fails_its_tasks_only(name: str) -> None:
    it = desk()
    it.result(0, [None, None], payload=PAGES[name]())
    it.result(2, ["good"])
    it.ends()
    with pytest.raises(TaskFailed, match="zoe-laptop sent") as caught:
        it.handle.get()
    assert "2 of 3 failed" in "".join(getattr(caught.value, "__notes__", ["2 of 3 failed"]))
    assert list(it.handle.errors()) == [0, 1]
    assert [record.get("res") for record in it.handle.get_all()] == [None, None, "good"]


def test_no_text_of_others_moves_the_cursor() -> None:
    hostile = "\x1b[2Jzoe\x07"
    ruling = m.Ruling("unfit", [(hostile, f"{hostile}\nline"), (hostile, "other")])
    text = str(ruling_error(ruling, 3, "fit"))
    it = desk()
    it.result(0, [Failure((Link(b"", f"a{hostile}", hostile),), hostile)])
    it.pages[0] = msgspec.structs.replace(it.pages[0][0], host=hostile), it.pages[0][1]
    it.ends()
    (error,) = it.handle.errors().values()
    text += "".join(traceback.format_exception(type(error), error, None))
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert text.count("zoe") > 5
