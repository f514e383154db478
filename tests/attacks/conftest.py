"""One broker for the tests of a module, unless they need their own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks import support
from tests.conftest import SHORT


def make_folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="rsn-", dir=SHORT))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty directory with a short path."""
    yield from make_folder()


@pytest.fixture(scope="module")
def module_folder() -> Iterator[Path]:
    yield from make_folder()


@pytest.fixture(scope="module")
def running(session_home: Path, module_folder: Path) -> Iterator[support.Broker]:
    with support.broker(module_folder) as made:
        yield made


@pytest.fixture
def broker(running: support.Broker) -> Iterator[support.Broker]:
    """The module's broker; what a test connects to it hangs up at its end."""
    yield running
    running.hang_up()
