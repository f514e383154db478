"""Tasks that fail, each as its user sees it: the exception, its chain, where it was raised; and the cluster goes on."""

from __future__ import annotations

import builtins
import os
import pickle
import sys
import traceback

import pytest

import raisin


class OwnError(Exception):
    """One with more than a text."""

    def __init__(self, code, detail):
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail

    def __reduce__(self):
        return OwnError, (self.code, self.detail)


class HasAFrame(Exception):
    """Cannot be pickled."""

    def __init__(self):
        import sys

        super().__init__("has a frame")
        self.frame = sys._getframe()


class ExitsWhenRebuilt(Exception):
    def __reduce__(self):
        return sys.exit, (3,)


class EndsTheProcessWhenRebuilt(Exception):
    def __reduce__(self):
        return os._exit, (3,)


class NoText(Exception):
    def __str__(self):
        raise ValueError("no text")


@pytest.fixture(autouse=True)
def goes_on():
    """Afterwards the cluster still works."""
    yield
    assert list(raisin.map(abs, [-1, 2, -3])) == [1, 2, 3]


def chain(error):
    """The exception, and its causes to the first."""
    while error is not None:
        yield error
        error = error.__cause__


def caught(target, *args, **options):
    """What `process` raises."""
    with pytest.raises(BaseException) as found:
        raisin.process(target, args, **options)
    return found.value


def test_function_raises_its_type_arguments_and_attributes():
    def fail():
        raise OwnError(7, "too long")

    error = caught(fail)
    assert type(error) is OwnError
    assert (error.code, error.detail) == (7, "too long")
    assert isinstance(caught(lambda: {}["missing"]), KeyError)
    assert caught(lambda: os.listdir("/does/not/exist")).filename == "/does/not/exist"
    assert caught(lambda: int("x")).args == ("invalid literal for int() with base 10: 'x'",)


def test_function_raises_and_the_remote_traceback_comes_last():
    def inner(x):
        return 1 // x

    def outer(x):
        return inner(x)

    error = caught(outer, 0)
    last = list(chain(error))[-1]
    assert isinstance(last, raisin.RemoteTraceback)
    assert "in inner" in last.text
    assert "in outer" in last.text
    assert "ZeroDivisionError" in last.text
    assert "raisin_worker" not in last.text
    host = next(iter(raisin.Process(abs, (1,)).get_all()))["host"]
    assert f"task 0 on {host}, attempt 1" in last.text
    assert "in inner" in "".join(traceback.format_exception(error)), "whoever prints the exception sees it, too"


def test_causes_are_kept():
    def fail():
        try:
            try:
                {}["missing"]
            except KeyError as error:
                raise ValueError("first") from error
        except ValueError as error:
            raise OwnError(1, "second") from error

    kinds = [type(error) for error in chain(caught(fail))]
    assert kinds == [OwnError, ValueError, KeyError, raisin.RemoteTraceback]


def test_what_happened_while_another_was_handled_is_kept():
    def fail():
        try:
            1 // 0  # noqa: B018
        except ZeroDivisionError:
            raise ValueError("while handling") from None

    def fail_too():
        try:
            1 // 0  # noqa: B018
        except ZeroDivisionError:
            raise ValueError("while handling")  # noqa: B904

    assert [type(error) for error in chain(caught(fail))] == [ValueError, raisin.RemoteTraceback]
    assert [type(error) for error in chain(caught(fail_too))] == [ValueError, ZeroDivisionError, raisin.RemoteTraceback]


def test_notes_are_kept():
    def fail():
        error = ValueError("wrong")
        error.__notes__ = ["seen at dawn"]
        raise error

    assert caught(fail).__notes__[0] == "seen at dawn"


