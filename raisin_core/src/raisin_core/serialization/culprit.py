"""Finds the part of an object that cannot be serialized, so that the error can name it, its path and what to do.

The object is pickled once more, into nothing, while the pickler notes what it comes by: the last part of it that fails
on its own is the culprit. Then the way to it is searched.

Rules of this file: called only after serialization failed; bounded in time and in the number of objects looked at;
draws nothing from generators and reads no files; never raises.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from reprlib import Repr
from typing import Any, Final

from raisin_core.serialization.parts import parts
from raisin_core.serialization.tips import tip

SECONDS: Final = 3.0
TRIALS: Final = 200
LOOKED_AT: Final = 200_000
NOTED: Final = 10_000
LONGEST: Final = 300  # characters of a path
DEPTH: Final = 100
ATOMS: Final = frozenset({int, float, bool, str, bytes, complex, type(None), bytearray})

_shown = Repr()
_shown.maxstring = _shown.maxother = 40


class _Nothing:
    """Channels that take nothing, and a file that keeps nothing and stops when time is over."""

    copy_file = False

    def __init__(self, until: float) -> None:
        self._until = until

    def content(self, chunks: Iterable[bytes | memoryview]) -> int:
        return 0

    def items(self, iterator: Iterator[object]) -> int:
        return 0

    def write(self, data: object) -> int:
        self.check()
        return len(data)  # type: ignore[arg-type]

    def check(self) -> None:
        if time.monotonic() > self._until:
            raise TimeoutError


def explain(value: object, name: str, error: BaseException) -> str:
    """One line: what cannot be serialized, the path to it, the reason, and a tip where there is one.

    >>> explain([1, open], "x", TypeError("no"))
    'cannot serialize x (a list): no'
    """
    try:
        path, part = find(value, name)
    except Exception:  # noqa: BLE001 - users' objects may do anything
        path, part = name, value
    kind = type.__dict__["__name__"].__get__(type(part))  # whatever its metaclass says
    article = "an" if kind[:1] in "AEIOUaeiou" else "a"
    advice = tip(type(part))
    return f"cannot serialize {path} ({article} {kind}): {_reason(error)}" + (f"; {advice}" if advice else "")


def _reason(error: BaseException) -> str:
    try:
        text = str(error).strip().split("\n")[0]
    except Exception:  # noqa: BLE001 - of somebody's own class
        text = ""
    return text or type(error).__name__


def find(value: object, name: str) -> tuple[str, object]:
    """The deepest part that fails on its own, and the path to it from `name`."""
    import cloudpickle

    from raisin_core.serialization.pickling import Pickler

    until = time.monotonic() + SECONDS
    for kind in (Pickler, cloudpickle.Pickler):  # canonical forms are left to the second
        noted = _noted(kind, value, until)
        ways = _ways(value, noted, min(until, time.monotonic() + SECONDS / 4))  # some of it is left for trials
        for part in noted[: -TRIALS - 1 : -1]:
            if id(part) in ways and _fails(kind, part, until):
                return _path(name, id(part), ways), part
    return name, value


def _noted(kind: Any, value: object, until: float) -> list[object]:
    """What a pickler came by before it failed, each once, in the order in which they were begun; the last ones."""
    noted: dict[int, object] = {}

    def note(part: object) -> None:
        noted.pop(id(part), None)
        noted[id(part)] = part
        if len(noted) > NOTED:
            del noted[next(iter(noted))]

    return list(noted.values()) if _fails(kind, value, until, note) else []


def _fails(kind: Any, value: object, until: float, note: Any = lambda part: None) -> bool:
    """Whether pickling fails; where time is over, it is not known to."""
    import cloudpickle

    class Trial(kind):  # type: ignore[misc]
        def reducer_override(self, part: Any) -> Any:
            nothing.check()
            note(part)
            return super().reducer_override(part)

    nothing = _Nothing(until)
    try:
        second = 5 if kind is cloudpickle.Pickler else nothing  # its protocol, or our channels
        Trial(nothing, second, lambda buffer: False).dump(value)
    except TimeoutError:
        return time.monotonic() <= until
    except Exception:  # noqa: BLE001 - any failure is the answer
        return True
    return False


Ways = dict[int, tuple[int, str, object]]  # identity -> that of what it is in, the step from there, the object itself


def _ways(value: object, wanted: list[object], until: float) -> Ways:
    """How everything that is reached from a value was reached first: the shortest way; until all that is wanted was."""
    left = {id(each) for each in wanted} - {id(value)}
    ways: Ways = {id(value): (0, "", value)}
    new = deque([(value, 0)])
    while new and left and len(ways) < LOOKED_AT and time.monotonic() <= until:
        each, depth = new.popleft()
        for step, part in _parts(each):
            if type(part) in ATOMS or id(part) in ways:
                continue
            ways[id(part)] = (id(each), step, part)
            left.discard(id(part))
            if depth < DEPTH:
                new.append((part, depth + 1))
            if len(ways) >= LOOKED_AT:
                break
    return ways


def _parts(value: object) -> Iterator[tuple[str, object]]:
    """What an object is made of, as far as it lets itself be asked."""
    try:
        yield from parts(value, _show)
    except Exception:  # noqa: BLE001 - one odd object does not hide the others
        return


def _path(name: str, identity: int, ways: Ways) -> str:
    steps: list[str] = []
    while ways[identity][0]:
        identity, step, _ = ways[identity]
        steps.append(step)
    path = "".join(reversed(steps))
    if len(path) > LONGEST:
        path = f"{path[: LONGEST // 2]}...{path[-LONGEST // 2 :]}"
    return name + path


def _show(key: object) -> str:
    try:
        return _shown.repr(key)
    except Exception:  # noqa: BLE001 - of somebody's own class
        return f"<{type(key).__name__}>"
