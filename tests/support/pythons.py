"""Other Pythons of this machine, as scripts/test_matrix.py finds them."""

from __future__ import annotations

import runpy
import sys
from functools import cache
from pathlib import Path
from typing import Any

MATRIX: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "test_matrix.py"))


@cache
def interpreter(version: str) -> str | None:
    """An interpreter of this version, e.g. "3.12", if there is one here."""
    found: str | None = MATRIX["interpreter"](version)
    return found


def other() -> str | None:
    """An interpreter of another version than ours that raisin supports."""
    versions = [f"3.{minor}" for minor in range(10, 14) if minor != sys.version_info[1]]
    return next((found for version in versions if (found := interpreter(version)) is not None), None)
