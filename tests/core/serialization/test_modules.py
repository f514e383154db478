"""Local modules on their way to a laptop that does not have them, and back."""

from __future__ import annotations

import _io
import enum
import functools
import importlib
import inspect
import json
import os
import pickle
import sys
import sysconfig
import types
import typing
from pathlib import Path

import cloudpickle
import pytest

from raisin_core.errors import SerializationError
from raisin_core.serialization.families import modules as family
from raisin_core.serialization.modules import members
from tests.core.serialization.laptops import Laptop
from tests.core.serialization.pickled import again, dumps

HELPERS = """
import functools
from dataclasses import dataclass
import util

@dataclass
class Point:
    x: int
    y: "int" = 0

    def norm(self):
        return util.add(self.x, self.y)

@functools.lru_cache
def cached(n):
    return n * 2

def late():
    import later
    return later.VALUE

def fails():
    return 1 / 0  # here it fails
"""
FILES = {"helpers.py": HELPERS, "util.py": "def add(a, b):\n    return a + b\n", "later.py": "VALUE = 42\n"}


def test_a_laptop_without_the_modules(tmp_path: Path) -> None:
    code = (
        "import helpers; write('s', [helpers.Point(1, 2), helpers.cached, helpers.late, helpers, helpers.Point.norm])"
    )
    Laptop(tmp_path / "one", FILES).run(code)
    said = Laptop(tmp_path / "two").run(
        """
point, cached, late, helpers, norm = read('s')
print(point.norm(), cached(4), late(), helpers.__name__, norm(point), type(point) is helpers.Point, point)
import inspect, traceback, linecache
print(inspect.getsource(late).splitlines()[0])
try:
    helpers.fails()
except ZeroDivisionError:
    print("# here it fails" in traceback.format_exc())
linecache.checkcache()
print(inspect.getsource(helpers.Point).splitlines()[1])
"""
    )
    assert said == ["3 8 42 helpers 3 True Point(x=1, y=2)", "def late():", "True", "class Point:"]


def test_what_comes_back_is_of_the_same_class(tmp_path: Path) -> None:
    one = Laptop(tmp_path / "one", FILES)
    one.run("import helpers; write('s', helpers.Point)")
    Laptop(tmp_path / "two").run("write('back', read('s')(3, 4))")
    Laptop(tmp_path / "three", {**FILES, "util.py": "add = max\n"}).run("write('private', read('s')(3, 4))")
    assert one.run("import helpers; print(type(read('back')) is helpers.Point)") == ["True"]
    assert one.run("import helpers; print(type(read('private')) is helpers.Point)") == ["True"]


def test_a_laptop_with_the_same_source_uses_its_own(tmp_path: Path) -> None:
    Laptop(tmp_path / "one", FILES).run("import helpers; write('s', helpers.Point(1, 2))")
    windows = {name: text.replace("\n", "\r\n") for name, text in FILES.items()}
    said = Laptop(tmp_path / "two", windows).run(
        "point = read('s'); import helpers; print(type(point) is helpers.Point, Path(helpers.__file__).parent.name)"
    )
    assert said == ["True two"]


def test_another_module_of_the_name_is_neither_used_nor_replaced(tmp_path: Path) -> None:
    Laptop(tmp_path / "one", FILES).run("import helpers; write('s', helpers.Point(1, 2))")
    for laptop in ({"helpers.py": "Point = norm = 'mine'\n"}, {"util.py": "def add(a, b):\n    return 'mine'\n"}):
        folder = tmp_path / next(iter(laptop)).partition(".")[0]
        said = Laptop(folder, laptop).run(
            f"""
point = read('s')
print(point.norm(), type(point).__module__.startswith('shipped_'), type(read('s')) is type(point))
import {folder.name} as mine
print(Path(mine.__file__).parent.name)
"""
        )
        assert said == ["3 True True", folder.name]


