"""What travels of a local module is the text that was imported, or a warning says that it is not sure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.serialization.laptops import Laptop

FUNCTION = "def f():\n    return 'old'\n"
CONSTANT = "VALUE = 'old'\n"
EXPRESSION = "VALUE = 'old'.upper()\ndef f():\n    return VALUE\n"
TRAVELLED = """
from raisin_core.serialization.modules.members import member
try:
    print(repr(member('helpers').text))
except RuntimeWarning as warning:
    print(warning)
"""
EDIT = """
import helpers, linecache, os
def edit(old, new, changed=None):
    text = Path('helpers.py').read_text().replace(old, new)
    Path('helpers.py').write_text(text)
    if changed is not None:
        os.utime('helpers.py', (changed, changed))
"""
WARNING = (
    "helpers.py changed on disk since it was imported: what is in memory travels, and the text "
    "of now with modules that import it; importlib.reload it, or restart"
)


def said(folder: Path, text: str, then: str, bytecode: bool = True) -> str:
    """What travels of a module with this text, when it was imported and then something happened."""
    laptop = Laptop(folder / "one", {"helpers.py": text})
    return laptop.run(EDIT + then + TRAVELLED, bytecode)[-1]


@pytest.mark.parametrize("bytecode", [True, False])
@pytest.mark.parametrize("text", ["", CONSTANT, FUNCTION, EXPRESSION, "import os\n", "x = y = 1\nx += 1\ndel y\n"])
def test_nothing_happened(tmp_path: Path, text: str, bytecode: bool) -> None:
    """A module that was written a moment ago, as when one works in a notebook."""
    assert said(tmp_path, text, "", bytecode) == repr(text)


@pytest.mark.parametrize("bytecode", [True, False])
@pytest.mark.parametrize("text", [CONSTANT, FUNCTION])
def test_edited_after_its_import(tmp_path: Path, text: str, bytecode: bool) -> None:
    assert said(tmp_path, text, "edit('old', 'new!')", bytecode) == WARNING


def test_what_was_imported_travels_until_it_is_loaded_anew(tmp_path: Path) -> None:
    text = "VALUE = 'old'\nclass Thing:\n    def get(self):\n        return VALUE\ndef make():\n    return Thing()\n"
    one = Laptop(tmp_path / "one", {"helpers.py": text})
    said = one.run(
        EDIT
        + """
warnings.simplefilter("always")
edit('old', 'new!')
with warnings.catch_warnings(record=True) as seen:
    write('function', helpers.make)
    write('instance', helpers.make())
    write('module', helpers)
print(*{str(each.message) for each in seen})
import importlib; importlib.reload(helpers)
write('again', helpers.make)
print(b'VALUE' in dumps(helpers.make), b'class Thing' in dumps(helpers.make))
"""
    )
    assert said == [WARNING, "True True"]
    two = Laptop(tmp_path / "two")
    got = two.run(
        "print(read('function')().get(), read('instance').get(), read('module').make().get(), read('again')().get())"
    )
    assert got == ["old old old new!"]


def test_edited_where_no_function_shows_it(tmp_path: Path) -> None:
    assert said(tmp_path, EXPRESSION, "edit('old', 'new!')") == WARNING


@pytest.mark.parametrize("text", [CONSTANT, FUNCTION, EXPRESSION])
def test_edited_when_the_older_text_is_still_known(tmp_path: Path, text: str) -> None:
    """As after a traceback, or when its source was looked at."""
    then = "linecache.getlines(helpers.__file__); edit('old', 'new!')"
    assert said(tmp_path, text, then) == repr(text)


def test_edited_when_what_is_known_is_not_what_was_imported(tmp_path: Path) -> None:
    then = "edit('old', 'other'); linecache.getlines(helpers.__file__); edit('other', 'new!')"
    assert said(tmp_path, FUNCTION, then) == WARNING


def test_copied_over_with_an_old_time(tmp_path: Path) -> None:
    """Of the same size, and as old as what was there before the process."""
    assert said(tmp_path, FUNCTION, "edit('old', 'new', 1000)", bytecode=False) == WARNING


def test_edited_and_imported_by_another_process(tmp_path: Path) -> None:
    """Then the cached bytecode is that of the newer text."""
    then = (
        "edit('old', 'new!'); import subprocess; subprocess.run([sys.executable, '-c', 'import helpers'], check=True)"
    )
    assert said(tmp_path, FUNCTION, then) == WARNING


def test_edited_and_reloaded(tmp_path: Path) -> None:
    then = """
from raisin_core.serialization.modules.members import member
member('helpers')
edit('old', 'new!')
import importlib; importlib.reload(helpers)
"""
    assert said(tmp_path, FUNCTION, then) == repr(FUNCTION.replace("old", "new!"))


def test_changed_in_memory(tmp_path: Path) -> None:
    """What a module's globals became does not count, neither here nor there."""
    assert said(tmp_path, CONSTANT + FUNCTION, "helpers.VALUE = 1; helpers.f = print") == repr(CONSTANT + FUNCTION)


def test_deleted_after_its_import(tmp_path: Path) -> None:
    assert said(tmp_path, FUNCTION, "linecache.getlines(helpers.__file__); os.remove('helpers.py')") == repr(FUNCTION)


@pytest.mark.parametrize("coded", ["utf-8-sig", "latin-1"])
def test_other_encodings(tmp_path: Path, coded: str) -> None:
    text = f"# coding: {coded}\ndef f():\n    return 'é'\n"
    laptop = Laptop(tmp_path / "one")
    (laptop.folder / "helpers.py").write_bytes(text.encode(coded))
    laptop.run("import helpers; write('s', helpers.f)")
    assert Laptop(tmp_path / "two").run("print(read('s')())") == ["é"]


def test_from_an_archive(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path / "one")
    laptop.run("import zipfile\nwith zipfile.ZipFile('own.zip', 'w') as file: file.writestr('helpers.py', 'n = 3\\n')")
    laptop.run("sys.path.insert(0, 'own.zip'); import helpers; write('s', helpers)")
    assert Laptop(tmp_path / "two").run("print(read('s').n)") == ["3"]
