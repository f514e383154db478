"""Folders with modules of one's own, and interpreters that run there: laptops that have some files and not others."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import cloudpickle

CORE = Path(__file__).parents[3] / "raisin_core" / "src"
PRELUDE = """
import io, pickle, sys, warnings
from pathlib import Path
from raisin_core.serialization.pickling import Pickler
warnings.simplefilter("error")

class Nothing:
    copy_file = False

def dumps(value):
    file = io.BytesIO()
    Pickler(file, Nothing()).dump(value)
    return file.getvalue()

def write(name, value):
    Path("..", name).write_bytes(dumps(value))

def read(name):
    return pickle.loads(Path("..", name).read_bytes())
"""


class Laptop:
    """One folder; streams lie beside it, where other laptops find them."""

    def __init__(self, folder: Path, files: Mapping[str, str] | None = None, python: str = sys.executable) -> None:
        self.folder, self.python = folder, python
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in (files or {}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")

    def run(self, code: str, bytecode: bool = False) -> list[str]:
        """The lines that some code prints, run in the folder by an interpreter of its own, which may cache bytecode."""
        path = os.pathsep.join([str(CORE), str(self._library())])
        environ = {**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"}
        environ["PYTHONDONTWRITEBYTECODE"] = "" if bytecode else "1"
        command = [self.python, "-c", PRELUDE + code]
        done = subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert not done.stderr
        return done.stdout.splitlines()

    def _library(self) -> Path:
        """A place for libraries with cloudpickle alone, which is the same for every Python."""
        place = self.folder.parent / "site-packages"
        if not place.exists():
            shutil.copytree(Path(cloudpickle.__file__).parent, place / "cloudpickle")
        return place
