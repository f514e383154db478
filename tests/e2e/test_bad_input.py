"""What users do by mistake: each gets an error that says what, where and what to do; and the cluster still works."""

from __future__ import annotations

import itertools
import os
import re
import signal
import socket
import sys
import threading
import time

import pytest

import raisin
from tests.e2e.support import until


@pytest.fixture(autouse=True)
def goes_on():
    """Afterwards the cluster still works."""
    yield
    assert list(raisin.map(abs, [-1, 2, -3])) == [1, 2, 3]


VERBS = [raisin.map, raisin.Map, raisin.starmap, raisin.process, raisin.Process, raisin.scan, raisin.Scan]


def complaint(kind, call, *args, **options):
    """The text of what it raises; a map raises when its values are asked for."""
    with pytest.raises(kind) as caught:
        list(call(*args, **options))
    return str(caught.value)


class HasAThread:
    def __init__(self):
        self.items = {"inner": [1, threading.Thread()]}


def test_an_argument_that_cannot_travel_is_named_with_its_path():
    said = complaint(raisin.SerializationError, raisin.map, len, [[1], [2], HasAThread()])
    assert said.startswith("cannot serialize argument 2.items['inner'][1] (a Thread): ")
    assert said.endswith("; start it inside the function")
    with pytest.raises(TypeError):
        raisin.process(len, (HasAThread(),))
    said = complaint(raisin.SerializationError, raisin.process, len, ([0, sys._getframe()],))
    assert "[1] (a frame): " in said
    assert "it belongs to this process" in said
    assert "axis" in complaint(raisin.SerializationError, raisin.scan, len, [[threading.Thread()]])


def test_the_results_before_an_argument_that_cannot_travel():
    values = raisin.map(lambda x: 1, [1, 2, HasAThread(), 4])
    assert [next(values), next(values)] == [1, 1]
    with pytest.raises(raisin.SerializationError, match="argument 2"):
        next(values)
    assert list(values) == []
    m = raisin.Map(lambda x: 1, [1, HasAThread(), 4])
    with pytest.raises(raisin.SerializationError, match="argument 1"):
        m.get()
    assert m.state == "failed"
    records = m.get_all()
    assert next(records)["res"] == 1
    with pytest.raises(raisin.SerializationError, match="argument 1"):
        next(records)


def test_a_function_that_cannot_travel_is_named():
    thread, frame = threading.Thread(), sys._getframe()
    assert "its variable thread (a Thread)" in complaint(raisin.SerializationError, raisin.map, lambda x: thread, [1])
    assert "its variable frame (a frame)" in complaint(raisin.SerializationError, raisin.Map, lambda x: frame, [1])

    def named(x, default=thread):
        return default

    said = complaint(raisin.SerializationError, raisin.process, named, (1,))
    assert said.startswith("cannot serialize named, its default 0 (a Thread): ")
    with socket.socket() as connection:
        said = complaint(raisin.SerializationError, raisin.map, connection.send, [b"x"])
        assert "connect inside the function" in said
    said = complaint(raisin.SerializationError, raisin.map, abs, [1], kwargs={"items": frame})
    assert said.startswith("cannot serialize kwargs of abs['items'] (a frame): ")


@pytest.mark.parametrize("verb", VERBS)
def test_an_option_that_is_misspelt(verb):
    said = complaint(raisin.UsageError, verb, abs, [[1]], task_timout=3)
    assert said == f"{verb.__name__.capitalize() if verb in (raisin.process, raisin.scan) else verb.__name__} " + (
        "has no option 'task_timout'; did you mean task_timeout?"
    )


@pytest.mark.parametrize("option", ["verify", "speculate", "priority", "gpu"])
def test_an_option_that_does_not_exist_yet(option):
    said = complaint(raisin.UsageError, raisin.map, abs, [1], **{option: 1})
    assert said == (
        f"map has no option {option!r}; "
        "there are: kwargs, name, deadline, task_timeout, retries, where, chunksize, save, resume, force, "
        "progress, trust"
    )


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("target", [None, 5, "abs", [abs]])
def test_what_cannot_be_called(verb, target):
    assert f"the first argument must be a function, not {target!r}" in complaint(raisin.UsageError, verb, target, [[1]])


