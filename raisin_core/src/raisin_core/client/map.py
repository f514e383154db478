"""Map: n calls, one per element."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from raisin_core.client import launch
from raisin_core.client.bar import Bar
from raisin_core.client.handles import Handle
from raisin_core.client.iterator import MapIterator
from raisin_core.client.job import as_tuple
from raisin_core.client.launch import Plan
from raisin_core.client.pager import check_iterables, is_endless
from raisin_core.client.runs import Running
from raisin_core.errors import UsageError
from raisin_core.messages import Progress


class Map(Handle):
    """A handle for n calls of `target`, one per element of the iterables (the shortest ends it, as for the built-in
    map).

    Options (keyword only, the same for all verbs): `kwargs` (constant keyword arguments, shipped once), `name`,
    `deadline` (seconds for the whole job), `task_timeout` (seconds for one task), `retries` (how often a task that
    raises is tried again), `where` ("auto", "process", "machine", "cluster", or a list of members), `chunksize`
    (tasks per lease), `save` (keep results after the handle is gone), `resume` (a key: results that were recorded
    under it for the same function and the same arguments count again, also after a crash, from another of your
    machines, or with elements added), `force` (forget what is recorded under that key first), `progress` (a bar: True,
    False, or None for when somebody is looking), `trust` (which results of other people's
    machines are loaded though that runs code of theirs: "auto", none; "all"; or a list of types or their names).

    Raises UsageError (also a TypeError) for a wrong option or argument, FunctionChanged when it is started and what is
    recorded under its key is of another function.

    >>> m = Map(pow, [2, 3], [5, 2], where="process")
    >>> m.start().get()
    [32, 9]
    """

    _verb = "Map"

    def __init__(
        self,
        target: Callable[..., Any] | None,
        *iterables: Iterable[Any],
        _star: bool = False,
        _run: Running | None = None,
        **options: Any,
    ) -> None:
        if _run is not None:
            super().__init__(None, _run)
            self._tuples = _star
            return
        parsed = launch.parse("Map", target, options)
        check_iterables("Map", iterables)
        assert target is not None
        self._tuples = _star or len(iterables) > 1
        super().__init__(Plan("map", target, parsed, self._tuples, iterables))

    def get(self, timeout: float | None = None, trust: Any = "auto") -> Any:
        if timeout is None and self._plan is not None and is_endless(self._plan.iterables):
            raise UsageError("Map.get: the elements have no end; iterate over the handle, or use get_all()")
        return super().get(timeout, trust)

    get.__doc__ = Handle.get.__doc__

    def _arguments(self, index: int) -> tuple[Any, ...]:
        element = self._started().argument(index)
        return as_tuple(element) if self._tuples else (element,)


def map(target: Callable[..., Any], *iterables: Iterable[Any], **options: Any) -> MapIterator:
    """Like the built-in map, on all cores or the cluster: an iterator over the results, in order, started at once.

    Elements are pulled by whoever consumes the results, a window ahead of them: endless iterables are welcome. It goes
    on after a task's exception. Dropping or closing it cancels the rest. Options: see `Map`.

    >>> list(map(abs, range(-2, 3), where="process"))
    [2, 1, 0, 1, 2]
    """
    check_iterables("map", iterables)
    return _iterate("map", target, iterables, len(iterables) > 1, options)


def starmap(target: Callable[..., Any], iterable: Iterable[Iterable[Any]], **options: Any) -> MapIterator:
    """Like itertools.starmap: each element is a tuple of arguments. See `map`.

    >>> list(starmap(pow, [(2, 5), (3, 2)], where="process"))
    [32, 9]
    """
    check_iterables("starmap", (iterable,))
    return _iterate("starmap", target, (iterable,), True, options)


def _iterate(
    verb: str, target: Callable[..., Any], iterables: tuple[Iterable[Any], ...], star: bool, given: dict[str, Any]
) -> MapIterator:
    options = launch.parse(verb, target, given)
    plan = Plan("map", target, options, star, iterables)
    run = launch.start(plan, verb)
    length = launch.length(plan)

    def counts() -> tuple[int, int, int]:
        progress: Progress = run.progress()
        return progress.done, progress.failed, -1 if length is None else length

    return MapIterator(run, Bar(options.name, options.progress, counts), length)
