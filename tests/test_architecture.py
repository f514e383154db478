"""The rules of the house, as tables; each rule is also shown to bite.

A rule takes modules (by name) and gives complaints. "Reaches" means: imports, or imports something that reaches it,
anywhere in a file, also inside functions; so that a helper cannot carry in what its user may not have.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeGuard

import pytest

from tests.support.house import (
    ELSEWHERE,
    HOMES,
    IMPORTED_LATE,
    IMPURE,
    IMPURE_CALLS,
    LAYERS,
    LONGEST,
    MAY_IMPORT,
    MAY_IMPORT_INSIDE,
    OPTIONAL,
    PORTABLE,
    PORTABLE_NEEDS,
    PURE,
    TASK_PROCESS,
)

pytestmark = pytest.mark.slow  # the files are the same on every Python
ROOT = Path(__file__).resolve().parent.parent


class Import(NamedTuple):
    """One imported name, e.g. `os.path`; `inside` a function or at the top."""

    name: str
    line: int
    inside: bool


class Module:
    """One source file."""

    def __init__(self, name: str, text: str, is_package: bool = False) -> None:
        self.name, self.text, self.is_package = name, text, is_package
        self.tree = ast.parse(text)

    @cached_property
    def imports(self) -> list[Import]:
        return list(self._imports(self.tree, inside=False))

    def _imports(self, node: ast.AST, inside: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(alias.name, child.lineno, inside) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = self._absolute(child)
                yield from (Import(f"{base}.{alias.name}", child.lineno, inside) for alias in child.names)
            else:
                function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
                yield from self._imports(child, inside or function)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        here = parts[: len(parts) - node.level + self.is_package]
        return ".".join([*here, *([node.module] if node.module else [])])


Modules = Mapping[str, Module]
Rule = Callable[[Modules], list[str]]


def belongs(name: str, to: str) -> bool:
    return name == to or name.startswith(f"{to}.")


def top(name: str) -> str:
    return name.split(".")[0]


def target(name: str, modules: Modules) -> str | None:
    """The module of ours that an imported name is, or is in."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def reached(start: str, modules: Modules) -> dict[str, str]:
    """Every module of ours that `start` reaches, itself included, with the way to it."""
    ways, new = {start: start}, [start]
    while new:
        name = new.pop()
        for each in modules[name].imports:
            found = target(each.name, modules)
            if found and found not in ways:
                ways[found] = f"{ways[name]} -> {found}"
                new.append(found)
    return ways


def packages_keep_apart(modules: Modules) -> list[str]:
    complaints = []
    for module in modules.values():
        package = top(module.name)
        anywhere = MAY_IMPORT[package] | {package}
        inside = anywhere | MAY_IMPORT_INSIDE.get(package, set())
        for each in module.imports:
            if top(each.name) in MAY_IMPORT and top(each.name) not in (inside if each.inside else anywhere):
                complaints.append(f"{module.name}:{each.line} imports {each.name}")
    return complaints


def layers_point_down(modules: Modules) -> list[str]:
    complaints = []
    for package, layers in LAYERS.items():
        depth = {f"{package}.{name}": level for level, names in enumerate(layers) for name in names}
        for module in modules:
            here = next((name for name in depth if belongs(module, name)), None)
            for found, way in reached(module, modules).items() if here else ():
                there = next((name for name in depth if belongs(found, name)), None)
                if here and there and here != there and depth[there] <= depth[here]:
                    complaints.append(f"{way}: {there} is not below {here}")
    return complaints


def pure_modules_are_pure(modules: Modules) -> list[str]:
    complaints = []
    for name in modules:
        if name not in PURE and name.rpartition(".")[2] not in PURE:
            continue
        for found, way in reached(name, modules).items():
            complaints += [f"{way}: {impurity}" for impurity in impurities(modules[found])]
    return complaints


def impurities(module: Module) -> Iterator[str]:
    yield from (f"line {each.line} imports {each.name}" for each in module.imports if top(each.name) in IMPURE)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            yield f"line {node.lineno} calls {node.func.id}()"


def portable_modules_need_nothing(modules: Modules) -> list[str]:
    """Only one another; the packages' files on the way count as well, since importing a module runs them first."""
    complaints = []
    for module in modules.values():
        on_the_way = module.is_package and any(belongs(name, module.name) for name in PORTABLE)
        if on_the_way or any(belongs(module.name, name) for name in PORTABLE):
            others = [each for each in needs(module) if not any(belongs(each.name, name) for name in PORTABLE)]
            complaints += [f"{module.name}:{each.line} imports {each.name}" for each in others]
    return complaints


