"""What changes a function's fingerprint, what does not, and how the change is told."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from raisin_core.analysis.fingerprint import fingerprint
from raisin_core.analysis.parts import Fingerprint, difference

BEFORE = """import math, json, functools, dataclasses, typing
import helpers
import pack.inner
from helpers import load
SCALE = 2
OTHER = 3
TABLE = {"scale": [1, 2]}
def decorate(times):
    def around(function):
        @functools.wraps(function)
        def wrapper(*args):
            return function(*args) * times
        return wrapper
    return around
def closing(n):
    return lambda x: x + n
def even(n):
    return n == 0 or odd(n - 1)
def odd(n):
    return n != 0 and even(n - 1)
class Base:
    offset = 1
    def shift(self, x):
        return x + self.offset
@dataclasses.dataclass
class Model(Base):
    width: int = 1
    def predict(self, x):
        return helpers.grow(self.shift(x))
    @property
    def wide(self):
        return self.width > 1
    def __call__(self, x):
        return self.predict(x)
MODEL = Model(3)
def late(x):
    import lazy
    return lazy.work(x)
def whole(x):
    return getattr(helpers, "grow")(x)
@decorate(2)
def fit(x, power=2, *, shift=0):
    y = load(x) ** power * SCALE
    return helpers.grow(y) + pack.inner.deep(x) + math.sqrt(x) + shift
def table(x):
    return TABLE[x]
def use(x):
    return MODEL(x), MODEL.wide
target = fit
"""
HELPERS = """
FACTOR = 3
def load(x):
    return x
def grow(x):
    return x * FACTOR
def unused(x):
    return 1
