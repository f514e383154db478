"""A cluster over tcp whose workers differ: tasks find a host that can run them, and are told when there is none."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import pytest

import raisin
from raisin_core.identity import roster
from tests.e2e import support
from tests.e2e.support import until
from tests.support.pythons import other

MODULE = "only_here_and_there"


def interpreter(folder: Path, name: str, path: Path) -> str:
    """An interpreter like this one that finds modules in a folder, too."""
    wrapper = folder / name
    wrapper.write_text(f'#!/bin/sh\nexport PYTHONPATH="{path}:$PYTHONPATH"\nexec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o700)
    return str(wrapper)


@pytest.fixture(scope="module")
def cluster(module_folder):
    """Worker `ann` has a module that `zoe` lacks."""
    modules = module_folder / "modules"
    modules.mkdir()
    (modules / f"{MODULE}.py").write_text("def answer():\n    return 'OK'\n")
    with support.cluster(module_folder, "zoe") as made:
        made.start_worker("ann", "--python", interpreter(module_folder, "python-of-ann", modules))
        with made.connect():
            both(made)
            yield made


def both(cluster: support.Cluster) -> None:
    """Wait until both workers have run something."""

    def seen() -> bool:
        return members(raisin.Map(lambda _: None, range(20), chunksize=1)) >= {"ann", "zoe"}

    until(seen, "both workers take part", show=cluster.show)


def members(handle) -> set[str]:
    """Which members gave results."""
    return {record["account"] for record in handle.get_all()}


def localfail(*_):
    import only_here_and_there

    return only_here_and_there.answer()


def _by_value(function):
    """A copy that is pickled by value: the workers' interpreters cannot import this module."""
    import types

    copy = types.FunctionType(function.__code__, {"__builtins__": __builtins__, "__name__": "__main__"})
    copy.__module__ = "__main__"
    return copy


fails_at_zoe = _by_value(localfail)


def test_host_cannot_run_it_and_another_can(cluster):
    for _ in range(5):
        assert raisin.process(fails_at_zoe) == "OK"
    assert list(raisin.map(fails_at_zoe, range(200))) == ["OK"] * 200
    assert members(raisin.Map(fails_at_zoe, range(50))) == {"ann"}


def test_host_cannot_run_it_nor_can_any_other(cluster):
    def needs_too_much():
        import there_is_no_such_module  # noqa: F401

    with pytest.raises(raisin.NoHostFits) as caught:
        raisin.process(needs_too_much)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("needs_too_much (task 0): No module named 'there_is_no_such_module' on all 2 hosts")
    assert len(lines) == 3
    for line in lines[1:]:
        assert "No module named 'there_is_no_such_module'" in line
    assert "python-of-ann" in str(caught.value)
    assert sys.executable in str(caught.value)


@pytest.mark.slow  # the same on every Python
def test_host_cannot_run_it_and_other_tasks_are_not_harmed(cluster):
    def sometimes(x):
        if x == 2:
            import there_is_no_such_module  # noqa: F401
        return x

    m = raisin.Map(sometimes, range(5), chunksize=1)
    m.join()
    assert [type(error) for error in m.errors().values()] == [raisin.NoHostFits]
    records = {record["index"]: record for record in m.get_all()}
    assert [records[n]["res"] for n in (0, 1, 3, 4)] == [0, 1, 3, 4]
    assert records[2]["attempts"] == 2
    assert m.progress().failed == 1


def test_where_names_members(cluster):
    assert members(raisin.Map(lambda _: None, range(20), chunksize=1, where=["zoe"])) == {"zoe"}
    with pytest.raises(raisin.NoHostFits, match=f"No module named '{MODULE}' on the only host"):
        raisin.process(fails_at_zoe, where=["zoe"])
    assert raisin.process(fails_at_zoe, where=["zoe", "ann"]) == "OK"


def test_where_names_somebody_who_is_not_there(cluster):
    p = raisin.Process(lambda: 1, where=["sam"]).start()
    until(lambda: p.progress().waits, "the broker says why nothing runs")
    assert "none of sam is connected" in p.explain()
    with pytest.raises(raisin.TimeoutError, match="none of sam is connected"):
        p.get(timeout=0.1)
    p.cancel()


@pytest.mark.slow  # the same on every Python
def test_tasks_do_not_inherit_what_is_mine(cluster, monkeypatch):
    """On a cluster, unlike on this machine's own: directory and environment are the worker's."""
    monkeypatch.setenv("MINE", "secret")

    def look():
        import os

        return os.environ.get("MINE"), os.getcwd()

    assert raisin.process(look)[0] is None
    assert raisin.process(look)[1] != os.getcwd()


def test_host_cannot_run_it_with_another_python(cluster):
    """Functions run on any Python that understands their source; where there is none, they find another host."""
    python = other()
    if python is None:
        pytest.skip("no other Python is here")
    cluster.start_worker("old", "--python", python, slots=2)
    code = (lambda x: x + 123456).__code__.replace(co_consts=(None, 1), co_filename="<nowhere>")  # in no text
    sourceless = types.FunctionType(code, {"__name__": "__main__"})

    def joined() -> bool:
        return raisin.process(len, ("abc",), where=["old"]) == 3

    until(joined, "the worker has come", show=cluster.show)
    assert raisin.process(pow, (2, 5), where=["old"]) == 32
    by = 3
    assert raisin.process(lambda upto: [each * by for each in range(upto)], (3,), where=["old"]) == [0, 3, 6]
    with pytest.raises(raisin.NoHostFits, match="its source is not known there"):
        raisin.process(sourceless, (1,), where=["old"])
    assert list(raisin.map(sourceless, range(100), where=["old", "zoe"])) == list(range(1, 101))
    assert members(raisin.Map(sourceless, range(50), where=["old", "zoe"])) == {"zoe"}


@pytest.mark.slow  # the same on every Python
def test_a_member_that_is_removed_works_no_more(cluster):
    worker = cluster.start_worker("gone")
    assert raisin.process(abs, (-1,), where=["gone"]) == 1
    text = cluster.roster.read_text()
    entry = next(part for part in text.split("[[member]]") if 'name = "gone"' in part)
    cluster.roster.write_text(text.replace("[[member]]" + entry, ""))
    said = worker.await_text("does not admit this worker yet; add to its roster.toml:\n[[member]]\n")
    p = raisin.Process(abs, (-1,), where=["gone"]).start()
    until(lambda: p.progress().waits, "the broker says why nothing runs")
    assert "none of gone is connected" in p.explain()
    own = said.split('key = "')[1].split('"')[0]
    roster.add(cluster.roster, own, "gone", ["worker"])
    assert p.get(timeout=30) == 1
