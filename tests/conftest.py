"""What every test has: a private home of raisin, with a short path (a socket's may have 107 characters)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SHORT = "/tmp" if os.path.isdir("/tmp") else None  # macOS's own TMPDIR has some 50 characters


def make_home() -> Iterator[Path]:
    """A private directory as RAISIN_HOME; afterwards both are gone, and what was there before is back."""
    home = Path(tempfile.mkdtemp(prefix="rsn-", dir=SHORT))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAISIN_HOME", str(home))
        yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def session_home() -> Iterator[Path]:
    """So that fixtures of a module or session cannot touch the user's real home either."""
    yield from make_home()


@pytest.fixture(autouse=True)
def home(session_home: Path) -> Iterator[Path]:
    """Each test's own RAISIN_HOME."""
    yield from make_home()
