"""Names of files that came from elsewhere, as this system can hold them.

Rules of this file: pure. What comes out is one final component: never a way out of the folder that it is made in.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import Final

from raisin_core.errors import SerializationError

LONGEST: Final = 255  # bytes of a name on POSIX systems, UTF-16 units on Windows
RESERVED: Final = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
DEVICES: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)", re.IGNORECASE)


def local(name: str, system: str = os.name) -> str:
    """The name itself where this system allows it, else the nearest that it allows.

    Raises SerializationError for what is no name of a file on any system.

    >>> local("a:b.txt", "nt"), local("a:b.txt", "posix"), local("NUL.txt", "nt")
    ('a_b.txt', 'a:b.txt', '_NUL.txt')
    """
    if type(name) is not str or name in ("", ".", "..") or "/" in name or "\0" in name:
        raise SerializationError(f"{name!r} is not the name of a file")
    return _windows(name) if system == "nt" else _posix(name)


def _windows(name: str) -> str:
    """No other streams, no devices, nothing that Windows drops from an end."""
    name = RESERVED.sub("_", name)
    bare = name.rstrip(". ")
    name = bare + "_" * (len(name) - len(bare))
    if DEVICES.match(name):
        name = f"_{name}"
    units = len(name.encode("utf-16-le", "surrogatepass")) // 2
    return name if units <= LONGEST else _short(name)


def _posix(name: str) -> str:
    try:
        size = len(name.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:  # halves of characters, which Windows has in names
        name = name.encode("utf-8", "replace").decode()
        size = len(name)
    return name if size <= LONGEST else _short(name)


def _short(name: str) -> str:
    """Its begin and its suffix around a digest, so that different names stay different."""
    stem, suffix = os.path.splitext(name)
    if len(suffix) > 16:
        stem, suffix = name, ""
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{stem[:48]}~{mark}{suffix}"
