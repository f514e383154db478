"""How the programs of the chaos tell one another things: whole files and whole lines, even if somebody is killed.

Rules of this file: a reader never sees half of anything; the standard library only, for it also runs in the tasks.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def append(path: str | Path, line: str) -> None:
    """Add a line with one system call, so that lines of several processes do not mix."""
    fd = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    try:
        os.write(fd, line.encode() + b"\n")
    finally:
        os.close(fd)


def lines(path: Path) -> list[list[str]]:
    """The words of all lines; none where there is no file."""
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def write(path: Path, value: Any) -> None:
    """Replace a file by this value, as JSON, at once."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps(value))
    new.replace(path)


def read(path: Path) -> Any:
    """What was written, or None if nothing was."""
    return json.loads(path.read_text()) if path.exists() else None