def test_names_of_the_standard_library_and_of_packages(tmp_path: Path) -> None:
    """One's own `queue.py` on one laptop, the standard library's on the other."""
    code = "sys.path.insert(0, ''); sys.modules.pop('statistics', None); import statistics; write('s', statistics.own)"
    Laptop(tmp_path / "one", {"statistics.py": "def own():\n    return 'own'\n"}).run(code)
    said = Laptop(tmp_path / "two").run("own = read('s'); import statistics; print(own(), statistics.mean([1]))")
    assert said == ["own 1"]


def test_versions_of_two_people_coexist_and_share_classes(tmp_path: Path) -> None:
    for person in ("ada", "bob"):
        files = {
            "helpers.py": f"class Box:\n    owner = {person!r}\ndef check(box):\n    return isinstance(box, Box)\n"
        }
        files["work.py"] = "import helpers\ndef work(box):\n    return helpers.check(box), helpers.Box.owner\n"
        code = "import work, helpers; write('work' + NAME, work.work); write('box' + NAME, helpers.Box())"
        Laptop(tmp_path / person, files).run(code.replace("NAME", repr(person)))
    said = Laptop(tmp_path / "host").run(
        """
ada, box, bob = read('workada'), read('boxada'), read('workbob')
print(ada(box), bob(read('boxbob')), bob(box), ada.__module__, bob.__module__.partition('.')[2])
"""
    )
    assert said == ["(True, 'ada') (True, 'bob') (False, 'bob') work work"]


PACKAGE = {
    "pkg/__init__.py": "from . import base\nfrom .base import Base\nimport tools\n",
    "pkg/base.py": "import pkg\nclass Base:\n    def make(self):\n        return pkg.Base, pkg.__package__\n",
    "pkg/sub.py": "from .base import Base\nfrom . import data as d\nclass Sub(Base):\n    size = d.SIZE\n",
    "pkg/data.py": "SIZE = 5\n",
    "tools.py": "import pkg\ndef deep():\n    return pkg.sub.Sub.size\n",
    "space/part.py": "from pkg import sub as s\nimport space.other as o\ndef f():\n    return s.Sub, o.f()\n",
    "space/other.py": "from . import part\ndef f():\n    return part.__name__\n",
}


@pytest.mark.parametrize("other", [{}, {"pkg/__init__.py": "MINE = 1\n"}, {"pkg/data.py": "SIZE = 6\n"}])
def test_packages(tmp_path: Path, other: dict[str, str]) -> None:
    """Relative and circular imports, submodules that another has loaded, packages without __init__; beside others."""
    code = "import tools, pkg.sub, space.part; write('s', [tools.deep, pkg.sub.Sub(), space.part.f, pkg])"
    Laptop(tmp_path / "one", PACKAGE).run(code)
    said = Laptop(tmp_path / "two", other).run(
        """
deep, sub, f, pkg = read('s')
print(deep(), sub.make() == (pkg.Base, pkg.__name__), f()[0] is type(sub), f()[1].endswith('space.part'))
print(type(sub).__mro__[1] is pkg.Base, type(sub).__module__.startswith('shipped_'))
"""
    )
    assert said == ["5 True True True", f"True {bool(other)}"]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    files = {"helpers.py": "import missing_here.part\ndef f():\n    pass\n", "util.py": "from helpers import f\n"}
    has = {"missing_here/__init__.py": "", "missing_here/part.py": ""}
    place = tmp_path / "site-packages"
    laptop = Laptop(tmp_path / "one", files)
    laptop.run("")
    Laptop(place, has)
    laptop.run("import util; write('s', util)")
    for name in has:
        (place / name).unlink()
    (place / "missing_here").rmdir()
    for name, more in (("two", {}), ("three", {"helpers.py": ""})):
        said = Laptop(tmp_path / name, more).run(
            "try: read('s')\nexcept ModuleNotFoundError as error: print(error.name, error, sep='; ')"
        )
        text = "No module named 'missing_here' (needed by the module util, which came with the object)"
        assert said == [f"missing_here; {text}"]


