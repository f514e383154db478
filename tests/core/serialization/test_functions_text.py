"""Where the text of a function is found: in its file as it was imported, a cell, a doctest, a zip file."""

from __future__ import annotations

import doctest
import importlib
import linecache
import os
import sys
import textwrap
import types
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raisin_core.serialization.families import code as codes
from tests.core.serialization.matrix import dumps, load

OLD = "LEVEL = 1\n\ndef f(x):\n    return x + LEVEL\n\ndef g(x):\n    return x * 2\n"
NEW = OLD.replace("x * 2", "x * 3")


def text_of(function: types.FunctionType) -> str | None:
    source = codes.source_of(function.__code__, function.__globals__)
    return None if source is None else source.text


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "helpers.py"
    made.write_text(OLD)
    return made


@pytest.fixture
def module(file: Path) -> types.ModuleType:
    return load(file, "helpers_not_importable")


def replace(file: Path, text: str) -> None:
    """As an editor does; the time of the change is told apart even where clocks are coarse."""
    file.write_text(text)
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 2_000_000_000))


def test_the_file(module: types.ModuleType) -> None:
    assert text_of(module.g) == "def g(x):\n    return x * 2\n"


def test_a_file_that_changed_after_it_was_seen(module: types.ModuleType, file: Path) -> None:
    dumps(module.f)
    replace(file, NEW)
    said = r"helpers.py has changed since it was imported.* g \(line 6\).*what was imported travels"
    with pytest.warns(UserWarning, match=said):
        assert text_of(module.g) == "def g(x):\n    return x * 2\n"
    assert text_of(load(file, "new_not_importable").g) == "def g(x):\n    return x * 3\n"


def test_what_did_not_change_in_a_changed_file(module: types.ModuleType, file: Path) -> None:
    replace(file, NEW)
    assert text_of(module.f) == "def f(x):\n    return x + LEVEL\n"


def test_a_file_that_changed_before_it_was_seen(module: types.ModuleType, file: Path) -> None:
    replace(file, NEW)
    with pytest.warns(UserWarning, match="what was imported is not known, so its bytecode travels"):
        assert text_of(module.g) is None
    with pytest.warns(UserWarning, match="has changed"):
        data = dumps(module.g)
    assert b"x * " not in data


def test_an_older_copy_that_python_keeps(module: types.ModuleType, file: Path) -> None:
    linecache.getlines(str(file))
    replace(file, NEW)
    with pytest.warns(UserWarning, match="what was imported travels"):
        assert text_of(module.g) == "def g(x):\n    return x * 2\n"


def test_lines_that_moved(module: types.ModuleType, file: Path) -> None:
    replace(file, "# one more line\n" + OLD)
    with pytest.warns(UserWarning, match="has changed"):
        assert text_of(module.f) is None


def test_a_file_that_is_gone(module: types.ModuleType, file: Path) -> None:
    dumps(module.f)
    file.unlink()
    assert text_of(module.g) == "def g(x):\n    return x * 2\n"


def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    file = tmp_path / "latin.py"
    file.write_bytes("# -*- coding: latin-1 -*-\r\ndef f():\r\n    return 'é'\r\n".encode("latin-1"))
    assert text_of(load(file, "latin").f) == "def f():\n    return 'é'\n"


def test_future_statements(tmp_path: Path) -> None:
    file = tmp_path / "future.py"
    text = "from __future__ import annotations\ndef f():\n    def g(x: y): pass\n    return g.__annotations__\n"
    file.write_text(text)
    function = load(file, "future").f
    source = codes.source_of(function.__code__, {})
    assert source is not None
    code = codes.compiled(source, codes.About("f", "f.py", 2, "3.9"))
    assert types.FunctionType(code, {})() == {"x": "y"}


def test_a_rewritten_module_has_no_text(file: Path) -> None:
    """As by pytest or by checkers of types: what runs is not what the file says."""
    code = compile(OLD.replace("* 2", "- 2"), str(file), "exec")
    namespace: dict[str, Any] = {"__name__": "rewritten"}
    exec(code, namespace)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert text_of(namespace["g"]) is None


def test_a_cell() -> None:
    """IPython and the prompt of Python 3.13 say to linecache what they run."""
    name = "<ipython-input-7-0123456789ab>"
    text = "x = 1\n@str\ndef f(x):\n    return x\n\ndef g(x):\n    return f(x)\n"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    namespace: dict[str, Any] = {}
    exec(compile(text, name, "exec"), namespace)
    assert text_of(namespace["g"]) == "def g(x):\n    return f(x)\n"


def test_a_cell_with_top_level_await() -> None:
    name, text = "<ipython-input-8-0123456789ab>", "def g(x):\n    return x\nawait g(1)\n"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    code = compile(text, name, "exec", 0x2000)
    (inner,) = (each for each in code.co_consts if isinstance(each, types.CodeType))
    assert codes.source_of(inner, {}) is not None


def test_ipython() -> None:
    shell_module = pytest.importorskip("IPython.core.interactiveshell", reason="IPython is not here")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shell = shell_module.InteractiveShell()
        shell.run_cell("def f(x):\n    return x + 1\n%time pass\ng = lambda x: x\n", silent=True)
        assert text_of(shell.user_ns["f"]) == "def f(x):\n    return x + 1\n"
        assert text_of(shell.user_ns["g"]) == "g = lambda x: x\n"
        shell.history_manager.end_session()


def test_a_doctest() -> None:
    found: list[Any] = []
    example = ">>> def f(x):\n...     return x + 1\n>>> found.append(text_of(f))\n"
    test = doctest.DocTestParser().get_doctest(example, {"found": found, "text_of": text_of}, "sample", "sample.py", 0)
    assert doctest.DocTestRunner().run(test).failed == 0
    assert found == ["def f(x):\n    return x + 1\n"]


@pytest.fixture
def zipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.writestr("in_a_zip_file.py", OLD)
    monkeypatch.syspath_prepend(str(tmp_path / "packed.zip"))
    yield importlib.import_module("in_a_zip_file")
    sys.modules.pop("in_a_zip_file")


def test_a_zip_file(zipped: types.ModuleType) -> None:
    assert text_of(zipped.g) == "def g(x):\n    return x * 2\n"


def test_code_that_is_no_function() -> None:
    code = compile("x = 1\nclass A: pass\n", "<string>", "exec")
    assert codes.source_of(code, {}) is None
    assert codes.source_of(code.co_consts[1], {}) is None


def test_very_odd_files(tmp_path: Path) -> None:
    for number, text in enumerate(("def f(:\n", "\x00", "", "\ufeff", "def g(): pass\n" * 3, "'" * 999, "(" * 300)):
        file = tmp_path / f"odd{number}.py"
        file.write_text(text)
        function = types.FunctionType(text_of.__code__.replace(co_filename=str(file), co_firstlineno=1), {})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert text_of(function) is None


def test_lambdas_that_differ_in_what_the_compiler_does_for_imports(tmp_path: Path) -> None:
    file = tmp_path / "imports.py"
    file.write_text(
        textwrap.dedent(
            """
            import math, os
            both = [lambda x: math.sin(x) + 1, lambda x: math.sin(x) - 1, lambda: os.getpid(), lambda: -0.0, lambda: .0]
            """
        )
    )
    functions = load(file, "imports").both
    sources = [codes.source_of(each.__code__, {}) for each in functions]
    assert [source and source.number for source in sources] == [0, 1, 2, 3, 4]
