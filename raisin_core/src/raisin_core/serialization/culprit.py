"""Finds the part of an object that cannot be serialized, so that the error can name it.

Rules of this file: called only after serialization failed; bounded in depth and in the number of trials.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from typing import Final

TRIALS: Final = 500
DEPTH: Final = 12

TIPS: Final = {
    "lock": "make it inside the function, or use raisin from one place only",
    "RLock": "make it inside the function",
    "socket": "connect inside the function",
    "TextIOWrapper": "open the file inside the function, or pass its path",
    "BufferedReader": "open the file inside the function, or pass its path",
    "BufferedWriter": "open the file inside the function, or pass its path",
    "generator": "pass list(generator), or the generator as the iterable of a map",
    "module": "import it inside the function",
    "Connection": "connect inside the function",
    "Thread": "start it inside the function",
}


def explain(value: object, name: str, error: BaseException) -> str:
    """One line: what cannot be serialized, the path to it, the reason, and a tip where there is one."""
    path, part = find(value, name)
    kind = type(part).__name__
    tip = TIPS.get(kind)
    reason = str(error).strip().split("\n")[0] or type(error).__name__
    where = f"{path} ({kind})" if path != name else f"{name} ({kind})"
    return f"cannot serialize {where}: {reason}" + (f"; {tip}" if tip else "")


def find(value: object, name: str) -> tuple[str, object]:
    """The deepest part that fails on its own, and the path to it from `name`."""
    seen: set[int] = set()
    trials = TRIALS
    for _ in range(DEPTH):
        seen.add(id(value))
        for step, part in _parts(value):
            if id(part) in seen or trials <= 0:
                continue
            trials -= 1
            if not _travels(part):
                name, value = name + step, part
                break
        else:
            break
    return name, value


def _travels(value: object) -> bool:
    import cloudpickle

    try:
        cloudpickle.dumps(value)
    except Exception:  # noqa: BLE001 - any failure is the answer
        return False
    return True


def _parts(value: object) -> Iterator[tuple[str, object]]:
    """What an object is made of, each with the step that leads to it."""
    if isinstance(value, dict):
        for key, part in list(value.items()):
            yield f"[{key!r}]", part
            yield f" key {key!r}", key
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(list(value)):
            yield f"[{index}]", part
    elif isinstance(value, (set, frozenset)):
        for part in list(value):
            yield " element", part
    elif isinstance(value, types.MethodType):
        yield ".__self__", value.__self__
        yield ".__func__", value.__func__
    elif isinstance(value, types.BuiltinMethodType):
        yield ".__self__", value.__self__
    elif isinstance(value, functools.partial):
        yield ".func", value.func
        yield ".args", value.args
        yield ".keywords", value.keywords
    elif isinstance(value, types.FunctionType):
        yield from _function_parts(value)
    else:
        yield from _attributes(value)


def _function_parts(function: types.FunctionType) -> Iterator[tuple[str, object]]:
    names = function.__code__.co_freevars
    for name, cell in zip(names, function.__closure__ or ()):
        try:
            yield f", its variable {name}", cell.cell_contents
        except ValueError:  # an empty cell
            continue
    for name in function.__code__.co_names:
        if name in function.__globals__:
            yield f", its global {name}", function.__globals__[name]
    for index, default in enumerate(function.__defaults__ or ()):
        yield f", its default {index}", default


def _attributes(value: object) -> Iterator[tuple[str, object]]:
    for name, part in list(getattr(value, "__dict__", {}).items()):
        if not isinstance(value, type) or not name.startswith("__"):
            yield f".{name}", part
    slots = getattr(type(value), "__slots__", ())
    for name in (slots,) if isinstance(slots, str) else slots:
        if hasattr(value, name):
            yield f".{name}", getattr(value, name)
