"""What the end-to-end tests share: a home per module (starting a cluster takes half a second), and programs in it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SHORT, make_home
from tests.e2e import support


@pytest.fixture(scope="module", autouse=True)
def home(session_home: Path) -> Iterator[Path]:
    """A module's own RAISIN_HOME; at its end nothing of the embedded cluster in it may be left."""
    for path in make_home():
        yield path
        support.leave_embedded()
        support.await_gone(path)


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty directory with a short path."""
    path = Path(tempfile.mkdtemp(prefix="rsn-", dir=SHORT))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def module_folder() -> Iterator[Path]:
    """An empty directory for a whole module."""
    path = Path(tempfile.mkdtemp(prefix="rsn-", dir=SHORT))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def interpreters(home: Path, folder: Path) -> Iterator[support.Interpreters]:
    """Starts interpreters in this module's home; those that still run at the end are killed."""
    made = support.Interpreters(home, folder)
    yield made
    made.close()


@pytest.fixture
def own_home(folder: Path) -> Iterator[support.Interpreters]:
    """Starts interpreters in a home that only this test has, so that its embedded cluster ends with it."""
    path = folder / "h"
    made = support.Interpreters(path, folder)
    yield made
    made.close()
    support.await_gone(path)


@pytest.fixture(scope="module")
def kept_cluster(home: Path, module_folder: Path) -> Iterator[None]:
    """An interpreter that keeps the embedded cluster of this module's home while its tests run."""
    made = support.Interpreters(home, module_folder)
    try:
        keeper = made.start("import raisin, sys\nprint(raisin.process(str, ('there',)), flush=True)\nsys.stdin.read()")
        keeper.await_text("there")
        yield
    finally:
        made.close()
