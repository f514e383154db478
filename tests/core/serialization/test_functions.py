"""Functions by value: their bytecode here, and their source as another Python would compile it."""

from __future__ import annotations

import functools
import gc
import inspect
import io
import marshal
import pickle
import sys
import traceback
import types
import weakref
from pathlib import Path
from typing import Any

import pytest

from raisin_core.errors import CodeError, SerializationError
from raisin_core.serialization.families import code as codes
from raisin_core.serialization.families import functions
from raisin_core.serialization.pickling import Pickler
from raisin_core.serialization.streams.writing import Outgoing
from tests.core.serialization.matrix import dumps, load

TEXT = '''"""Some functions."""
import functools

LEVEL = 2


def outer(a):
    zeta = 1

    def inner(b):
        """Inner."""
        nonlocal zeta
        zeta += 1
        return a, b, zeta, inner.__name__
    return inner


def pair():
    count = 0
    def up():
        nonlocal count
        count += 1
        return count
    def now():
        return count
    return up, now


def empty():
    def later():
        return value
    if LEVEL < 0:
        value = 1
    return later


def fails(x):
    y = x + 1

    raise KeyError(y)


def calls():
    return LEVEL


def shifts(step=3):
    return [lambda x: x + step, lambda x: x - step]


class Node:
    def __init__(self):
        self.children = []

    def me(self):
        return __class__
'''


@pytest.fixture
def module(tmp_path: Path) -> types.ModuleType:
    file = tmp_path / "some.py"
    file.write_text(TEXT)
    return load(file, "not_to_be_imported")


@pytest.fixture(params=["here", "elsewhere"])
def reader(request: pytest.FixtureRequest) -> str:
    """What arrives is read as by the Python that wrote it, and as by another one."""
    return str(request.param)


def travelled(thing: Any, reader: str = "here") -> Any:
    return read(dumps(thing), reader)


def read(data: bytes, reader: str) -> Any:
    if reader == "here":
        return pickle.loads(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codes, "MAGIC", b"none")
        return pickle.loads(data)


def test_closures_keep_their_variables_in_common(module: types.ModuleType, reader: str) -> None:
    up, now = travelled(module.pair(), reader)
    assert (up(), up(), now()) == (1, 2, 2)


def test_a_recursive_closure(module: types.ModuleType, reader: str) -> None:
    inner = travelled(module.outer(5), reader)
    assert (inner(1), inner(2)) == ((5, 1, 2, "inner"), (5, 2, 3, "inner"))
    assert (inner.__doc__, inner.__qualname__) == ("Inner.", "outer.<locals>.inner")
    assert inner.__closure__[1].cell_contents is inner


def test_an_empty_variable_stays_empty(module: types.ModuleType, reader: str) -> None:
    with pytest.raises(NameError, match="value"):
        travelled(module.empty(), reader)()


def test_functions_of_one_object_have_their_globals_in_common(module: types.ModuleType, reader: str) -> None:
    calls, fails, again = travelled([module.calls, module.fails, module.calls], reader)
    assert calls.__globals__ is fails.__globals__
    assert calls is again
    assert calls.__globals__["LEVEL"] == 2
    assert "pair" not in calls.__globals__


def test_all_that_a_function_has(module: types.ModuleType, reader: str) -> None:
    function = module.outer
    function.__defaults__, function.__kwdefaults__, function.__annotations__ = (1,), None, {"a": int}
    function.note = [function]
    function.__name__ = "renamed"
    got = travelled(function, reader)
    assert got.__defaults__ == (1,)
    assert got.__annotations__ == {"a": int}
    assert got.note[0] is got
    assert (got.__name__, got.__qualname__, got.__module__) == ("renamed", "outer", "not_to_be_imported")
    assert inspect.signature(got) == inspect.signature(function)
    code = got.__code__
    assert (code.co_name, code.co_filename, code.co_firstlineno) == ("outer", function.__code__.co_filename, 7)
    assert list(code.co_lines()) == list(function.__code__.co_lines())


def test_lambdas_of_one_line(module: types.ModuleType, reader: str) -> None:
    add, subtract = travelled(module.shifts(), reader)
    assert (add(10), subtract(10)) == (13, 7)


def test_the_class_of_a_method(module: types.ModuleType, reader: str) -> None:
    node = travelled(module.Node(), reader)
    assert node.me() is type(node)


def test_it_travels_on(module: types.ModuleType, reader: str) -> None:
    """Also what was made where it arrived, whose file is not there."""
    factory, shifts = travelled([module.outer, module.shifts], reader)
    Path(module.__file__ or "").unlink()
    inner = travelled(factory(7), "elsewhere")
    assert inner(1) == (7, 1, 2, "inner")
    assert travelled(shifts()[1], "elsewhere")(10) == 7


def test_tracebacks_show_the_lines(module: types.ModuleType, reader: str) -> None:
    name = module.fails.__code__.co_filename
    data = dumps(module.fails)
    Path(name).unlink()
    function = read(data, reader)
    with pytest.raises(KeyError) as caught:
        function(1)
    text = "".join(traceback.format_exception(caught.type, caught.value, caught.tb))
    assert f'File "{name}", line 40, in fails' in text
    assert "    raise KeyError(y)\n" in text
    assert inspect.getsource(function).startswith("def fails(x):\n    y = x + 1\n")