@pytest.mark.parametrize("kind", [HasAFrame, ExitsWhenRebuilt])
def test_what_cannot_travel_becomes_task_failed(kind):
    def fail():
        raise kind()

    error = caught(fail)
    assert type(error) is raisin.TaskFailed
    assert kind.__name__ in str(error)
    assert "in fail" in str(list(chain(error))[-1])


def test_an_exception_that_ends_the_process_when_it_is_rebuilt_on_trial():
    def fail():
        raise EndsTheProcessWhenRebuilt

    error = caught(fail)
    assert type(error) is raisin.TaskCrashed
    assert "exit code 3" in str(error)


def test_an_exception_without_a_text():
    def fail():
        raise NoText

    error = caught(fail)
    assert type(error) is raisin.TaskFailed
    assert "NoText" in str(error)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (StopIteration("over"), "StopIteration: over"),
        (StopAsyncIteration("over"), "StopAsyncIteration: over"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt("key"), "KeyboardInterrupt: key"),
        (GeneratorExit("gone"), "GeneratorExit: gone"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_would_end_the_caller_becomes_task_failed(kind, text):
    def fail(_):
        raise kind

    assert (type(caught(fail, 1)), str(caught(fail, 1))) == (raisin.TaskFailed, text)
    values = raisin.map(fail, [1, 2])
    for _ in range(2):
        with pytest.raises(raisin.TaskFailed, match=text):
            next(values)
    with pytest.raises(StopIteration):
        next(values)


def test_sys_exit_in_a_task():
    error = caught(sys.exit, "enough")
    assert (type(error), str(error)) == (raisin.TaskFailed, "SystemExit: enough")


def test_a_long_text_is_cut():
    def fail():
        raise ValueError("x" * 1_000_000)

    error = caught(fail)
    assert type(error) is raisin.TaskFailed
    assert 1000 < len(str(error)) < 100_000


def test_get_raises_the_first_and_says_how_many():
    def fail(x):
        if x % 3 == 0:
            raise ValueError(f"{x} is wrong")
        return x

    m = raisin.Map(fail, [1, 2, 3, 4, 5, 6, 7])
    with pytest.raises(ValueError, match="3 is wrong") as found:
        m.get()
    assert found.value.__notes__ == ["2 of 7 failed"]
    if hasattr(found.value, "add_note"):  # Python 3.10 does not show notes
        assert "2 of 7 failed" in "".join(traceback.format_exception(found.value)).splitlines()
    with pytest.raises(ValueError, match="3 is wrong") as again:
        m.get()
    assert again.value.__notes__ == ["2 of 7 failed"], "said once, however often it is asked"
    assert {index: str(error) for index, error in m.errors().items()} == {2: "3 is wrong", 5: "6 is wrong"}
    assert str(m.exception()) == "3 is wrong"


def test_scans_name_failures_by_their_tuples():
    s = raisin.Scan(lambda a, b: a // b, [1, 2], [1, 0, 2])
    with pytest.raises(ZeroDivisionError):
        s.get()
    assert set(s.errors()) == {(0, 1), (1, 1)}


def test_records_of_failed_tasks():
    records = sorted(raisin.Map(lambda x: 1 // x, [1, 0]).get_all(), key=lambda record: record["index"])
    assert records[0]["res"] == 1
    failed = records[1]
    assert "res" not in failed
    assert failed["state"] == "failed"
    assert isinstance(failed["error"], ZeroDivisionError)
    assert failed["args"] == (0,)
    assert failed["host"]


def test_other_tasks_go_on_after_a_failure(tmp_path):
    def run(n):
        if n == 0:
            raise ValueError("first")
        (tmp_path / str(n)).touch()

    m = raisin.Map(run, range(40))
    with pytest.raises(ValueError, match="first"):
        m.get()
    assert len(list(tmp_path.iterdir())) == 39


def test_function_raises_twice_and_then_succeeds(tmp_path):
    def run(n):
        tries = len(list(tmp_path.glob(f"{n}-*")))
        (tmp_path / f"{n}-{tries}").touch()
        if n == 3 and tries < 2:
            raise ValueError(f"try {tries}")
        return n

    m = raisin.Map(run, range(6), retries=2)
    assert m.get() == list(range(6))
    assert len(list(tmp_path.glob("3-*"))) == 3
    assert len(list(tmp_path.iterdir())) == 8
    assert {record["index"]: record["attempts"] for record in m.get_all()} == {0: 1, 1: 1, 2: 1, 3: 3, 4: 1, 5: 1}


def test_function_raises_more_often_than_it_may(tmp_path):
    def run():
        (tmp_path / f"{len(list(tmp_path.iterdir()))}").touch()
        raise ValueError("always")

    (record,) = raisin.Process(run, retries=2).get_all()
    assert record["attempts"] == 3
    assert str(record["error"]) == "always"
    assert "attempt 3" in str(list(chain(record["error"]))[-1])
    assert len(list(tmp_path.iterdir())) == 3


def test_function_raises_without_retries(tmp_path):
    def run():
        (tmp_path / f"{len(list(tmp_path.iterdir()))}").touch()
        raise ValueError("once")

    assert str(caught(run)) == "once"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_module_that_no_host_has():
    def run(x):
        import there_is_no_such_module

        return there_is_no_such_module.go(x)

    (record,) = raisin.Map(run, [1]).get_all()
    assert type(record["error"]) is raisin.NoHostFits
    assert "run (task 0): No module named 'there_is_no_such_module' on the only host" in str(record["error"])
    assert record["attempts"] == 1, "it was tried once: there is no other place"


def test_an_argument_that_cannot_be_rebuilt():
    class Breaks:
        def __reduce__(self):
            return int, ("not a number",)

    def run(x):
        return x

    values = raisin.map(run, [1, Breaks(), 3])
    assert next(values) == 1
    with pytest.raises(raisin.NoHostFits, match="invalid literal"):
        next(values)
    assert next(values) == 3


def test_a_result_that_cannot_travel_is_named():
    def run(x):
        return [1, {"here": sys._getframe()}] if x else x

    values = raisin.map(run, [0, 1, 0])
    assert next(values) == 0
    with pytest.raises(raisin.SerializationError, match=r"result of task 1\[1\]\['here'\] \(a frame\)"):
        next(values)
    assert next(values) == 0


def test_a_result_that_cannot_be_rebuilt_here():
    class Breaks:
        def __reduce__(self):
            return int, ("not a number",)

    values = raisin.map(lambda x: Breaks() if x else x, [0, 1, 0])
    assert next(values) == 0
    with pytest.raises(ValueError, match="invalid literal"):
        next(values)
    assert next(values) == 0


def test_a_result_of_a_type_that_is_not_here():
    """A class that the task itself makes comes by value."""

    def run():
        class Here:
            x = 5

        return Here()

    assert raisin.process(run).x == 5


def test_endless_recursion():
    def run(x):
        return run(x) + 1

    assert isinstance(caught(run, 1), RecursionError)


def test_a_group_of_exceptions():
    if not hasattr(builtins, "ExceptionGroup"):
        pytest.skip("Python 3.10 has none")

    def fail():
        raise ExceptionGroup("several", [ValueError(1), TypeError(2)])  # noqa: F821

    error = caught(fail)
    assert [type(each) for each in error.exceptions] == [ValueError, TypeError]


def test_errors_can_be_pickled():
    error = caught(lambda: 1 // 0)
    assert type(pickle.loads(pickle.dumps(error))) is ZeroDivisionError
    assert isinstance(pickle.loads(pickle.dumps(list(chain(error))[-1])), raisin.RemoteTraceback)


def test_a_warning_as_an_error_of_the_submitter_is_not_the_tasks():
    def warn():
        import warnings

        warnings.warn("said in a task", UserWarning, stacklevel=1)
        return 1

    assert raisin.process(warn) == 1
