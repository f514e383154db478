"""Starting a Python program that goes on without us: in a session of its own, its output in a private file.

Rules of this file: nothing of ours is left open in it, and it needs no terminal; it can import raisin wherever we can.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

PACKAGES: Final = ("raisin_core", "raisin_broker", "raisin_worker")


def start(arguments: Sequence[str], directory: Path, said: Path) -> subprocess.Popen[bytes]:
    """Start `python *arguments` with `directory` as its own; what it says goes to the file `said`, 0600, begun anew.

    Raises OSError.
    """
    with open(said, "wb", opener=_private) as out:
        return subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=directory,
            env=environment(),
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )


def environment() -> dict[str, str]:
    """Ours, with the folders that raisin was imported from: it need not be installed where a new interpreter looks."""
    folders = []
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        for folder in spec.submodule_search_locations or () if spec else ():
            folders.append(str(Path(folder).parent))
    already = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    wanted = [folder for folder in dict.fromkeys(folders) if folder not in already and not _is_default(folder)]
    path = os.pathsep.join([*wanted, *filter(None, already)])
    return {**os.environ, "PYTHONPATH": path} if path else dict(os.environ)


def _is_default(folder: str) -> bool:
    return Path(folder).name in ("site-packages", "dist-packages")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