def task_processes_need_nothing(modules: Modules) -> list[str]:
    """Whatever is reached from the inside of a task process; it is the one place that cannot do without cloudpickle."""
    complaints = []
    for found, way in reached(TASK_PROCESS, modules).items() if TASK_PROCESS in modules else ():
        parents = [".".join(found.split(".")[:n]) for n in range(1, found.count(".") + 1)]
        for module in (modules[name] for name in (*parents, found) if name in modules):
            others = [each for each in needs(module) if top(each.name) not in {*MAY_IMPORT, *PORTABLE_NEEDS}]
            complaints += [f"{way}: {module.name}:{each.line} imports {each.name}" for each in others]
    return complaints


def needs(module: Module) -> list[Import]:
    """What is neither of the standard library nor portable itself."""
    inside = PORTABLE_NEEDS | (OPTIONAL if module.name.split(".")[1:2] in (["serialization"], ["ciphers"]) else set())
    at_top = PORTABLE_NEEDS if module.name == IMPORTED_LATE else set()
    found = [each for each in module.imports if top(each.name) not in sys.stdlib_module_names]
    return [each for each in found if top(each.name) not in (inside if each.inside else at_top)]


def nothing_is_swallowed(modules: Modules) -> list[str]:
    complaints = []
    for module in modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ExceptHandler) and catches_all(node.type) and does_nothing(node.body):
                complaints.append(f"{module.name}:{node.lineno} swallows every exception")
            if is_call(node, "suppress") and any(catches_all(argument) for argument in node.args):
                complaints.append(f"{module.name}:{node.lineno} suppresses every exception")
    return complaints


def catches_all(kind: ast.expr | None) -> bool:
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(
        each is None or (isinstance(each, ast.Name) and each.id in ("Exception", "BaseException")) for each in kinds
    )


def is_call(node: ast.AST, name: str) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == name


def does_nothing(body: list[ast.stmt]) -> bool:
    return all(isinstance(each, ast.Pass) or ast.unparse(each) == "..." for each in body)


def files_are_short(modules: Modules) -> list[str]:
    lengths = {module.name: len(module.text.splitlines()) for module in modules.values()}
    return [f"{name} has {n} lines" for name, n in lengths.items() if n > LONGEST]


def read(folder: Path, files: Iterator[Path]) -> Iterator[tuple[str, Module]]:
    for path in files:
        parts = path.relative_to(folder).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        yield name, Module(name, path.read_text(encoding="utf-8"), is_package)


def house() -> dict[str, Module]:
    folders = [ROOT / home for home in HOMES]
    return {name: module for folder in folders for name, module in read(folder, folder.rglob("*.py"))}


def surroundings() -> dict[str, Module]:
    return dict(read(ROOT, (path for folder in ELSEWHERE for path in (ROOT / folder).rglob("*.py"))))


HOUSE_RULES = (
    packages_keep_apart,
    layers_point_down,
    pure_modules_are_pure,
    portable_modules_need_nothing,
    task_processes_need_nothing,
)
RULES_FOR_ALL = (nothing_is_swallowed, files_are_short)


@pytest.fixture(scope="module")
def modules() -> dict[str, Module]:
    found = house()
    assert set(map(top, found)) == set(MAY_IMPORT)
    return found


@pytest.mark.parametrize("rule", HOUSE_RULES + RULES_FOR_ALL)
def test_house(rule: Rule, modules: Modules) -> None:
    assert rule(modules) == []


@pytest.mark.parametrize("rule", RULES_FOR_ALL)
def test_surroundings(rule: Rule) -> None:
    assert rule(surroundings()) == []


