"""Scan: a function over the Cartesian product of its arguments."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from raisin_core.client import launch
from raisin_core.client.handles import Handle
from raisin_core.client.job import as_tuple
from raisin_core.client.launch import Plan
from raisin_core.client.process import wait_for
from raisin_core.client.runs import RemoteRun, Running
from raisin_core.errors import UntrustedResult, UsageError


class Scan(Handle):
    """A handle for a call of `target` per combination of its arguments; each iterable is an axis of the result.

    str, bytes, dict, Path and whatever is not iterable are constants and add no dimension. Axes are finite. Options:
    see `Map`. The result is a nested list (a bare value without axes; an empty axis gives empty lists).

    >>> Scan(pow, [2, 3], [1, 2, 3], where="process").start().get()
    [[2, 4, 8], [3, 9, 27]]
    """

    _verb = "Scan"

    def __init__(
        self,
        target: Callable[..., Any] | None,
        *iterables: Any,
        _run: Running | None = None,
        _shape: Iterable[int] = (),
        _tuples: bool = False,
        **options: Any,
    ) -> None:
        if _run is not None:
            super().__init__(None, _run)
            self._shape, self._tuples = list(_shape), _tuples
            return
        parsed = launch.parse("Scan", target, options)
        if not iterables:
            raise UsageError("Scan needs at least one argument after the function")
        axes = [_axis(each) for each in iterables]
        assert target is not None
        super().__init__(Plan("scan", target, parsed, True, (), axes))
        assert self._plan is not None
        self._shape, self._tuples = self._plan.shape, bool(parsed.resume)

    def _shaped(self, values: list[Any]) -> Any:
        return nested(values, self._shape)

    def _index(self, index: int) -> tuple[int, ...]:
        at: list[int] = []
        for length in reversed(self._shape):
            index, position = divmod(index, length)
            at.append(position)
        return tuple(reversed(at))

    def _arguments(self, index: int) -> tuple[Any, ...]:
        run = self._started()
        if self._tuples or not isinstance(run, RemoteRun):
            return as_tuple(run.argument(index))
        at = iter(self._index(index))
        try:
            return tuple(values[next(at)] if kind == "axis" else values for kind, values in run.job.axes())
        except UntrustedResult as error:
            return (error,)


def scan(target: Callable[..., Any], *iterables: Any, **options: Any) -> Any:
    """Call `target` for every combination of its arguments, wait, and return the nested list of results. See `Scan`.

    >>> scan(pow, [2, 3], 2, where="process")
    [4, 9]
    """
    return wait_for(Scan(target, *iterables, **options), "scan")


def nested(values: list[Any], shape: list[int]) -> Any:
    """A flat list, last axis fastest, as nested lists."""
    if not shape:
        return values[0]
    for length in reversed(shape[1:]):
        if length == 0:
            return _empty(shape)
        values = [values[at : at + length] for at in range(0, len(values), length)]
    return list(values)


def _empty(shape: list[int]) -> list[Any]:
    return [_empty(shape[1:]) for _ in range(shape[0])] if len(shape) > 1 else []


def _axis(value: Any) -> tuple[str, Any]:
    if isinstance(value, (str, bytes, dict, os.PathLike)):
        return "constant", value
    try:
        return "axis", list(value)
    except TypeError:
        return "constant", value
