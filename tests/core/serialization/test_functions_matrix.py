"""Every version of Python reads what every other wrote (see `matrix` and its cases)."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
from pathlib import Path

import cloudpickle
import pytest

from tests.core.serialization.matrix import HERE, Written
from tests.support.pythons import interpreter

pytestmark = pytest.mark.slow
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
CORE = Path(__file__).parents[3] / "raisin_core" / "src"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With what every interpreter gets: cloudpickle, and the place for the files."""
    made = tmp_path_factory.mktemp("matrix")
    shutil.copytree(Path(cloudpickle.__file__).parent, made / "site" / "cloudpickle")
    return made


def run(version: str, folder: Path, *arguments: str) -> str:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    path = os.pathsep.join([str(CORE), str(folder / "site")])
    environ = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "error"}
    command = [python, str(HERE / "matrix.py"), *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def written(version: str, folder: Path) -> Path:
    file = folder / version
    if not file.exists():
        run(version, folder, "write", str(file))
    return file


@pytest.mark.parametrize("reader", VERSIONS)
@pytest.mark.parametrize("writer", VERSIONS)
def test_pair(writer: str, reader: str, folder: Path) -> None:
    file = written(writer, folder)
    outcomes = dict(json.loads(run(reader, folder, "read", str(file))))
    cases = [Written(*each) for each in pickle.loads(file.read_bytes())]
    assert len(cases) == len(outcomes) > 50
    here = tuple(map(int, reader.split(".")))
    wrong = []
    for case in cases:
        refused = here < case.since or (case.refused and writer != reader)
        said = outcomes[case.name]
        right = said.startswith("refused: ") and f"Python {reader}" in said and f"Python {writer}" in said
        if not (right if refused else said == "ok"):
            wrong.append((case.name, said))
    assert wrong == []


def test_all_versions_are_here() -> None:
    missing = [version for version in VERSIONS if interpreter(version) is None]
    if missing:
        pytest.skip(f"no Python {', '.join(missing)} here")
