"""Callables of all kinds, and code that is in no file."""

from __future__ import annotations

import collections
import contextlib
import enum
import functools
import linecache
import operator
import random
import subprocess
import sys
import threading
import types
import warnings
from pathlib import Path

import pytest

from raisin_core.analysis import origin as origins
from raisin_core.analysis.fingerprint import fingerprint
from raisin_core.analysis.origin import origin
from raisin_core.analysis.parts import difference

LOCK = threading.Lock()
RANDOM = random.Random(1)
NOTHING = types.SimpleNamespace()


def digest(function, **kwargs) -> bytes:
    return fingerprint(function, kwargs).digest


def scaled(x, factor):
    return x * factor


def locked(x):
    with LOCK:
        return x


class Strange:
    """Says no to everything."""

    __slots__ = ()

    def __call__(self, x):
        return x

    def __reduce__(self):
        raise RuntimeError("no")

    def __getattr__(self, name):
        raise RuntimeError("nothing here")


# fmt: off
PAIR = (lambda x: x + 1, lambda x: x + 2)
AGAIN = (lambda x: x + 1, lambda x: x  +  2)
NESTED = (lambda x: (lambda: x), lambda x: (lambda y=[]: x), lambda x: [-z for z in x], lambda x: f"{x}")
# fmt: on


def test_lambdas_on_one_line():
    assert digest(PAIR[0]) != digest(PAIR[1])
    assert (digest(PAIR[0]), digest(PAIR[1])) == (digest(AGAIN[0]), digest(AGAIN[1]))
    assert len({digest(each) for each in NESTED}) == len(NESTED)
    assert not any("bytecode" in part.name for each in NESTED for part in fingerprint(each, {}).parts.values())


def test_partials_methods_and_c():
    many = [
        *(abs, len, operator.add, operator.itemgetter(1), operator.itemgetter(2), "a".join, "b".join, str.upper),
        *(functools.partial(scaled, factor=2), functools.partial(scaled, factor=3), functools.partial(scaled, 2)),
        *(functools.partial(max, 2), functools.partial(PAIR[0]), scaled, random.random, random.gauss),
        *(RANDOM.random, functools.lru_cache(scaled), contextlib.contextmanager(scaled), int, dict.fromkeys),
    ]
    assert len({digest(each) for each in many}) == len(many)
    assert [digest(each) for each in many] == [digest(each) for each in many]
    before = digest(random.random), digest(random.gauss), digest(lambda: random.seed)
    random.random()
    assert before == (digest(random.random), digest(random.gauss), digest(lambda: random.seed))
    RANDOM.random()
    assert digest(RANDOM.gauss) != digest(random.Random(1).gauss) == digest(random.Random(1).gauss)


class Decorator:
    def __init__(self, function, times):
        functools.update_wrapper(self, function)
        self.times = times

    def __call__(self, *args):
        return self.__wrapped__(*args) * self.times


class Holder:
    """Knows itself, and holds its own methods, alone and inside others."""

    def __init__(self, value):
        self.value, self.me, self.made = value, self, self.method
        self.later = functools.partial(self.method, [self.made])
        self.later.keywords["again"] = self.later
        self.caught = contextlib.contextmanager(self.method)
        self.added = [].append
        self.added(self.added)

    def method(self):
        return self


def test_decorators_that_are_objects():
    one, two, three = Decorator(PAIR[0], 1), Decorator(AGAIN[0], 1), Decorator(PAIR[1], 1)
    assert digest(one) == digest(two) != digest(three)
    assert digest(one) != digest(Decorator(PAIR[0], 2))


def test_objects_that_hold_themselves():
    for pick in (lambda it: it.method, lambda it: it.later, lambda it: it.caught, lambda it: it.added, lambda it: it):
        assert digest(pick(Holder(1))) == digest(pick(Holder(1)))
    assert digest(Holder(1).made) != digest(Holder(2).made)
    assert digest(Holder(1).later) != digest(Holder(2).later)


def test_a_long_chain_of_functions():
    def chained(length, last):
        namespace = {"__name__": "__main__", "f0": lambda x: last}
        for n in range(length):
            exec(f"def f{n + 1}(x): return f{n}(x)", namespace)
        return fingerprint(namespace[f"f{length}"], {})

    one, other = chained(1000, 1), chained(1000, 2)
    assert (len(one.parts), one.digest == chained(1000, 1).digest) == (1002, True)
    assert difference(one.parts, other.parts) == "closure last changed"


