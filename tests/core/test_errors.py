"""The error tree: what is drawn is what is there, and every error can travel."""

from __future__ import annotations

import builtins
import concurrent.futures
import inspect
import multiprocessing
import pickle
import re

import pytest

from raisin_core import errors

CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, BaseException) and kind.__module__ == errors.__name__
}
LINE = re.compile(r"^ {4}(?P<branch>[| ]*\+-- |)(?P<name>[A-Z]\w+)", re.MULTILINE)


def drawn() -> dict[str, str | None]:
    """Each error of the docstring with the one above it."""
    tree: dict[str, str | None] = {}
    path: list[str] = []
    for line in LINE.finditer(errors.__doc__ or ""):
        depth = len(line["branch"]) // 4
        path = [*path[:depth], line["name"]]
        tree[line["name"]] = path[depth - 1] if depth else None
    return tree


def test_the_tree_is_the_classes() -> None:
    tree = drawn()
    assert set(tree) == set(CLASSES)
    for name, parent in tree.items():
        first = CLASSES[name].__bases__[0]
        assert first is (CLASSES[parent] if parent else Exception), f"{name} stands below {parent}"


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_also_says_what_else_it_is(name: str) -> None:
    """`also a TypeError` in the drawing: every further base, up to the differences between Pythons."""
    text = re.search(rf"^[ |+-]*{name}\b *(.*)$", errors.__doc__ or "", re.MULTILINE)
    others = CLASSES[name].__bases__[1:]
    assert text
    assert ("also" in text[1]) == bool(others)
    assert all(base.__name__ in text[1] for base in others)


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_travels(kind: type[BaseException]) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(kind("what happened, where, what to do"), protocol))
        assert type(again) is kind
        assert str(again) == "what happened, where, what to do"


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_has_a_purpose(kind: type[BaseException]) -> None:
    assert kind.__doc__


@pytest.mark.parametrize(
    "timeout",
    [builtins.TimeoutError, multiprocessing.TimeoutError, concurrent.futures.TimeoutError, errors.RaisinError],
)
@pytest.mark.parametrize("kind", [errors.TimeoutError, errors.DeadlineExceeded, errors.TaskTimeout])
def test_timeouts_are_everybodys(kind: type[Exception], timeout: type[Exception]) -> None:
    assert issubclass(kind, timeout)