"""
LAZY = "import helpers\ndef work(x):\n    return helpers.load(x)\n"
INNER = "def deep(x):\n    return x\ndef other(x):\n    return 2\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Gives the module of a script with its helpers after some texts have been replaced in the files."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))
    names = ("script", "helpers", "lazy", "pack", "pack.inner")

    def load(*changes: tuple[str, str]) -> ModuleType:
        files = {"script": BEFORE, "helpers": HELPERS, "lazy": LAZY, "pack/__init__": "", "pack/inner": INNER}
        for old, new in changes:
            assert sum(old in text for text in files.values()) == 1, old
            files = {name: text.replace(old, new) for name, text in files.items()}
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / f"{name}.py").write_text(text)
        for name in names:
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module("script")

    yield load
    for name in names:
        sys.modules.pop(name, None)


def of(module: ModuleType, name: str) -> Fingerprint:
    """`closing(1)` is the result of a call, everything else a name."""
    return fingerprint(eval(name, vars(module)), {"alpha": 1})


SAME = {
    "a comment": ("fit", "SCALE = 2\n", "SCALE = 2  # two\n# more\n\n\n"),
    "a docstring": ("fit", "    y = load(x)", '    "Fits."\n    y = load(x)'),
    "formatting": ("fit", "y = load(x) ** power * SCALE", "y = (load( x )**power\n         * SCALE)"),
    "pass": ("odd", "    return n != 0", "    pass\n    return n != 0"),
    "annotations": ("odd", "def odd(n):", "def odd(n: int) -> bool:"),
    "an annotated variable": ("fit", "    y = load(x)", "    y: float = load(x)"),
    "a function not used": ("fit", "def unused(x):\n    return 1", "def unused(x):\n    return 2"),
    "an attribute not used": ("fit", "def other(x):\n    return 2", "def other(x):\n    return 3"),
    "a global not used": ("fit", "OTHER = 3", "OTHER = 4"),
    "the same value, computed": ("fit", "SCALE = 2", "SCALE = 1 + 1"),
    "the same default, computed": ("fit", "power=2", "power=4 - 2"),
    "a docstring of a class": ("use", "    width: int = 1", '    "Wide."\n    width: int = 1'),
    "a comment in a module used as a whole": ("late", "def work(x):", "def work(x):  # works"),
    "order of definitions": ("fit", "SCALE = 2\nOTHER = 3", "OTHER = 3\nSCALE = 2"),
}


@pytest.mark.parametrize("case", SAME)
def test_what_does_not_count(project, case):
    name, old, new = SAME[case]
    first, second = of(project(), name), of(project((old, new)), name)
    assert first.digest == second.digest
    assert set(first.parts) == set(second.parts)


CHANGED = {
    "its code": ("odd", "n != 0", "n > 0", "script.py changed"),
    "code it calls": (
        "fit",
        "def load(x):\n    return x",
        "def load(x):\n    return -x",
        "load changed (helpers.py)",
    ),
    "code called through a module": ("fit", "x * FACTOR", "FACTOR * x", "grow changed (helpers.py)"),
    "code called through a package": (
        "fit",
        "def deep(x):\n    return x",
        "def deep(x):\n    return +x",
        "deep changed (inner.py)",
    ),
    "code of a function that calls it back": ("even", "n != 0", "n > 0", "odd changed (script.py)"),
    "a global": ("fit", "SCALE = 2", "SCALE = 2.0", "global SCALE changed"),
    "a global of a helper": ("fit", "FACTOR = 3", "FACTOR = 4", "global FACTOR changed"),
    "a part of a global": ("table", "[1, 2]", "[1, 3]", "global TABLE changed"),
    "a default": ("fit", "power=2", "power=3", "default power of fit changed"),
    "a keyword's default": ("fit", "shift=0", "shift=1", "default shift of fit changed"),
    "a variable of a decorator": (
        "fit",
        "@decorate(2)",
        "@decorate(3)",
        "fit changed (script.py), closure times changed",
    ),
    "a decorator's code": ("fit", "function(*args) * times", "times * function(*args)", "script.py changed"),
    "a variable around": ("closing(1)", "lambda x: x + n", "lambda x: n + x", "script.py changed"),
    "a class": ("Model", "self.shift(x)", "self.shift(-x)", "script.py changed"),
    "a class of a global": ("use", "self.shift(x)", "self.shift(-x)", "Model changed (script.py)"),
    "its base": ("use", "x + self.offset", "x - self.offset", "Base changed (script.py)"),
    "a field": ("use", "width: int = 1", "width: float = 1", "Model changed (script.py)"),
    "what a method calls": ("use", "x * FACTOR", "FACTOR * x", "grow changed (helpers.py)"),
    "an object's state": ("use", "MODEL = Model(3)", "MODEL = Model(4)", "global MODEL changed"),
    "a callable object's state": ("MODEL", "MODEL = Model(3)", "MODEL = Model(4)", "callable changed"),
    "a method's object": ("MODEL.predict", "MODEL = Model(3)", "MODEL = Model(4)", "self of Model.predict changed"),
    "a method's code": (
        "MODEL.predict",
        "self.shift(x)",
        "self.shift(-x)",
        "script.py changed, Model changed (script.py)",
    ),
    "a module imported inside": ("late", "helpers.load(x)", "helpers.grow(x)", "module lazy changed"),
    "what such a module imports": ("late", "FACTOR = 3", "FACTOR = 5", "module helpers changed"),
    "a module used as a whole": ("whole", "def unused(x):\n    return 1", "", "module helpers changed"),
    "another function of the library": ("fit", "math.sqrt", "math.cbrt", "fit changed (script.py)"),
    "the annotation of a decorated function": ("fit", "def fit(x,", "def fit(x: int,", "fit changed (script.py)"),
    "one more call": (
        "even",
        "return n == 0 or odd(n - 1)",
        "return n == 0 or load(odd(n - 1))",
        "script.py changed, calls load now",
    ),
    "one call less": ("even", "n == 0 or odd(n - 1)", "n == 0", "script.py changed, no longer calls odd"),
}


@pytest.mark.parametrize("case", CHANGED)
def test_what_counts(project, case):
    name, old, new, said = CHANGED[case]
    first, second = of(project(), name), of(project((old, new)), name)
    assert first.digest != second.digest
    assert re.sub(r":\d+", "", difference(first.parts, second.parts)) == said


def test_keyword_arguments(project):
    fit = project().fit
    assert fingerprint(fit, {"a": 1, "b": 2}).digest == fingerprint(fit, {"b": 2, "a": 1}).digest
    one, two = fingerprint(fit, {"alpha": [1]}), fingerprint(fit, {"alpha": [2]})
    assert (one.digest == two.digest, difference(one.parts, two.parts)) == (False, "keyword alpha changed")


def test_many_changes_in_one_line(project):
    first = of(project(), "fit")
    second = of(project(("SCALE = 2", "SCALE = 3"), ("FACTOR = 3", "FACTOR = 4"), ("power=2", "power=3")), "fit")
    assert difference(first.parts, second.parts) == "default power of fit changed, global FACTOR changed and 1 more"


def test_the_parts_say_what_and_where(project):
    found = of(project(), "fit")
    names = [part.name for part in found.parts.values()]
    assert names[:4] == ["wrapper (script.py:10)", "keyword alpha", "fit (script.py:41)", "closure times"]
    part = found.parts["function load"]
    assert (part.name, Path(part.file).name, part.line, len(part.digest)) == (
        "load (helpers.py:3)",
        "helpers.py",
        3,
        32,
    )
    assert len(found.digest) == 32


def test_globals_that_only_look_alike_do_not_count(project):
    module = project()
    exec("def local(x):\n    SCALE = x.SCALE\n    return SCALE\n", vars(module))
    assert "global SCALE" not in fingerprint(module.local, {}).parts
