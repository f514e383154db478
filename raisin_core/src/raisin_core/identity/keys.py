"""A member's CURVE key pair and the file that holds it.

Rules of this file: a secret key is never printed, never readable by others, and never written twice.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import zmq
from zmq.utils import z85

from raisin_core import home
from raisin_core.errors import KeyFileError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KEY_LENGTH: Final = 40
_HEADER: Final = "# The key pair of this machine. Whoever has the secret can act as it: never copy or send this file.\n"


class Keys(NamedTuple):
    """A CURVE key pair, each half as 40 bytes of Z85 text."""

    public: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"Keys(public={self.public!r})"


def make() -> Keys:
    """A new key pair."""
    return Keys(*zmq.curve_keypair())


def check_key(text: str) -> bytes:
    """A public key as it was typed or pasted, checked. Raises ValueError.

    >>> check_key("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7")
    b'rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7'
    """
    key = text.strip()
    if len(key) != KEY_LENGTH:
        raise ValueError(f"a key has {KEY_LENGTH} characters, {key!r} has {len(key)}")
    strange = sorted(set(key) - set(z85.Z85CHARS.decode()))
    if strange:
        raise ValueError(f"the key {key!r} has characters that no key has: {' '.join(map(repr, strange))}")
    try:
        good = z85.encode(z85.decode(key)) == key.encode()
    except Exception:  # noqa: BLE001 - a group of five above 2**32 fails in ways that differ between versions
        good = False
    if not good:
        raise ValueError(f"{key!r} is not a key (a character must have been changed)")
    return key.encode()


def load_or_make(path: Path) -> tuple[Keys, bool]:
    """The key pair in the file, and whether it was made just now. The directory must exist.

    Raises KeyFileError if others may read the file or it holds no key pair, OSError if it cannot be read or made.
    Of several processes that come at once one makes the keys and all get the same.
    """
    if path.exists():
        return load(path), False
    with home.Lock(path.with_name(f".{path.name}.lock")):
        if path.exists():
            return load(path), False
        keys = make()
        text = f'{_HEADER}public = "{keys.public.decode()}"\nsecret = "{keys.secret.decode()}"\n'
        home.write_private(path, text.encode())
        return keys, True


def load(path: Path) -> Keys:
    """The key pair in a file. Raises KeyFileError, OSError."""
    with open(path, "rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if os.name == "posix" and mode & 0o077:
            raise KeyFileError(
                f"others can read the secret key in {path} (mode {mode:04o}): if nobody has, run chmod 600 {path}; "
                "else delete it, and a new one will be made"
            )
        data = file.read(10_000)
    try:
        table: dict[str, Any] = tomllib.loads(data.decode())
        keys = Keys(check_key(table["public"]), check_key(table["secret"]))
        matching = zmq.curve_public(keys.secret) == keys.public
    except (ValueError, KeyError, AttributeError):  # no cause: its text could show a secret
        raise KeyFileError(_damaged(path)) from None
    if not matching:
        raise KeyFileError(_damaged(path))
    return keys


def _damaged(path: Path) -> str:
    return f"{path} holds no key pair (it was changed or cut): put a copy back, or delete it and get a new one"