def test_a_module_that_came_is_executed_once_also_by_many_threads(tmp_path: Path) -> None:
    text = "import time\nprint('executed')\ntime.sleep(0.05)\ndef f():\n    pass\n"
    Laptop(tmp_path / "one", {"slow.py": text}).run("import slow; write('s', slow.f)")
    for name, files in (("two", {}), ("three", {"slow.py": "mine = 1\n"})):
        said = Laptop(tmp_path / name, files).run(
            """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool:
    print(len(set(pool.map(read, ['s'] * 40))))
"""
        )
        assert said == ["executed", "1"]


def test_functions_of_scripts_take_their_modules_along(tmp_path: Path) -> None:
    Laptop(tmp_path / "one", FILES).run("import helpers\ndef f(): return helpers.Point(1, 2).norm()\nwrite('s', f)")
    assert Laptop(tmp_path / "two").run("print(read('s')())") == ["3"]


def test_each_source_is_in_a_stream_once(tmp_path: Path) -> None:
    Laptop(tmp_path / "one", FILES).run(
        "import helpers, util; write('s', [helpers, util, helpers.late, helpers.Point])"
    )
    data = (tmp_path / "s").read_bytes()
    assert data.count(b"VALUE = 42") == data.count(b"def add(") == data.count(b"def fails()") == 1


def test_a_module_without_source_goes_by_name_and_the_other_side_says_so(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path / "one", {"hidden.py": "def f():\n    return 1\n"})
    laptop.run("import py_compile; py_compile.compile('hidden.py', 'hidden.pyc')")
    (laptop.folder / "hidden.py").unlink()
    assert laptop.run("import hidden; write('s', hidden); print(read('s') is hidden)") == ["True"]
    said = Laptop(tmp_path / "two").run("try: read('s')\nexcept ModuleNotFoundError as error: print(error.name, error)")
    assert said == [f"hidden No module named 'hidden': {family.EXTENSION}"]


def sysconfig_data() -> str:
    """A module of the standard library that its list of names leaves out."""
    return sysconfig._get_sysconfigdata_name()  # type: ignore[attr-defined,no-any-return]


def test_installed_modules_go_by_name() -> None:
    for module in (json, cloudpickle, pytest, members, sys, _io, os.path, importlib.import_module(sysconfig_data())):
        assert again(module) is module
        assert len(dumps(module)) < 200
    assert b"json.decoder" in dumps(json.JSONDecoder)


def test_ones_own_process_gets_its_own() -> None:
    """Also of functions and classes in this very module, which a test runner has compiled in its way."""
    here = sys.modules[__name__]
    assert again([here, Laptop, test_packages, Laptop.run]) == [here, Laptop, test_packages, Laptop.run]
    assert inspect.getsource(test_packages) in members.member(__name__).text


def test_modules_made_at_run_time_go_by_value() -> None:
    made = types.ModuleType("json")  # nobody has it under this name
    exec("n = 1\ndef f():\n    return n\nclass Box:\n    pass\nbox = Box()", made.__dict__)
    made.itself = made  # type: ignore[attr-defined]
    found = again(made)
    assert found not in (made, json)
    assert (found.__name__, found.f(), found.itself is found, type(found.box) is found.Box) == ("json", 1, True, True)
    assert sys.modules["json"] is json


def test_what_somebody_told_cloudpickle_holds() -> None:
    here = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(here)
    try:
        assert family.by_reference(test_packages, None) is NotImplemented
        assert family.reduce_module(here, None)[0] is family.rebuild_made
    finally:
        cloudpickle.unregister_pickle_by_value(here)
    assert family.by_reference(test_packages, None) == (family.rebuild_attribute, (here, "test_packages"))


class Inside:
    @classmethod
    def of_class(cls) -> str:
        return cls.__name__

    @functools.cached_property
    def cached(self) -> int:
        return 1

    @property
    def asked(self) -> int:
        return 2


