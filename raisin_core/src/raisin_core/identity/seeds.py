"""The files that hold seeds, and other files that must be private.

Rules of this file: what others can read or write is refused, before anything of it is believed; no error shows a seed.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Any, Final

from raisin_core import home
from raisin_core.errors import KeyFileError
from raisin_core.identity.secrets import MEMBER_SEED

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_HEADER: Final = "# Whoever has this seed can act as its owner: never copy or send this file.\n"


def write_seed(path: Path, seed: bytes, cluster: bytes = b"") -> None:
    """Write a seed, and the id of the cluster that it belongs to, if any. Raises OSError."""
    about = f'cluster = "{cluster.hex()}"\n' if cluster else ""
    home.write_private(path, f'{_HEADER}seed = "{seed.hex()}"\n{about}'.encode())


def read_seed(path: Path, size: int = MEMBER_SEED) -> tuple[bytes, bytes]:
    """The seed of `size` bytes in a file, and the cluster's id (empty if it has none). Raises KeyFileError, OSError."""
    data = read_private(path, 10_000)
    try:
        table: dict[str, Any] = tomllib.loads(data.decode())
        seed, cluster = bytes.fromhex(table["seed"]), bytes.fromhex(table.get("cluster", ""))
        good = len(seed) == size and len(cluster) in (0, 32)
    except (ValueError, KeyError, TypeError, RecursionError):  # no cause: its text could show the seed
        good = False
    if not good:
        raise KeyFileError(f"{path} holds no key (it was changed or cut): put a copy back, or delete it and join again")
    return seed, cluster


def read_private(path: Path, size: int) -> bytes:
    """Up to `size` bytes of a file that nobody else can read or write. Raises KeyFileError, OSError."""
    with open(path, "rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if os.name == "posix" and mode & 0o077:
            raise KeyFileError(
                f"others can read or write {path} (mode {mode:04o}): if nobody has, run chmod 600 {path}; else delete "
                "it, and what depends on it (for a key: join again with a new invitation)"
            )
        return file.read(size)
