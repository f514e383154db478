"""What travels between versions of Python: a table of named cases, written by each version and read by each.

A program as well: `python matrix.py write FILE [FAMILY]` and `python matrix.py read FILE`. Cases are in `cases_*.py`
beside this file; a file there needs nothing but these two names:

    CASES: list[Case]                               what every supported Python can write and read
    NEWER: dict[tuple[int, int], str]               texts of Python with CASES of their own, for versions from this on

The files are run under the name of no importable module, so that everything of theirs travels by value.
"""

from __future__ import annotations

import asyncio
import importlib.util
import io
import json
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent


class Case(NamedTuple):
    """An object that travels, and what is done with it on both sides; the results have to be equal."""

    name: str
    thing: object
    arguments: tuple[Any, ...] = ()
    how: str = "call"  # one of HOW
    refused: bool = False  # by every other version, with a CodeError


async def _items(function: Callable[..., Any], *arguments: Any) -> list[Any]:
    return [item async for item in function(*arguments)]


HOW: dict[str, Callable[..., Any]] = {
    "call": lambda function, *arguments: function(*arguments),
    "list": lambda function, *arguments: list(function(*arguments)),
    "await": lambda function, *arguments: asyncio.run(function(*arguments)),
    "async list": lambda function, *arguments: asyncio.run(_items(function, *arguments)),
    "same": lambda thing: thing,
    "raises": lambda function, *arguments: _raised(function, *arguments),
}


def _raised(function: Callable[..., Any], *arguments: Any) -> tuple[str, str]:
    try:
        function(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is
        return type(error).__name__, str(error)
    return "nothing", ""


class Written(NamedTuple):
    """One case in the file that readers get."""

    name: str
    since: tuple[int, int]
    refused: bool
    data: bytes
    how: str
    arguments: tuple[Any, ...]
    expected: object


def load(file: Path, name: str) -> ModuleType:
    """A file of cases, as a module that nobody can import."""
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def every(folder: Path, family: str) -> Iterator[tuple[tuple[int, int], Case]]:
    """All cases that this Python can write, each with the oldest version that can read it."""
    for file in sorted(HERE.glob(f"cases_{family}.py")):
        module = load(file, f"matrix_{file.stem}")
        yield from (((3, 10), case) for case in module.CASES)
        for since, text in getattr(module, "NEWER", {}).items():
            if sys.version_info >= since:
                newer = folder / f"{file.stem}_{since[0]}{since[1]}.py"
                newer.write_text(text, encoding="utf-8")
                yield from ((since, case) for case in load(newer, f"matrix_{newer.stem}").CASES)


def dumps(value: object) -> bytes:
    from raisin_core.serialization.pickling import Pickler
    from raisin_core.serialization.streams.writing import Outgoing

    file = io.BytesIO()
    Pickler(file, Outgoing(copy_file=False)).dump(value)
    return file.getvalue()


def write(to: Path, family: str = "*") -> None:
    from raisin_core.serialization.families.executed import remember_executed_text

    remember_executed_text()
    with tempfile.TemporaryDirectory() as folder:
        written = []
        for since, case in every(Path(folder), family):
            data = dumps(case.thing)
            expected = HOW[case.how](case.thing, *case.arguments)
            written.append(Written(case.name, since, case.refused, data, case.how, case.arguments, expected))
        to.write_bytes(pickle.dumps([tuple(each) for each in written]))


def read(source: Path) -> list[tuple[str, str]]:
    """The cases of a file by name, each with what became of it here: "ok" or something else."""
    return [(case.name, outcome(case)) for case in (Written(*each) for each in pickle.loads(source.read_bytes()))]


def outcome(case: Written) -> str:
    from raisin_core.errors import CodeError

    try:
        thing = pickle.loads(case.data)
    except CodeError as error:
        return f"refused: {error}"
    result = HOW[case.how](thing, *case.arguments)
    return "ok" if result == case.expected else f"{result!r} instead of {case.expected!r}"


if __name__ == "__main__":
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]
    sys.modules["matrix"] = sys.modules["__main__"]  # where files of cases find Case
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]), *sys.argv[3:])
    else:
        print(json.dumps(read(Path(sys.argv[2]))))
