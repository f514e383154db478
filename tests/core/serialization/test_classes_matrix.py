"""Every version of Python reads the classes that every other wrote (see `texts_classes`)."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import tempfile
from pathlib import Path

import cloudpickle
import pytest

from tests.core.serialization import crossing, texts_classes, texts_native, texts_types
from tests.support.pythons import interpreter

pytestmark = pytest.mark.slow
CASES = [*texts_classes.CASES, *texts_types.CASES, *texts_native.CASES]
VERSIONS = (10, 11, 12, 13)
CORE = Path(__file__).parents[3] / "raisin_core" / "src"


@functools.lru_cache
def site() -> tempfile.TemporaryDirectory:
    """A folder with cloudpickle and nothing else."""
    folder = tempfile.TemporaryDirectory()
    (Path(folder.name) / "cloudpickle").symlink_to(Path(cloudpickle.__file__).parent)
    return folder


def run(minor: int, verb: str, given: dict) -> dict:
    python = interpreter(f"3.{minor}")
    if python is None:
        pytest.skip(f"no Python 3.{minor} here")
    path = os.pathsep.join([str(CORE), site().name])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "random", "PYTHONWARNINGS": "error"}
    command = [python, crossing.__file__, verb]
    done = subprocess.run(
        command, input=json.dumps(given), capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@functools.lru_cache
def written(minor: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        cases = [(each.name, each.text) for each in CASES if each.since <= minor]
        return run(minor, "write", {"cases": cases, "folder": folder})


@functools.lru_cache
def read(writer: int, reader: int) -> dict:
    given = written(writer)
    cases = [(each.name, each.check, given[each.name]) for each in CASES if isinstance(given.get(each.name), str)]
    return run(reader, "read", {"cases": cases})


@pytest.mark.parametrize("reader", VERSIONS)
@pytest.mark.parametrize("writer", VERSIONS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_class_crosses(case, writer, reader):
    if writer < case.since:
        pytest.skip(f"needs Python 3.{case.since} to be written")
    data = written(writer)[case.name]
    assert isinstance(data, str), data[1]
    result = read(writer, reader)[case.name]
    if reader in case.refused:
        assert result.startswith("refused: "), result
        assert case.refused[reader] in result
    else:
        assert result == "", result
