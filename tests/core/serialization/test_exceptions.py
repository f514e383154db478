"""Exceptions arrive as they were, in this process and in another one."""

from __future__ import annotations

import sys

import pytest

import raisin
from raisin_core.errors import SerializationError
from raisin_core.failures import Failure
from tests.core.serialization.elsewhere import Elsewhere


@pytest.fixture(scope="module")
def elsewhere():
    process = Elsewhere()
    yield process
    process.close()


def make():
    class Coded(ValueError):
        __slots__ = ("level",)

        def __init__(self, text, *, code):
            super().__init__(text)
            self.code = code
            self.level = code + 1

        def __str__(self):
            return f"{self.args[0]} ({self.code})"

    return Coded


def test_init_that_takes_other_arguments_than_args(elsewhere):
    error = make()("no", code=4)
    error.extra = [error]
    for found in (raisin.copy(error), elsewhere.call(lambda each: each, error)):
        assert type(found) is type(error)
        assert (found.args, found.code, found.level, str(found)) == (("no",), 4, 5, "no (4)")
        assert found.extra[0] is found


def raised(call):
    try:
        call()
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError


def chained():
    try:
        try:
            {}["key"]
        except KeyError:
            return 1 / 0
    except ZeroDivisionError as error:
        raise make()("chain", code=1) from error


def test_causes_contexts_and_notes(elsewhere):
    error = raised(chained)
    if sys.version_info >= (3, 11):
        error.add_note("note")
    for found in (raisin.copy(error), elsewhere.call(lambda each: each, error)):
        assert type(found.__cause__) is ZeroDivisionError
        assert found.__context__ is found.__cause__
        assert found.__suppress_context__
        assert found.__cause__.__context__.args == ("key",)
        assert not found.__cause__.__suppress_context__
        assert getattr(found, "__notes__", None) == getattr(error, "__notes__", None)
        assert found.__traceback__ is None
    silenced = ValueError()
    silenced.__suppress_context__ = True
    assert raisin.copy(silenced).__suppress_context__


def test_cause_with_its_own_way_to_be_pickled():
    class Own(Exception):
        def __init__(self, a, b):
            super().__init__(a)
            self.b = b

        def __reduce__(self):
            return Own, (self.args[0], self.b + 1)

    assert raisin.copy(Own(1, 2)).b == 3
    error = Own(1, 2)
    error.__cause__ = KeyError("k")
    found = raisin.copy(error)
    assert (found.b, found.__cause__.args) == (3, ("k",))


def exceptions():
    yield raised(lambda: open("/none/such"))  # noqa: SIM115
    yield raised(lambda: b"\xff".decode())
    yield raised(lambda: compile("a b", "file.py", "exec"))
    yield raised(lambda: no_such_name)  # noqa: F821
    yield raised(lambda: (1).no_such_attribute)
    yield raised(lambda: __import__("no_such_module"))
    yield OSError(2, "text", "one", None, "two")
    yield StopIteration(4)
    yield SystemExit(3)


ATTRIBUTES = (
    "args errno strerror filename filename2 start end object reason msg lineno offset text name path value code"
)


@pytest.mark.parametrize("error", list(exceptions()), ids=lambda each: type(each).__name__)
def test_built_in_exceptions_keep_what_they_know(error):
    found = raisin.copy(error)
    assert type(found) is type(error)
    assert str(found) == str(error)
    for name in ATTRIBUTES.split():
        assert getattr(found, name, None) == getattr(error, name, None), name


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python has no exception groups")
def test_groups_share_their_exceptions():
    one = make()("one", code=1)
    group = ExceptionGroup("group", [one, KeyError("k")])  # noqa: F821
    found = raisin.copy([group, one])
    assert type(found[0]) is type(group)
    assert found[0].exceptions[0] is found[1]


def test_a_cause_that_cannot_travel_is_named():
    error = ValueError("x")
    error.__cause__ = KeyError(sys._getframe())
    with pytest.raises(SerializationError, match=r"cannot serialize object\.__cause__\.args\[0\] \(a frame\)"):
        raisin.dumps(error)


def test_a_task_s_exception_keeps_its_type_whatever_its_cause_holds():
    error = make()("task", code=2)
    error.__cause__ = KeyError(sys._getframe())
    found = Failure.of(error).error()
    assert (type(found), found.code) == (type(error), 2)
