"""A task's exception on its way: what comes back is the exception, or says why it is not."""

from __future__ import annotations

import pickle
import traceback

import pytest

from raisin_core.errors import RemoteTraceback, TaskFailed
from raisin_core.failures import MAX_CHAIN, MAX_PICKLE, MAX_TEXT, Failure


class Plain(Exception):
    pass


class Forgetful(Exception):
    """Its __init__ wants more than args has."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(f"{a}, {b}")


class Unpicklable(Exception):
    def __reduce__(self) -> str:
        raise RuntimeError("stays here")


class Changed(Exception):
    """Comes back with another text."""

    def __reduce__(self) -> tuple[type[Exception], tuple[str]]:
        return Changed, ("another text",)


class Textless(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


class Quits(Exception):
    def __reduce__(self) -> str:
        raise SystemExit(3)


def raised(error: BaseException) -> BaseException:
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


def there_and_back(error: BaseException, where: str = "") -> BaseException:
    """As it travels: a failure is told as a plain tuple within a page."""
    return Failure(*pickle.loads(pickle.dumps(tuple(Failure.of(error))))).error(where)


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyError("k"), Plain("é"), OSError(2, "gone", "f"), AssertionError()]
)
def test_the_same_exception(error: Exception) -> None:
    again = there_and_back(raised(error))
    assert type(again) is type(error)
    assert again.args == error.args
    assert str(again) == str(error)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Unpicklable("u"), "Unpicklable: u"),
        (Changed("c"), "Changed: c"),
        (Textless(), "Textless: (no text)"),
        (Quits("q"), "Quits: q"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (StopIteration(5), "StopIteration: 5"),
        (StopAsyncIteration(), "StopAsyncIteration"),
        (GeneratorExit(), "GeneratorExit"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_cannot_travel_says_what_it_was(error: BaseException, text: str) -> None:
    again = there_and_back(raised(error))
    assert type(again) is TaskFailed
    assert str(again).endswith(text)


def test_arguments_of_init_do_not_matter() -> None:
    again = there_and_back(raised(Forgetful(1, 2)))
    assert type(again) is Forgetful
    assert str(again) == "1, 2"


def test_remote_traceback_is_the_last_link() -> None:
    again = there_and_back(raised(ValueError("x")), "task 3 on zoe, attempt 2")
    last = again.__cause__
    assert isinstance(last, RemoteTraceback)
    assert "task 3 on zoe, attempt 2" in str(last)
    assert "in raised" in str(last)
    assert "raise error" in str(last)
    shown = "".join(traceback.format_exception(type(again), again, None))
    assert shown.index("RemoteTraceback") < shown.index("ValueError: x\n", shown.index("direct cause"))


def test_causes_are_kept() -> None:
    inner, middle = KeyError("k"), Unpicklable("u")
    outer = ValueError("x")
    outer.__cause__, middle.__cause__ = middle, inner
    again = there_and_back(outer)
    assert isinstance(again, ValueError)
    assert isinstance(again.__cause__, TaskFailed)
    assert isinstance(again.__cause__.__cause__, KeyError)
    assert isinstance(again.__cause__.__cause__.__cause__, RemoteTraceback)


def test_context_counts_unless_suppressed() -> None:
    def fail(suppress: bool) -> BaseException:
        try:
            try:
                raise KeyError("k")
            except KeyError:
                if suppress:
                    raise ValueError("x") from None
                raise ValueError("x")  # noqa: B904 - the context is what is tested
        except ValueError as error:
            return error

    assert isinstance(there_and_back(fail(suppress=False)).__cause__, KeyError)
    assert isinstance(there_and_back(fail(suppress=True)).__cause__, RemoteTraceback)


def test_circular_and_long_chains_end() -> None:
    one, other = ValueError("1"), ValueError("2")
    one.__cause__, other.__cause__ = other, one
    assert len(Failure.of(one).chain) == 2
    link = first = ValueError("0")
    for number in range(100):
        link.__cause__ = ValueError(str(number))
        link = link.__cause__
    assert len(Failure.of(first).chain) == MAX_CHAIN


def test_sizes_are_bounded() -> None:
    failure = Failure.of(ValueError("x" * (MAX_PICKLE + 1)))
    assert failure.chain[0].data == b""
    assert len(failure.chain[0].text) < MAX_TEXT + 100
    assert len(failure.traceback) < MAX_TEXT + 100
    assert f"({MAX_PICKLE + 1} characters)" in str(failure.error())


def test_an_exception_without_text_has_a_traceback_of_some_kind() -> None:
    assert "Textless" in Failure.of(Textless()).traceback


def test_what_cannot_be_rebuilt_here_says_what_it_was() -> None:
    """The type's module may be missing on this side."""
    failure = Failure.of(Plain("x"))
    link = failure.chain[0]._replace(data=b"cno_such_module\nPlain\n(tR.")
    again = failure._replace(chain=(link,)).error()
    assert type(again) is TaskFailed
    assert str(again).endswith("Plain: x")


def test_unpickled_data_that_is_no_exception_is_not_raised() -> None:
    failure = Failure.of(Plain("x"))
    link = failure.chain[0]._replace(data=pickle.dumps("a string"))
    assert type(failure._replace(chain=(link,)).error()) is TaskFailed
