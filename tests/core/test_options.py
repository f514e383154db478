from __future__ import annotations

import time

import pytest

from raisin_core.client.options import NAMES, Options, parse
from raisin_core.errors import UsageError
from raisin_core.marked import EVERYTHING

PLACES = "'auto', 'process', 'machine', 'cluster'"


@pytest.fixture(autouse=True)
def no_default_place(monkeypatch):
    monkeypatch.delenv("RAISIN_WHERE", raising=False)


def test_without_options():
    assert parse("map", {}, "foo") == Options(name="foo")


def test_all_options():
    given = {
        "kwargs": {"a": 1},
        "name": "mine",
        "deadline": 60,
        "task_timeout": 1.5,
        "retries": 2,
        "where": ("zoe", "ann"),
        "chunksize": 10,
        "save": True,
        "resume": "nightly",
        "force": True,
        "progress": False,
        "trust": "all",
    }
    assert set(given) == set(NAMES)
    assert parse("map", given, "foo") == Options(
        kwargs={"a": 1},
        name="mine",
        deadline=60.0,
        task_timeout=1.5,
        retries=2,
        where="cluster",
        members=["ann", "zoe"],
        chunksize=10,
        save=True,
        resume="nightly",
        force=True,
        progress=False,
        trust=EVERYTHING,
    )


def test_what_means_the_default():
    given = dict.fromkeys(("kwargs", "deadline", "task_timeout", "progress"))
    assert parse("map", {**given, "chunksize": "auto", "where": "auto", "trust": "auto"}, "foo") == Options(name="foo")


def test_kwargs_are_copied():
    mine = {"a": 1}
    assert parse("map", {"kwargs": mine}, "foo").kwargs is not mine


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("kwargs", [1], "kwargs must be a dict with names as keys, not [1]"),
        ("kwargs", {1: 2}, "kwargs must be a dict with names as keys, not {1: 2}"),
        ("name", 5, "name must be a text, not 5"),
        ("name", None, "name must be a text, not None"),
        ("deadline", 0, "deadline must be a number of seconds above 0, not 0"),
        ("deadline", -1.5, "deadline must be a number of seconds above 0, not -1.5"),
        ("deadline", "60", "deadline must be a number of seconds above 0, not '60'"),
        ("deadline", True, "deadline must be a number of seconds above 0, not True"),
        ("task_timeout", float("nan"), "task_timeout must be a number of seconds above 0, not nan"),
        ("task_timeout", float("inf"), "task_timeout must be a number of seconds above 0, not inf"),
        ("retries", -1, "retries must be a whole number from 0 on, not -1"),
        ("retries", 1.0, "retries must be a whole number from 0 on, not 1.0"),
        ("retries", True, "retries must be a whole number from 0 on, not True"),
        ("retries", 2**31, "retries must be a whole number from 0 on, not 2147483648"),
        ("chunksize", 0, "chunksize must be a whole number from 1 on, not 0"),
        ("chunksize", None, "chunksize must be a whole number from 1 on, not None"),
        ("chunksize", "many", "chunksize must be a whole number from 1 on, not 'many'"),
        ("save", 1, "save must be True or False, not 1"),
        ("progress", "yes", "progress must be True, False or None, not 'yes'"),
        (
            "where",
            "moon",
            "where must be one of 'auto', 'process', 'machine', 'cluster' or a list of members, not 'moon'",
        ),
        ("where", [], "where must be a text or a list of members' names, not []"),
        ("where", [1], "where must be a text or a list of members' names, not [1]"),
        ("where", 5, "where must be a text or a list of members' names, not 5"),
    ],
)
def test_wrong_values(option, value, said):
    with pytest.raises(UsageError) as caught:
        parse("scan", {option: value}, "foo")
    assert str(caught.value) == f"scan: {said}"
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    ("option", "meant"), [("task_timout", "task_timeout"), ("retry", "retries"), ("chunk_size", "chunksize")]
)
def test_misspelt_options(option, meant):
    with pytest.raises(UsageError, match=f"map has no option '{option}'; did you mean {meant}\\?"):
        parse("map", {option: 1}, "foo")


def test_options_that_do_not_exist():
    with pytest.raises(UsageError) as caught:
        parse("map", {"gpu": 1}, "foo")
    assert str(caught.value) == f"map has no option 'gpu'; there are: {', '.join(NAMES)}"


def test_the_environment_sets_the_default_place(monkeypatch):
    monkeypatch.setenv("RAISIN_WHERE", "process")
    assert parse("map", {}, "foo").where == "process"
    assert parse("map", {"where": "auto", "trust": "auto"}, "foo").where == "process"
    assert parse("map", {"where": "machine"}, "foo").where == "machine"
    monkeypatch.setenv("RAISIN_WHERE", "moon")
    with pytest.raises(UsageError, match="not 'moon'"):
        parse("map", {}, "foo")


def test_an_empty_default_place_is_none(monkeypatch):
    monkeypatch.setenv("RAISIN_WHERE", "")
    assert parse("map", {}, "foo").where == "auto"


def test_as_they_go_over_the_wire():
    before = time.time()
    wire = parse("map", {"deadline": 60, "retries": 3, "where": ["zoe"], "save": True, "chunksize": 7}, "f").wire()
    assert before + 60 <= wire.deadline <= time.time() + 60
    assert (wire.retries, wire.where, wire.save, wire.chunksize, wire.task_timeout) == (3, ["zoe"], True, 7, 0.0)
    assert Options().wire().deadline == 0.0


def test_long_names_are_cut():
    assert len(parse("map", {"name": "x" * 5000}, "f").name) == 200


@pytest.mark.parametrize("name", ["two\nlines", "nul\0", "\x1b[31mred", "\ud800"])
def test_names_that_cannot_be_shown(name):
    with pytest.raises(UsageError, match="name must be a text that can be printed") as caught:
        parse("map", {"name": name}, "foo")
    assert str(caught.value).isprintable()
    with pytest.raises(UsageError, match="where must be"):
        parse("map", {"where": [name]}, "foo")
    assert parse("map", {}, name).name.isprintable(), "a function may be called anything"


def test_whose_results_the_broker_lets_pass():
    assert parse("map", {}, "foo").wire().pickles is None  # nothing is sealed: all is one's own
    assert parse("map", {}, "foo").wire(["zoe", "ann"]).pickles == ["ann", "zoe"]
    for trust in ("all", ["a.B"], [int]):
        assert parse("map", {"trust": trust}, "foo").wire(["ann"]).pickles is None