@functools.lru_cache
def decorated() -> None: ...


def test_what_is_inside_of_what_has_its_name() -> None:
    """As a class method's function, which pickling a bound method comes by."""
    functions = [Inside.of_class.__func__, decorated.__wrapped__, Inside.__dict__["asked"].fget]
    assert again([Inside.of_class, decorated, *functions]) == [Inside.of_class, decorated, *functions]
    assert again(Inside().__class__).of_class() == "Inside"


class Constant:
    def __reduce__(self) -> str:
        return "MISSING"


class Global(enum.Enum):
    RED = 1

    def __reduce_ex__(self, protocol: object) -> str:
        return self.name


class Failure(Exception):
    def __init__(self, first: int, second: int) -> None:
        super().__init__(first)
        self.second = second

    def __reduce__(self) -> tuple[object, ...]:
        return Failure, (*self.args, self.second)


MISSING, RED = Constant(), Global.RED
Number = typing.TypeVar("Number")
UserId = typing.NewType("UserId", int)


def test_type_variables_and_new_types() -> None:
    for value in (Number, UserId):
        assert again(value) is value
        assert b"rebuild_module" in dumps(value)


class Hides(type):
    def __getattribute__(cls, name: str) -> object:
        raise RuntimeError(name)


class Hidden(metaclass=Hides): ...


def test_classes_that_hide_their_names() -> None:
    assert family.by_reference(Hidden, None) == (family.rebuild_attribute, (sys.modules[__name__], "Hidden"))
    assert family.by_own_name(object.__new__(Hidden), None) is NotImplemented


def test_what_says_its_own_name() -> None:
    assert again([MISSING, RED]) == [MISSING, RED]
    assert b"rebuild_module" in dumps(MISSING)
    failure = again(Failure(1, 2))
    assert (type(failure), failure.args, failure.second) == (Failure, (1,), 2)
    with pytest.raises(pickle.PicklingError):
        dumps(Constant())  # another one than that of this name


def test_only_what_is_at_its_name_goes_by_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    def inner() -> None: ...

    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "inner", inner, raising=False)
    monkeypatch.setattr(inner, "__qualname__", "inner")
    for name in ("__main__", "__mp_main__"):
        monkeypatch.setitem(sys.modules, name, main)
        monkeypatch.setattr(inner, "__module__", name)
        assert family.by_reference(inner, None) is NotImplemented
    for value in (inner, lambda: 1, types.FunctionType(inner.__code__, {}), type("Laptop", (), {})):
        assert family.by_reference(value, None) is NotImplemented


def test_too_much_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "LIMIT", 1000)
    with pytest.raises(SerializationError, match=r"cannot serialize the module tests\.core.*install them as a package"):
        dumps(Laptop)


def test_a_module_for_a_newer_python() -> None:
    with pytest.raises(SerializationError, match=r"^the module newer_than_all does not run on Python 3\.\d+: "):
        family.rebuild_module((("newer_than_all", False, "def f():\n  newer syntax\n", (), ()),))


def test_sources_may_travel_apart(tmp_path: Path) -> None:
    """As for the many values of a page."""
    one = Laptop(tmp_path / "one", FILES)
    said = one.run(
        """
import helpers
from raisin_core.serialization import objects
texts = {}
write('short', objects.dumps(helpers.Point(1, 2), texts=texts))
write('texts', texts)
print(len(read('short')) < 300, len(texts) > 1)
"""
    )
    assert said == ["True True"]
    two = Laptop(tmp_path / "two")
    got = two.run(
        """
from raisin_core.serialization import objects
try: objects.loads(read('short'))
except TypeError as error: print(error)
objects.keep(read('texts'))
print(objects.loads(read('short')))
"""
    )
    assert got[0] == "the source of the module helpers is not in this stream, and not here either"
    assert "Point" in got[1]
