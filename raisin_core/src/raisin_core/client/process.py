"""Process: one call in the background."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from raisin_core.client import launch
from raisin_core.client.handles import Handle
from raisin_core.client.job import as_tuple
from raisin_core.client.launch import Plan
from raisin_core.client.runs import Running
from raisin_core.errors import UsageError


class Process(Handle):
    """A handle for one call of `target(*args, **kwargs)`. Options: see `Map`.

    >>> p = Process(pow, args=(2, 5), where="process"); p.start().get()
    32
    """

    _verb = "Process"

    def __init__(
        self,
        target: Callable[..., Any] | None,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        _run: Running | None = None,
        **options: Any,
    ) -> None:
        if _run is not None:
            super().__init__(None, _run)
            return
        parsed = launch.parse("Process", target, {**options, "kwargs": kwargs})
        if not isinstance(args, Sequence) or isinstance(args, (str, bytes)):
            raise UsageError(f"Process: args must be a tuple of arguments, not {args!r}; for one argument: args=(x,)")
        assert target is not None
        super().__init__(Plan("process", target, parsed, True, ((tuple(args),),)))

    def _shaped(self, values: list[Any]) -> Any:
        return values[0]

    def _arguments(self, index: int) -> tuple[Any, ...]:
        return as_tuple(self._started().argument(index))


def process(
    target: Callable[..., Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any
) -> Any:
    """Call `target(*args, **kwargs)` somewhere, wait, and return its result; raises what it raises. Options: see `Map`.

    >>> process(pow, args=(2, 5), where="process")
    32
    """
    return wait_for(Process(target, args, kwargs, **options), "process")


def wait_for(handle: Handle, verb: str) -> Any:
    """The result of a handle that nobody else has: whatever ends the waiting cancels it."""
    handle._without = verb
    try:
        return handle.get()
    except BaseException:
        if handle.is_alive():
            handle.cancel()
        raise