def test_single_dispatch_counts_all_that_is_registered():
    def dispatching(function):
        single = functools.singledispatch(scaled)
        single.register(int, function)
        return single

    assert digest(dispatching(PAIR[0])) == digest(dispatching(AGAIN[0])) != digest(dispatching(PAIR[1]))


def test_strange_callables_do_not_fail():
    names = {part.name for part in fingerprint(Strange(), {}).parts.values()}
    assert "callable (by its type)" in names
    assert fingerprint(locked, {}).parts["global LOCK"].name == "global LOCK (by its type)"
    assert fingerprint(scaled, {"buffer": memoryview(b"a")}).parts["keyword buffer"].name.endswith("(by its pickle)")
    for each in (NOTHING, None, 1, types, Strange, type("Made", (), {"f": scaled}), [].append, iter([1]).__next__):
        assert len(digest(each)) == 32


def test_odd_modules_and_warnings(monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder):
    odd = type("Odd", (), {"__slots__": ()})()
    monkeypatch.setitem(sys.modules, "odd", odd)
    monkeypatch.setitem(sys.modules, "odder", None)
    for name in ("odd", "odder", "odd\0est", "", "odd.one"):
        made = type("Made", (), {"__module__": name, "f": scaled})
        assert len(digest(made)) == len(digest(eval("lambda: made", {"made": made, "__name__": name}))) == 32
    function = run("def f(): return 'a' is 3, odd\n", "<cell 0>", odd=odd)["f"]
    warned = len(recwarn)
    assert not [part for part in fingerprint(function, {}).parts.values() if "bytecode" in part.name]
    assert len(recwarn) == warned > 0


def test_classes_without_source():
    def made(value, function):
        return type("Made", (), {"value": value, "call": function, "prop": property(function)})

    assert digest(made(1, PAIR[0])) == digest(made(1, AGAIN[0])) != digest(made(2, PAIR[0]))
    assert digest(made(1, PAIR[1])) != digest(made(1, PAIR[0]))
    first, second = (collections.namedtuple("Two", fields) for fields in ("a b", "a c"))
    assert digest(first) == digest(collections.namedtuple("Two", "a b")) != digest(second)
    assert digest(first) != digest(collections.namedtuple("Two", "a b", defaults=[1]))
    assert digest(enum.Enum("E", "A B")) == digest(enum.Enum("E", "A B"))


def test_sets_of_functions_that_share_a_name():
    def first(x):
        return x

    def second(x):
        return -x

    second.__qualname__, second.__code__ = first.__qualname__, second.__code__.replace(co_name="first")

    def copied(function):
        copy = types.FunctionType(function.__code__, {"__name__": "__main__"})
        copy.__qualname__ = function.__qualname__
        return copy

    sets = [{copied(first), copied(second)} for _ in range(50)]  # at fifty places, so in any order
    assert len({digest(lambda each=each: each) for each in sets}) == 1


def test_a_variable_that_is_not_there_yet():
    def outer():
        def inner():
            return later  # noqa: F821 - it is deleted below

        later = 1
        del later
        return inner

    assert digest(outer()) == digest(outer())