@pytest.mark.parametrize("verb", [raisin.map, raisin.Map, raisin.starmap])
@pytest.mark.parametrize("wrong", [5, None, abs, object])
def test_what_is_no_iterable(verb, wrong):
    said = complaint(raisin.UsageError, verb, abs, wrong)
    assert said == f"{verb.__name__}: iterable 1 is {wrong!r} ({type(wrong).__name__}): not iterable"


def test_no_iterable_at_all():
    assert complaint(raisin.UsageError, raisin.map, abs) == "map needs at least one iterable after the function"
    assert complaint(raisin.UsageError, raisin.Scan, abs) == "Scan needs at least one argument after the function"
    assert "iterable 2 is 7 (int)" in complaint(raisin.UsageError, raisin.map, pow, [1], 7)


def test_args_of_a_process_that_are_no_tuple():
    assert complaint(raisin.UsageError, raisin.process, abs, 5) == (
        "Process: args must be a tuple of arguments, not 5; for one argument: args=(x,)"
    )
    assert "for one argument: args=(x,)" in complaint(raisin.UsageError, raisin.Process, len, "text")


def test_a_wrong_number_of_arguments():
    assert "positional argument" in complaint(TypeError, raisin.map, lambda a, b: 1, [1])
    assert "must be an iterable" in complaint(TypeError, raisin.starmap, pow, [5])


@pytest.mark.parametrize("verb", [raisin.map, raisin.Map])
def test_an_iterable_that_raises_half_way(verb):
    """The results of what came before, then its exception."""

    def items():
        yield from range(1000)
        raise LookupError("the source is dry")

    values = iter(verb(lambda x: x + 1, items()))
    assert list(itertools.islice(values, 1000)) == list(range(1, 1001))
    with pytest.raises(LookupError, match="the source is dry"):
        next(values)
    assert list(values) == []


def test_a_handle_whose_iterable_raises():
    def items():
        yield 1
        raise LookupError("the source is dry")

    m = raisin.Map(lambda x: x + 1, items())
    with pytest.raises(LookupError, match="the source is dry"):
        m.get()
    assert m.state == "failed"
    assert m.done()
    assert isinstance(m.exception(), LookupError)
    records = m.get_all()
    assert next(records)["res"] == 2
    with pytest.raises(LookupError, match="the source is dry"):
        next(records)


def test_an_iterable_that_raises_at_once():
    class Bad:
        def __iter__(self):
            raise LookupError("not even one")

    with pytest.raises(LookupError, match="not even one"):
        raisin.map(abs, Bad())
    with pytest.raises(LookupError, match="not even one"):
        raisin.Map(abs, Bad()).get()
    with pytest.raises(LookupError, match="not even one"):
        raisin.scan(abs, Bad())


def test_a_slow_iterable_keeps_no_result_back():
    gate = threading.Event()

    def items():
        for n in (1, 2):
            time.sleep(0.02)
            yield n
        assert gate.wait(20)
        yield 3

    m = raisin.Map(lambda x: x + 1, items()).start()
    values = iter(m)
    assert [next(values), next(values)] == [2, 3]
    gate.set()
    assert list(values) == [4]


def test_an_iterable_that_uses_raisin_itself():
    def items():
        for n in range(5):
            yield raisin.process(pow, (n, 2))

    assert list(raisin.map(lambda x: x + 1, items())) == [1, 2, 5, 10, 17]
    assert raisin.Map(abs, raisin.map(abs, raisin.map(abs, range(-5, 0)))).get() == [5, 4, 3, 2, 1]


# -- functions that misbehave ----------------------------------------------------------------------------------------


def test_a_function_that_changes_the_directory(tmp_path):
    def wander(n):
        before = os.getcwd()
        os.chdir("/")
        return before

    assert set(raisin.map(wander, range(6), chunksize=1)) == {os.getcwd()}
    assert raisin.process(os.getcwd) == os.getcwd()


def test_a_function_that_removes_its_directory(tmp_path):
    def wander():
        import tempfile

        place = tempfile.mkdtemp()
        os.chdir(place)
        os.rmdir(place)

    for _ in range(4):
        raisin.process(wander)
    assert raisin.process(os.getcwd) == os.getcwd()