def test_a_file_that_is_there_is_not_shadowed(module: types.ModuleType, reader: str) -> None:
    name = Path(module.fails.__code__.co_filename)
    function = travelled(module.fails, reader)
    name.write_text(TEXT.replace("raise KeyError(y)", "raise KeyError(y)  # new"))
    with pytest.raises(KeyError) as caught:
        function(1)
    assert "# new" in "".join(traceback.format_exception(caught.type, caught.value, caught.tb))


def test_by_name_where_a_module_has_it() -> None:
    assert travelled(inspect.getsource) is inspect.getsource
    assert b"rebuild_function" not in dumps(functools.wraps)


def test_no_source_no_other_python() -> None:
    function: Any = eval(compile("lambda x: x + 20", "<nowhere>", "eval"), {})
    hidden = types.FunctionType(function.__code__.replace(co_consts=(None, 21)), {})
    data = dumps(hidden)
    assert read(data, "here")(1) == 22
    with pytest.raises(CodeError, match=r"<lambda> \(<nowhere>:1\) was written by Python 3.*its source is not known"):
        read(data, "elsewhere")
    assert issubclass(CodeError, SerializationError)


def test_the_pickler_says_what_is_bound_to_this_python(module: types.ModuleType) -> None:
    strange = types.FunctionType(module.calls.__code__.replace(co_name="strange", co_filename="<gone>"), {})
    pickler = Pickler(io.BytesIO(), Outgoing(copy_file=False))
    pickler.dump([module.calls, module.fails])
    assert pickler.bound == []
    pickler.dump([strange, strange])
    assert pickler.bound == ["strange"]


def test_constants_that_no_compiler_makes() -> None:
    code = test_no_source_no_other_python.__code__
    strange = code.replace(co_consts=(*code.co_consts, Path("x")))
    data = dumps(strange)
    assert read(data, "here").co_consts[-1] == Path("x")
    with pytest.raises(CodeError, match="was changed after it was compiled"):
        read(data, "elsewhere")


def test_foreign_bytecode_is_never_unmarshalled(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_: bytes) -> None:
        raise AssertionError("unmarshalled")

    monkeypatch.setattr(marshal, "loads", forbidden)
    with pytest.raises(CodeError, match=r"Python 2\.7"):
        codes.rebuild_code(b"\x03\xf3\r\n", b"c\x00", ("f", "f.py", 3, "2.7"), None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("def f(x):\n    return y(x) +\n", "line 8 is no syntax here"),
        ("def f(x):\n    return z(x)\n", "gives other code"),
        ("def f(z):\n    return y(z)\n", "gives other code"),
        ("def f(x, z=1):\n    return y(x)\n", "gives other code"),
        ("def f(x):\n    yield y(x)\n", "gives other code"),
        ("def g(x):\n    return y(x)\n", "gives other code"),
        ("x = 1\n", "gives other code"),
        ("", "gives other code"),
        ("def f(x):\n    return y(x)\x00\n", "is no syntax here|does not compile"),
        ("def f(x):\n    return " + "(" * 5000 + "\n", "is no syntax here|does not compile"),
        ("def f(x):\n    return " + "-" * 100000 + "y(x)\n", "is no syntax here|does not compile"),
    ],
)
def test_a_text_that_does_not_fit(text: str, problem: str) -> None:
    namespace: dict[str, Any] = {}
    exec("def f(x):\n    return y(x)\n", namespace)
    shape = codes.shape(namespace["f"].__code__)
    with pytest.raises(CodeError, match=problem):
        codes.rebuild_code(b"none", b"", ("f", "f.py", 7, "3.9"), (7, text, "f", -1, 0, shape))


def test_nothing_of_it_runs_while_it_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    text = "@print('decorator')\ndef f(x=print('default')) -> print('annotation'):\n    return x\n"
    shape = (1, 0, 0, 0, ("x",), (), 0, codes.shape((lambda: None).__code__)[-1])
    code = codes.rebuild_code(b"none", b"", ("f", "f.py", 1, "3.9"), (1, text, "f", -1, 0, shape))
    assert types.FunctionType(code, {})(4) == 4
    assert capsys.readouterr().out == ""


def test_nothing_keeps_code_alive(module: types.ModuleType) -> None:
    made = module.calls.__code__.replace(co_name="other", co_filename="<other>")
    assert dumps(types.FunctionType(made, {}))
    reference = weakref.ref(made)
    assert id(made) in codes._travelling
    key = id(made)
    del made
    gc.collect()
    assert reference() is None
    assert key not in codes._travelling
    assert key not in functions._globals


@pytest.mark.skipif(sys.version_info < (3, 12), reason="syntax of Python 3.12")
def test_type_parameters(tmp_path: Path, reader: str) -> None:
    file = tmp_path / "generic.py"
    file.write_text("def first[T](items: list[T], kind=None) -> T:\n    return items[0], T.__name__\n")
    first = travelled(load(file, "generic_not_imported").first, reader)
    assert first([3]) == (3, "T")
    assert first.__annotations__["return"] is first.__type_params__[0]