def run(text: str, name: str, **given):
    """Run a text as a notebook runs a cell: its source is in `linecache` and nowhere else."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    namespace = {"__name__": "__main__", **given}
    exec(compile(text, name, "exec", dont_inherit=True), namespace)
    return namespace


def test_notebook_cells():
    one = run("SCALE = 2\ndef f(x):\n    return x * SCALE\n", "<cell 1>")
    two = run("# again\nSCALE = 2\n\ndef f(x):  # faster\n    return (x * SCALE)\n", "<cell 2>")
    three = run("def f(x): return x * SCALE * 2\n", "<cell 3>", SCALE=2)
    found = fingerprint(one["f"], {})
    assert found.digest == digest(two["f"]) != digest(three["f"])
    assert difference(found.parts, fingerprint(three["f"], {}).parts) == "f changed"


def test_code_that_is_edited_after_its_import_is_not_taken_for_the_new(tmp_path: Path):
    file = tmp_path / "edited.py"
    text = "def g(x): return x\ndef f(x): return x + 1\n"
    file.write_text(text)
    namespace: dict[str, object] = {"__name__": "edited", "__file__": str(file)}
    exec(compile(text, str(file), "exec"), namespace)
    before = digest(namespace["f"])
    file.write_text("# a new line\n" + text)
    assert digest(namespace["f"]) == before
    file.write_text(text.replace("x + 1", "x + 2"))
    linecache.clearcache()
    found = fingerprint(namespace["f"], {})
    assert found.digest != before
    assert ["bytecode" in part.name for part in found.parts.values()] == [True]


def test_without_source_bytecode_counts():
    def made(text):
        return eval(text, {"__name__": "__main__", "SCALE": 2})

    assert digest(made("lambda x: x * SCALE")) == digest(made("lambda x: (x * SCALE)")) != digest(made("lambda x: x"))
    found = fingerprint(made("lambda x: x * SCALE"), {})
    version = "{}.{}".format(*sys.version_info[:2])
    assert [part.name for part in found.parts.values()] == [f"<lambda> (bytecode of Python {version})", "global SCALE"]
    other = {
        key: part._replace(name=part.name.replace(version, "3.9"), digest=b"") for key, part in found.parts.items()
    }
    assert difference(other, found.parts).startswith(f"<lambda> changed (bytecode of Python {version})")


SHOWN = "from raisin_core.analysis.fingerprint import fingerprint as p\nprint(p(f, {}).digest.hex())"


def test_dash_c():
    text = f"S = 2\ndef f(x):\n    return x * S\n{SHOWN}"
    done = [subprocess.run([sys.executable, "-c", text], capture_output=True, text=True) for _ in range(2)]
    assert done[0].stdout == done[1].stdout
    assert len(done[0].stdout) == 65, done[0].stderr


def test_doctest(tmp_path: Path):
    """The same function in a file and in a doctest."""
    (tmp_path / "shown.py").write_text(
        '"""\n>>> from raisin_core.analysis.fingerprint import fingerprint\n>>> import shown\n'
        ">>> def f(x): return x * 2\n>>> found = fingerprint(f, {})\n"
        '>>> found.digest == fingerprint(shown.f, {}).digest\nTrue\n"""\ndef f(x):  # twice\n    return x * 2\n'
    )
    done = subprocess.run([sys.executable, "-m", "doctest", "shown.py"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_ipython():
    pytest.importorskip("IPython")
    text = (
        "from IPython.core.interactiveshell import InteractiveShell\nshell = InteractiveShell(history_length=0)\n"
        "shell.run_cell('%precision 3\\nS = 2\\ndef f(x):\\n    return x * S')\n"
        "shell.run_cell('from raisin_core.analysis.fingerprint import fingerprint')\n"
        "shell.run_cell('print([part.name for part in fingerprint(f, {}).parts.values()])')\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert "['f', 'global S']" in done.stdout, done.stdout + done.stderr


# -- whose a module is -----------------------------------------------------------------------------------------------


def test_whose_modules_are():
    assert {origin(name).kind for name in ("builtins", "os", "os.path", "json.decoder", "_io", "math")} == {"standard"}
    assert origin("pytest")[:2] == ("package", "pytest")
    assert origin("pytest").version == pytest.__version__
    assert origin("raisin_core.errors")[:2] == ("package", "raisin")
    assert origin(__name__).kind == origin("__main__").kind == origin("not_there_at_all").kind == "local"
    assert origins.located("not_there.at_all") == ""


def test_packages_count_by_version(monkeypatch: pytest.MonkeyPatch):
    def f():
        return pytest.approx(1)

    first = fingerprint(f, {})
    assert first.parts["package pytest"].name == f"package pytest {pytest.__version__}"
    monkeypatch.setattr(origins, "version", lambda top: "99.1")
    second = fingerprint(f, {})
    assert first.digest != second.digest
    assert difference(first.parts, second.parts) == f"pytest {pytest.__version__} became 99.1"


def test_nothing_is_run_or_warned_about():
    class Touchy:
        def __getattribute__(self, name):
            if name not in ("__class__", "__dict__", "__reduce_ex__", "__getstate__", "__reduce__"):
                raise AssertionError(f"{name} was asked for")
            return object.__getattribute__(self, name)

    touchy = Touchy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(digest(lambda: touchy)) == 32