def test_a_function_that_starts_threads_that_never_end():
    def start():
        for _ in range(20):
            threading.Thread(target=threading.Event().wait, daemon=False).start()
        return threading.active_count()

    assert raisin.process(start) >= 20


def test_a_function_that_starts_processes():
    def start():
        import multiprocessing
        import subprocess

        with multiprocessing.get_context("fork").Pool(2) as pool:
            got = pool.map(abs, [-1, -2])
        return got, subprocess.run([sys.executable, "-c", "print(5)"], capture_output=True, text=True).stdout

    def start_warned():
        import warnings

        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads
        return start()

    assert raisin.process(start_warned) == ([1, 2], "5\n")


def test_a_function_that_forks_and_comes_back_twice():
    """The child ends like a Python program would; its result is not the task's."""

    def twice(n):
        import warnings

        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
        return "parent" if pid else "child"

    assert list(raisin.map(twice, range(5))) == ["parent"] * 5


def test_a_function_that_closes_everything():
    """Its process is of no use then, and is replaced."""

    def close(n):
        os.closerange(0, 100)
        return n

    with pytest.raises(raisin.TaskCrashed):
        raisin.process(close, (1,))


def test_a_function_that_replaces_stdout():
    def replace(n):
        import io

        sys.stdout = io.StringIO()
        sys.stderr = None
        print("nobody sees it")
        return n

    assert list(raisin.map(replace, range(4), chunksize=1)) == [0, 1, 2, 3]


def test_a_function_that_ignores_signals_can_be_cancelled(tmp_path):
    def stubborn():
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        (tmp_path / "here").touch()
        while True:
            threading.Event().wait(1000)

    p = raisin.Process(stubborn).start()
    until((tmp_path / "here").exists, "it runs")
    assert p.cancel()


def test_a_function_that_keeps_the_interpreter_to_itself(tmp_path):
    """A C call that never lets go of the interpreter's lock: cancelling ends it all the same."""

    def stuck():
        (tmp_path / "here").touch()
        re.match(r"(a+)+$", "a" * 60 + "b")

    p = raisin.Process(stuck).start()
    until((tmp_path / "here").exists, "it runs")
    assert p.cancel()
    with pytest.raises(raisin.TaskTimeout):
        raisin.process(stuck, task_timeout=0.3)


def test_a_function_that_takes_all_the_memory_it_may(tmp_path):
    """Another host might have more; here there is none."""

    def greedy():
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (2**30, resource.getrlimit(resource.RLIMIT_AS)[1]))
        try:
            return len(bytearray(2**33))
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (resource.getrlimit(resource.RLIMIT_AS)[1],) * 2)

    with pytest.raises((MemoryError, raisin.NoHostFits), match=r"MemoryError|^$"):
        raisin.process(greedy)


def test_a_function_that_reads_standard_input():
    def read():
        return sys.stdin.read()

    assert raisin.process(read) == ""
    with pytest.raises(EOFError):
        raisin.process(input)


def test_deep_recursion_in_c():
    """Pickling a very deep list."""

    def deep():
        value = []
        for _ in range(100_000):
            value = [value]
        return value

    with pytest.raises((raisin.SerializationError, raisin.TaskCrashed, RecursionError)):
        raisin.process(deep)


def test_a_class_whose_methods_all_raise():
    class Hostile:
        def __getattr__(self, name):
            raise (AttributeError if name.startswith("__") else RuntimeError)(name)

        def __eq__(self, other):
            raise RuntimeError("eq")

        def __hash__(self):
            raise RuntimeError("hash")

        def __repr__(self):
            raise RuntimeError("repr")

        def __len__(self):
            raise RuntimeError("len")

        def __bool__(self):
            raise RuntimeError("bool")

    assert [type(value).__name__ for value in raisin.map(lambda x: x, [Hostile(), 1])] == ["Hostile", "int"]
    (record, _) = raisin.Map(lambda x: x, [Hostile(), 1], chunksize=2).get_all()
    assert type(record["res"]).__name__ == "Hostile"
