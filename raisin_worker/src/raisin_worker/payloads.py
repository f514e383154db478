"""Functions and arguments, rebuilt inside a task process; and which failures are this host's rather than the task's.

A function's payload is a pickled `(star, axes, with kwargs, body)`; the body is the bytes of the function, or of it and
its keyword arguments. Where results are to be written without pickle, the bytes of each class of the job's table
follow.
A scan's page holds its axes: `("axis", values)` or `("constant", value)` each; a task's index counts through them,
last first.

Rules of this file: the standard library only; it runs inside the task process, in any interpreter.
"""

from __future__ import annotations

import itertools
import math
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from raisin_core import pages
from raisin_core.errors import SerializationError
from raisin_core.failures import Failure, Link
from raisin_core.serialization import objects
from raisin_worker import frames

TAIL: Final = 4096

Fetch = Callable[[bytes], bytes]
Values = Iterable[Any]


class Unfit(Exception):
    """Something cannot be rebuilt on this host; `args[0]` is the reason, the cause is the exception."""


class Function:
    """A function ready to be called with one argument per task, and how long its tasks take (seconds; None: not
    known). `classes` is the table for results without pickle; None: results are pickled."""

    def __init__(
        self,
        target: Callable[..., Any],
        kwargs: dict[str, Any],
        star: bool,
        axes: bool,
        classes: tuple[type, ...] | None = None,
    ) -> None:
        self.target = partial(target, **kwargs) if kwargs else target
        self.axes = axes
        self.star = star or axes
        self.classes = classes
        self.typical: float | None = None
        self.typical_cpu = 0.0
        self.weight = 1.0

    def spread(self, values: Any) -> Any:
        """The call with the argument's elements."""
        return self.target(*values)


def load_function(payload: bytes, fetch: Fetch) -> Function:
    """Raises Unfit if it cannot be rebuilt here."""
    try:
        star, axes, with_kwargs, body, *table = pickle.loads(pages.unpack(payload, fetch))
        found = objects.loads(body)
        target, kwargs = found if with_kwargs else (found, {})
        return Function(target, kwargs, star, axes, tuple(map(_class, table[0])) if table else None)
    except BaseException as error:  # the code of modules that it needs may raise anything
        raise Unfit(reason(error)) from error


def _class(data: bytes) -> type:
    """A class of the table; where it cannot be rebuilt here, one that no result has: the others keep their places."""
    try:
        kind = objects.loads(data)
    except Exception:  # noqa: BLE001 - the code of modules that it needs may raise anything
        kind = None
    return kind if isinstance(kind, type) else type("Missing", (), {})


class Piece:
    """A page of arguments, opened when it is first needed."""

    def __init__(self, first: int, count: int, payload: bytes) -> None:
        self.first, self.count = first, count
        self._payload: bytes | None = payload
        self._run: list[Any] | None = None
        self._slots: list[Callable[[], Any]] = []
        self._axes: Axes | None = None

    def values(self, function: Function, start: int, stop: int, words: memoryview, fetch: Fetch) -> Values:
        """The arguments of tasks `[start, stop)`. Raises Unfit, also later for a single one, if they cannot be
        rebuilt."""
        if self._payload is not None:
            self._open(self._payload, function.axes, fetch)
        if self._axes is not None:
            return self._axes.combinations(start, stop)
        if self._run is not None:
            return self._run[start - self.first : stop - self.first]
        return self._rebuilt(start, stop, words)

    def _open(self, payload: bytes, axes: bool, fetch: Fetch) -> None:
        try:
            if axes:
                self._axes = Axes(pages.decode(payload, fetch))
            else:
                segments = pickle.loads(pages.unpack(payload, fetch))
                if len(segments) == 1 and self.count > 1:  # one segment for several tasks is a run of plain atoms
                    self._run = segments[0][1]
                else:
                    self._slots = list(pages.slots(payload, fetch))
        except BaseException as error:
            raise Unfit(reason(error)) from error
        self._payload = None

    def _rebuilt(self, start: int, stop: int, words: memoryview) -> Iterator[Any]:
        from time import monotonic_ns

        for index in range(start, stop):
            words[frames.SINCE] = monotonic_ns()
            words[frames.CURRENT] = index  # rebuilding belongs to the task: it may crash or take long
            try:
                value = self._slots[index - self.first]()
            except BaseException as error:
                raise Unfit(reason(error)) from error
            yield value


class Axes:
    """The axes of a scan, as arguments by index; what they hold is shared by all tasks."""

    def __init__(self, axes: Sequence[tuple[str, Any]]) -> None:
        values = [list(value) if kind == "axis" else [value] for kind, value in axes]
        at = len(values)
        while at > 0 and math.prod(map(len, values[at - 1 :])) <= TAIL:
            at -= 1
        self._heads = values[:at]
        self._tails = list(itertools.product(*values[at:]))

    def combinations(self, start: int, stop: int) -> Iterator[tuple[Any, ...]]:
        head, skip = divmod(start, len(self._tails))
        while start < stop:
            prefix = self._head(head)
            for tail in self._tails[skip : skip + stop - start]:
                yield prefix + tail
            start += len(self._tails) - skip
            head, skip = head + 1, 0

    def _head(self, index: int) -> tuple[Any, ...]:
        values: list[Any] = []
        for axis in reversed(self._heads):
            index, at = divmod(index, len(axis))
            values.append(axis[at])
        return tuple(reversed(values))


def reason(error: BaseException) -> str:
    """One line about why something cannot run here."""
    text = " ".join(_text(error).split())[: frames.MAX_REASON]
    if isinstance(error, (ImportError, RuntimeError, SerializationError)) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def unfit_reason(error: BaseException) -> str | None:
    """Why this host cannot run a task that raised this; None if the exception is the task's own affair."""
    if isinstance(error, Unfit):
        return str(error.args[0])
    if isinstance(error, (ImportError, MemoryError)) or (isinstance(error, OSError) and _from_loader(error)):
        return reason(error)
    return None


def _from_loader(error: OSError) -> bool:
    """Whether it was raised while a shared library was loaded."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    name = frame.tb_frame.f_globals.get("__name__", "") if frame is not None else ""
    return error.errno is None and (name.split(".")[0] in ("ctypes", "cffi") or "shared object" in _text(error))


def failure(error: BaseException) -> Failure:
    """The exception, ready to travel; whatever its own code does meanwhile."""
    cause = error.__cause__ if isinstance(error, Unfit) and error.__cause__ is not None else error
    try:
        return Failure.of(cause)
    except BaseException as broken:  # noqa: BLE001 - its text, its class or the memory may be broken
        name = type(cause).__name__
        return Failure((Link(b"", name, ""),), f"{name} (no traceback: {type(broken).__name__})")


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as broken:  # noqa: BLE001 - __str__ may raise anything
        return f"(its text cannot be made: {type(broken).__name__})"
