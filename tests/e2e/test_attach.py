"""Jobs that outlive their handle or interpreter on a cluster, and those who take them up again."""

from __future__ import annotations

import gc
import threading
import time

import pytest

import raisin
from tests.e2e import support
from tests.e2e.support import until


@pytest.fixture(scope="module")
def cluster(module_folder):
    with support.cluster(module_folder, "ann") as made:
        yield made


@pytest.fixture
def scripts(cluster, folder):
    """Runs programs that connect to the cluster first; gives what they write."""
    made = support.Interpreters(folder / "h", folder)
    yield lambda code: made.run(cluster.script(code))
    made.close()


@pytest.fixture
def gate(tmp_path):
    """A file that does not exist until somebody touches it; at the end it does, so that no task waits for ever."""
    path = tmp_path / "gate"
    yield path
    path.touch()


def test_attach_from_another_interpreter(scripts):
    """With `save=True` results are kept when the handle and its interpreter are gone."""
    done = scripts(
        """
        m = raisin.Map(lambda n: n * n, range(1000), name="squares", save=True)
        print(m.start().id)
        assert m.get()[3] == 9
        """
    )
    key = done.ok().strip()
    done = scripts(
        f"""
        m = raisin.attach({key!r})
        assert (m.name, m.state, len(m)) == ("squares", "done", 1000), m
        assert m.get() == [n * n for n in range(1000)]
        records = sorted(m.get_all(), key=lambda record: record["index"])
        assert records[5]["args"] == (5,) and records[5]["res"] == 25
        """
    )
    assert (done.ok(), done.err) == ("", "")
    scripts(f"assert raisin.attach({key!r}).get()[9] == 81").ok()


def test_attach_gives_the_same_kind_of_handle(cluster):
    with cluster.connect():
        s = raisin.Scan(pow, [2, 3], [1, 2]).start()
        again = raisin.attach(s.id)
        assert isinstance(again, raisin.Scan)
        assert again.get() == s.get() == [[2, 4], [3, 9]]
        assert {record["args"] for record in again.get_all()} == {(2, 1), (2, 2), (3, 1), (3, 2)}
        p = raisin.attach(raisin.Process(pow, (2, 5), save=True).start().id)
        assert isinstance(p, raisin.Process)
        assert p.get() == 32
        assert next(p.get_all())["args"] == (2, 5)
        m = raisin.attach(raisin.Map(pow, [2, 3], [2, 2], save=True).start().id)
        assert sorted(record["args"] for record in m.get_all()) == [(2, 2), (3, 2)]
        m = raisin.attach(raisin.Map(abs, [-1, 2], save=True).start().id)
        assert sorted(record["args"] for record in m.get_all()) == [(-1,), (2,)]
        assert m.cancel() is False


def test_attach_to_what_is_still_being_fed_here(cluster, folder):
    """Both handles see one job; dropping one of them harms neither the feeding nor the other."""
    gate = threading.Event()

    def items():
        yield from range(100)
        assert gate.wait(20)
        yield from range(100, 200)

    with cluster.connect():
        m = raisin.Map(lambda n: n + 1, items()).start()
        again = raisin.attach(m.id)
        del m
        gc.collect()
        gate.set()
        assert again.get(timeout=30) == list(range(1, 201))


def test_a_saved_job_is_fed_to_its_end_although_its_handle_is_gone(cluster, folder):
    gate = threading.Event()

    def items():
        yield from range(100)
        assert gate.wait(20)
        yield from range(100, 200_000)

    with cluster.connect():
        key = raisin.Map(lambda n: n + 1, items(), save=True).start().id
        gc.collect()
        gate.set()
        assert raisin.attach(key).get(timeout=30) == list(range(1, 200_001))


def test_attach_to_what_does_not_exist(cluster):
    with cluster.connect():
        with pytest.raises(raisin.UnknownJob, match=f"no job 00000000 here .{cluster.address}.") as caught:
            raisin.attach("0" * 32)
        assert isinstance(caught.value, LookupError)
        for wrong in ("nonsense", "", "00", None, 5):
            with pytest.raises(raisin.UsageError, match="is no job id"):
                raisin.attach(wrong)


def test_whoever_only_attached_does_not_wait_for_the_job_at_its_end(scripts, cluster, gate):
    def run(n):
        while not gate.exists():
            time.sleep(0.01)
        return n

    with cluster.connect():
        m = raisin.Map(run, [1, 2]).start()
        done = scripts(f"m = raisin.attach({m.id!r}); assert m.is_alive()")
        assert (done.ok(), done.err) == ("", "")
        gate.touch()
        assert m.get(timeout=30) == [1, 2]


LEFT = """
    import itertools, os, time
    def run(n):
        while not os.path.exists({gate!r}):
            time.sleep(0.01)
        return n
    m = raisin.Map(run, {elements}, name="left").start()
    while "itertools" in {elements!r} and not m.progress().running:
        time.sleep(0.01)
    print(m.id)
"""


def test_an_interpreter_leaves_a_cluster_and_says_what_goes_on(scripts, cluster, gate):
    done = scripts(LEFT.format(gate=str(gate), elements="[0, 1, 2, 3, 4]"))
    key = done.ok().strip()
    assert done.err == f"raisin: left: 5 elements were submitted; raisin.attach({key!r}) collects them\n"
    gate.touch()
    with cluster.connect():
        assert raisin.attach(key).get(timeout=30) == [0, 1, 2, 3, 4]


def test_an_interpreter_leaves_what_has_no_end(scripts, cluster, gate):
    done = scripts(LEFT.format(gate=str(gate), elements="itertools.count()"))
    key = done.ok().strip()
    count = int(done.err.split()[2])
    assert count > 0
    assert done.err == (
        f"raisin: left: {count} elements and no end were submitted; raisin.attach({key!r}) collects them\n"
    )
    gate.touch()
    with cluster.connect():
        values = iter(raisin.attach(key))
        assert [next(values) for _ in range(min(count, 1000))] == list(range(min(count, 1000)))
        raisin.attach(key).cancel()


def test_results_of_a_handle_that_is_gone_are_deleted(cluster):
    with cluster.connect():
        m = raisin.Map(abs, [-1])
        m.get()
        key = m.id
        del m
        raisin.process(abs, (-1,))

        def gone():
            try:
                raisin.attach(key)
            except raisin.UnknownJob:
                return True
            return False

        until(gone, "the broker has forgotten it")


def test_a_job_that_was_read_in_part_and_let_go_is_read_from_the_first_result_again(scripts, cluster, gate):
    done = scripts(
        f"""
        import os, time
        def work(n):
            while n == 1 and not os.path.exists({str(gate)!r}):
                time.sleep(0.005)
            return n
        m = raisin.Map(work, range(2), save=True, chunksize=1).start()
        print(m.id)
        next(iter(m))
        """
    )
    key = done.ok().split()[0]
    done = scripts(
        f"""
        import gc, pathlib
        values = iter(raisin.attach({key!r}))
        print(next(values))
        del values
        gc.collect()
        again = raisin.attach({key!r})
        pathlib.Path({str(gate)!r}).touch()
        print(again.get(timeout=60))
        """
    )
    assert done.ok() == "0\n[0, 1]\n"