def test_every_folder_with_modules_is_a_package() -> None:
    """Otherwise setuptools leaves it out of the wheel, and same-named tests get in each other's way."""
    folders = {path.parent for home in HOMES for path in (ROOT / home).rglob("*.py")}
    folders |= {path.parent for path in (ROOT / "tests").rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


BAD: list[tuple[Rule, dict[str, str]]] = [
    (packages_keep_apart, {"raisin_core.pages": "import raisin_broker.state"}),
    (packages_keep_apart, {"raisin_core.pages": "def f():\n    from raisin_worker import agent"}),
    (packages_keep_apart, {"raisin_core.pages": "import raisin"}),
    (packages_keep_apart, {"raisin_broker.server": "def f():\n    import raisin_worker"}),
    (packages_keep_apart, {"raisin_worker.agent": "from raisin_broker.records import Record"}),
    (packages_keep_apart, {"raisin_worker.agent": "from raisin_cli import main"}),
    (packages_keep_apart, {"raisin_cli.main": "from raisin_broker import main"}),
    (packages_keep_apart, {"raisin_cli.main": "class C:\n    import raisin_worker"}),
    (layers_point_down, {"raisin_broker.machine": "from raisin_broker import server", "raisin_broker.server": ""}),
    (layers_point_down, {"raisin_broker.state": "from .scheduler import next", "raisin_broker.scheduler": ""}),
    (layers_point_down, {"raisin_broker.store.sql": "import raisin_broker.bulk", "raisin_broker.bulk": ""}),
    (layers_point_down, {"raisin_broker.store.sql": "from ..gate import x", "raisin_broker.gate": ""}),
    (layers_point_down, {"raisin_worker.events": "def f():\n    from .machine import x", "raisin_worker.machine": ""}),
    (
        layers_point_down,
        {
            "raisin_core.client.machine": "from raisin_core.client.helper import x",
            "raisin_core.client.helper": "from raisin_core.client.session import y",
            "raisin_core.client.session": "",
        },
    ),
    *(
        (pure_modules_are_pure, {name if "." in name else f"raisin_broker.{name}": "import time"})
        for name in sorted(PURE)
    ),
    *((pure_modules_are_pure, {"raisin_broker.machine": f"import {name}"}) for name in sorted(IMPURE)),
    (pure_modules_are_pure, {"raisin_core.ranges": "def f():\n    from os.path import join"}),
    (pure_modules_are_pure, {"raisin_core.ranges": "def f():\n    open('x')"}),
    (pure_modules_are_pure, {"raisin_core.ranges": "print(1)"}),
    (
        pure_modules_are_pure,
        {"raisin_broker.machine": "from raisin_broker.helper import now", "raisin_broker.helper": "import time"},
    ),
    (portable_modules_need_nothing, {"raisin_core.errors": "import msgspec"}),
    (portable_modules_need_nothing, {"raisin_core.pages": "import cloudpickle"}),
    (portable_modules_need_nothing, {"raisin_core.pages": "def f():\n    import numpy"}),
    (portable_modules_need_nothing, {"raisin_core.serialization.objects": "from raisin_core import messages"}),
    (task_processes_need_nothing, {TASK_PROCESS: "def f():\n    import msgspec"}),
    (task_processes_need_nothing, {TASK_PROCESS: "import numpy"}),
    (task_processes_need_nothing, {TASK_PROCESS: "from .x import y", "raisin_worker.x": "import zmq"}),
    (task_processes_need_nothing, {TASK_PROCESS: "import os", "raisin_worker": "import psutil"}),
    (nothing_is_swallowed, {"raisin": "try:\n    x\nexcept:\n    pass"}),
    (nothing_is_swallowed, {"raisin": "try:\n    x\nexcept Exception:\n    ..."}),
    (nothing_is_swallowed, {"raisin": "try:\n    x\nexcept (OSError, BaseException) as e:\n    pass"}),
    (nothing_is_swallowed, {"raisin": "with contextlib.suppress(Exception):\n    x"}),
    (files_are_short, {"raisin_broker.machine": "x = 1\n" * 401}),
]


@pytest.mark.parametrize(("rule", "sources"), BAD)
def test_rule_bites(rule: Rule, sources: dict[str, str]) -> None:
    assert rule({name: Module(name, text) for name, text in sources.items()})


def test_portable_rule_sees_the_package_files_on_the_way() -> None:
    bad = Module("raisin_core", "from raisin_core import messages", is_package=True)
    assert portable_modules_need_nothing({"raisin_core": bad})


def test_relative_imports_are_understood() -> None:
    inner = Module("raisin_broker.store", "from . import sql\nfrom ..records import Record", is_package=True)
    assert [each.name for each in inner.imports] == ["raisin_broker.store.sql", "raisin_broker.records.Record"]
    module = Module("raisin_broker.store.sql", "from . import base\nfrom ..records import Record")
    assert [each.name for each in module.imports] == ["raisin_broker.store.base", "raisin_broker.records.Record"]


def test_good_modules_pass() -> None:
    sources = {
        "raisin_cli.main": "def f():\n    from raisin_broker import main\nimport raisin_core.errors",
        "raisin_broker.server": "import zmq, time\nfrom raisin_broker.machine import Machine",
        "raisin_broker.machine": "import msgspec\nfrom raisin_broker.records import Record",
        "raisin_broker.records": "from raisin_core.ranges import Range",
        "raisin_core.pages": "import pickle\nfrom raisin_core import errors\ndef f():\n    import cloudpickle",
        TASK_PROCESS: "import cloudpickle\nfrom raisin_core import pages",
        "raisin_core.errors": "try:\n    x\nexcept OSError:\n    pass",
    }
    modules = {name: Module(name, text) for name, text in sources.items()}
    assert [complaint for rule in HOUSE_RULES + RULES_FOR_ALL for complaint in rule(modules)] == []
