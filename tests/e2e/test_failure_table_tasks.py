"""Rows about tasks, on a cluster of two: a process that dies, a function that raises, a host that cannot run it."""

from __future__ import annotations

import os
import sys

import pytest

import raisin
from raisin_core import home
from tests.e2e.faults import impatient
from tests.e2e.test_hosts import interpreter


@pytest.fixture(scope="module")
def cluster(module_folder):
    """Two workers at different places, as far as one machine has such: zoe has an interpreter of her own."""
    python = interpreter(module_folder, "python-of-zoe", module_folder)
    with impatient(module_folder, "ann") as made, made.connect():
        made.start_worker("zoe", "--python", python, env={"WHO": "zoe"})
        for name in ("ann", "zoe"):
            assert raisin.process(abs, (-1,), where=[name]) == 1
        yield made


def tries(folder):
    """Who made the attempts, in their order."""
    return [path.read_text() for path in sorted(folder.iterdir(), key=lambda path: int(path.name))]


@pytest.fixture
def attempt(tmp_path):
    """Called by a task: notes the attempt and who made it; the number of the attempt. (Of a test, so that it travels
    with the task: workers know no tests.)"""

    def note():
        number = len(list(tmp_path.iterdir())) + 1
        (tmp_path / str(number)).write_text(os.environ["WHO"])
        return number

    return note


def test_task_process_dies_on_different_hosts(cluster, attempt, tmp_path):
    """Three strikes, the first two at different places; the error names signals, hosts and last output."""

    def run():
        attempt()
        os.write(2, f"last words of {os.environ['WHO']}\n".encode())
        os.abort()

    with pytest.raises(raisin.TaskCrashed) as caught:
        raisin.process(run, name="run")
    who = tries(tmp_path)
    assert len(who) == 3
    assert set(who[:2]) == {"ann", "zoe"}
    text = str(caught.value)
    assert text.splitlines()[0] == "run (task 0) ended its process 3 times:"
    assert text.count(f"  {home.host_name()}  killed by SIGABRT") == 3
    assert [text.count(f"last words of {name}") for name in ("ann", "zoe")] == [who.count("ann"), who.count("zoe")]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other limits")
def test_task_process_dies_out_of_memory(cluster):
    """A library that does not look what `malloc` gives: with a limit on memory, that is nothing."""

    def run():
        import ctypes
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
        libc = ctypes.CDLL(None)
        libc.malloc.restype = ctypes.c_void_p
        libc.memset.argtypes = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
        libc.memset(libc.malloc(ctypes.c_size_t(2**40)), 1, 2**20)

    with pytest.raises(raisin.TaskCrashed, match="killed by SIGSEGV"):
        raisin.process(run)
    assert raisin.process(abs, (-1,)) == 1


def test_function_raises_and_is_tried_elsewhere(cluster, attempt, tmp_path):
    def run():
        number = attempt()
        if number < 3:
            raise ValueError(f"attempt {number}")
        return "done"

    (record,) = raisin.Process(run, retries=2).get_all()
    assert (record["res"], record["attempts"]) == ("done", 3)
    assert set(tries(tmp_path)[:2]) == {"ann", "zoe"}


def test_function_raises_to_the_end(cluster, attempt, tmp_path):
    """The last attempt's exception, as it was, with the traceback from there and the name of the host."""

    def run(path):
        attempt()
        return open(path)

    with pytest.raises(FileNotFoundError) as caught:
        raisin.process(run, ("/does/not/exist",), retries=1)
    assert caught.value.filename == "/does/not/exist"
    remote = caught.value.__cause__
    assert isinstance(remote, raisin.RemoteTraceback)
    assert f"task 0 on {home.host_name()}, attempt 2" in remote.text
    assert "in run" in remote.text
    assert set(tries(tmp_path)) == {"ann", "zoe"}
