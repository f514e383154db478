"""Exceptions from hosts whose pickles are not loaded: made anew from names and texts, or said."""

from __future__ import annotations

import errno
import traceback
from typing import Any

import pytest

from raisin_core.errors import RemoteError, RemoteTraceback, TaskFailed
from raisin_core.failures import ENDING, LISTED, Failure, Link


class Mine(Exception):
    pass


class Ran(BaseException):
    """A pickle was loaded."""


class Hostile:
    def __reduce__(self) -> Any:
        return _ran, ()


def _ran() -> None:
    raise Ran


def again(error: BaseException) -> BaseException:
    return Failure.of(error).error("task 3 on zoe", trusted=False)


def made(name: str, text: str, data: bytes = b"") -> BaseException:
    return Failure((Link(data, name, text),), "there").error(trusted=False)


@pytest.mark.parametrize(
    "error",
    [
        *(kind("some text") for kind in LISTED.values() if kind is not KeyError),
        KeyError("k"),
        ValueError(),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "data/a.csv"),
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
    ],
    ids=repr,
)
def test_listed_types_are_made_anew(error: Exception) -> None:
    got = again(error)
    assert type(got) is type(error)
    assert (got.args, str(got)) == (error.args, str(error))
    assert getattr(got, "filename", None) == getattr(error, "filename", None)


@pytest.mark.parametrize("key", [5, "it's", ("a", 1), "a\\b"])
def test_a_key_error_shows_the_same_text(key: object) -> None:
    got = again(KeyError(key))
    assert type(got) is KeyError
    assert str(got) == str(KeyError(key))


def test_others_are_said() -> None:
    got = again(Mine("what happened"))
    assert type(got) is RemoteError
    assert isinstance(got, TaskFailed)
    assert str(got) == f"{__name__}.Mine: what happened"
    assert str(made("mylib.Odd", "")) == "mylib.Odd"


@pytest.mark.parametrize("name", sorted(ENDING))
def test_what_ends_programs_is_never_made(name: str) -> None:
    assert name not in LISTED
    got = made(name, "3")
    assert type(got) is TaskFailed
    assert str(got) == f"{name}: 3"


@pytest.mark.parametrize("name", ["UnicodeDecodeError", "ExceptionGroup", "os.system", "eval", "Failure", "object", ""])
def test_no_other_name_is_looked_up(name: str) -> None:
    assert type(made(name, "x")) is RemoteError


def test_nothing_is_unpickled(monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    data = pickle.dumps(Hostile())
    with pytest.raises(Ran):
        Failure((Link(data, "ValueError", "x"),), "").error()
    assert type(made("ValueError", "x", data)) is ValueError


def test_chain_and_remote_traceback_stay() -> None:
    outer = ValueError("x")
    outer.__cause__ = Mine("y")
    got = again(outer)
    assert type(got) is ValueError
    assert type(got.__cause__) is RemoteError
    last = got.__cause__.__cause__
    assert isinstance(last, RemoteTraceback)
    assert "task 3 on zoe" in str(last)


def test_terminals_are_safe_from_texts() -> None:
    hostile = "\x1b]0;title\x07\x9b2J\u202e\ud800\tx\nnext"
    for name in ("ValueError", "Odd"):
        got = Failure((Link(b"", name, hostile),), hostile).error(trusted=False)
        said = "".join(traceback.format_exception(type(got), got, None))
        assert all(letter.isprintable() or letter in "\n\t\ud800" for letter in said)
        assert "\nnext" in said


@pytest.mark.parametrize(
    "text", ["[Errno 99999999] x", "[Errno 2] a: 'b", "[Errno 2]", "[Errno 2] a: 'b': 'c'", "[Errno 11] a: 'b'"]
)
@pytest.mark.parametrize("name", ["OSError", "BlockingIOError", "FileNotFoundError"])
def test_odd_texts_of_the_systems_errors_do_no_harm(name: str, text: str) -> None:
    assert isinstance(made(name, text), OSError)
