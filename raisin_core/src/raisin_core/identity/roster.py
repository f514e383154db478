"""The roster: who may connect to a cluster, as a TOML file that people edit.

    [[member]]
    key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
    name = "zoe"
    roles = ["client", "worker"]
    account = "zoe"          # whose machine it is; left out, the machine counts as a person of its own

Rules of this file: nothing is guessed: what is not understood is an error that names file, entry and problem. A file
that is missing admits nobody; an edit that is wrong changes nothing until it is put right.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from raisin_core import home
from raisin_core.errors import RosterError
from raisin_core.identity.keys import check_key

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROLES: Final = frozenset(("client", "worker", "admin"))
MAX_NAME: Final = 64
MAX_SIZE: Final = 4 * 1024 * 1024

_FIELDS: Final = frozenset(("key", "name", "roles"))
_MAY: Final = frozenset(("account",))
_Signature = tuple[int, int, int, int]
_MISSING: Final = (0, 0, 0, 0)


class Member(msgspec.Struct, frozen=True):
    """A machine that may connect: its public key (40 bytes of Z85), its name, what it may be, and whose it is: the
    jobs of an account are those of all its machines."""

    key: bytes
    name: str
    roles: frozenset[str]
    account: str = ""


class Roster(msgspec.Struct, frozen=True):
    """All members, by key."""

    members: Mapping[bytes, Member] = {}

    @classmethod
    def load(cls, path: Path) -> Roster:
        """Read a roster; an empty one if there is no such file. Raises RosterError, OSError."""
        try:
            with open(path, "rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                data = file.read(MAX_SIZE + 1)
        except FileNotFoundError:
            return cls()
        if os.name == "posix" and mode & stat.S_IWOTH:
            raise RosterError(f"{path}: everybody on this machine may write to it: run chmod o-w {path}")
        return cls.parse(data, str(path))

    @classmethod
    def parse(cls, data: bytes, name: str = "roster") -> Roster:
        """Check the text of a roster; `name` is for errors. Raises RosterError."""
        if len(data) > MAX_SIZE:
            raise RosterError(f"{name}: larger than {MAX_SIZE} bytes")
        try:
            table: dict[str, Any] = tomllib.loads(data.decode())
        except ValueError as error:  # tomllib.TOMLDecodeError and UnicodeDecodeError are both
            raise RosterError(f"{name}: not valid TOML: {error}") from None
        except RecursionError:
            raise RosterError(f"{name}: nested too deeply") from None
        unknown = sorted(set(table) - {"member"})
        if unknown:
            raise RosterError(f"{name}: {unknown[0]!r} means nothing here; each entry begins with [[member]]")
        entries = table.get("member", [])
        if not isinstance(entries, list):
            raise RosterError(f"{name}: write [[member]] with two pairs of brackets")
        return cls(_members(entries, name))


class RosterFile:
    """A roster that follows its file. The newest good content counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._roster = Roster()
        self._seen: _Signature | None = None
        self._problem: str | None = None
        self._told: str | None = None
        self._asked = False

    def current(self) -> Roster:
        """The roster; costs one `stat` unless the file has changed. Never raises: see `problem`."""
        if self._asked:
            self._problem, self._asked = None, False
        seen = self._signature()
        if seen is None or seen != self._seen:
            self._seen = seen  # taken before reading: what changes meanwhile is read again
            self._reread()
        return self._roster

    def members(self) -> Mapping[bytes, Member]:
        """The members by key: what a gate asks for."""
        return self.current().members

    @property
    def problem(self) -> str | None:
        """What is wrong with the newest edit; the last good roster stays in force. Once asked for, the next `current()`
        clears it, so that it is told once, whoever else calls `current()`."""
        self._asked = True
        return self._problem

    def _reread(self) -> None:
        try:
            self._roster = Roster.load(self.path)
        except RosterError as error:
            self._tell(str(error))
        except OSError as error:
            self._seen = None  # it may pass without the file changing: try again at the next call
            self._tell(f"{self.path} cannot be read: {error.strerror or error}")
        else:
            self._problem = self._told = None

    def _tell(self, problem: str) -> None:
        if problem != self._told:
            self._problem = self._told = problem

    def _signature(self) -> _Signature | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return _MISSING
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def line_to_add(key: bytes | str, name: str, *roles: str, account: str = "") -> str:
    """The lines that admit a member: what its owner pastes into the roster.

    >>> print(line_to_add("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", "zoe", "worker"), end="")
    [[member]]
    key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
    name = "zoe"
    roles = ["worker"]
    """
    text = key if isinstance(key, str) else key.decode()
    quoted = json.dumps(name, ensure_ascii=False)  # what JSON escapes, TOML escapes the same way
    whose = f"account = {json.dumps(account, ensure_ascii=False)}\n" if account else ""
    return f'[[member]]\nkey = "{text}"\nname = {quoted}\nroles = {json.dumps(list(roles))}\n{whose}'


def add(path: Path, key: bytes | str, name: str, roles: Sequence[str], account: str = "") -> bool:
    """Append a member, keeping what people wrote; False if it is there already with the same name, roles and account
    (its own, where none is given).

    Raises RosterError if the key is there otherwise, or the result would not be a roster; OSError.
    """
    with home.Lock(path.with_name(f".{path.name}.lock")):
        before = path.read_bytes() if path.exists() else b""
        wanted = check_key(key if isinstance(key, str) else key.decode())
        known = Roster.parse(before, str(path)).members.get(wanted)
        if known is not None and known == Member(wanted, name, frozenset(roles), account or name):
            return False
        gap = b"" if not before else b"\n" if before.endswith(b"\n") else b"\n\n"
        after = before + gap + line_to_add(wanted, name, *roles, account=account).encode()
        Roster.parse(after, str(path))
        home.write_private(path, after)
        return True


def _members(entries: Sequence[Any], file: str) -> dict[bytes, Member]:
    members: dict[bytes, Member] = {}
    for number, entry in enumerate(entries, 1):
        where = f"{file}: member {number}"
        if isinstance(entry, dict) and isinstance(entry.get("name"), str):
            where += f" ({entry['name'][:MAX_NAME]!r})"
        try:
            member = _member(entry)
        except ValueError as error:
            raise RosterError(f"{where}: {error}") from None
        if member.key in members:
            raise RosterError(f"{where}: {members[member.key].name!r} has the same key")
        members[member.key] = member
    return members


def _member(entry: Any) -> Member:
    """One entry, checked. Raises ValueError."""
    if not isinstance(entry, dict):
        raise ValueError("is not a table of key, name and roles")
    missing, unknown = sorted(_FIELDS - set(entry)), sorted(set(entry) - _FIELDS - _MAY)
    if missing:
        raise ValueError(f"has no {missing[0]!r}")
    if unknown:
        raise ValueError(f"has an unknown field {unknown[0]!r}")
    if not isinstance(entry["key"], str):
        raise ValueError("'key' is not a text")
    name = _name("name", entry["name"])
    account = _name("account", entry.get("account", name))
    return Member(check_key(entry["key"]), name, _roles(entry["roles"]), account)


def _name(field: str, name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"{field!r} is not a text with something in it")
    if len(name) > MAX_NAME:
        raise ValueError(f"{field!r} has {len(name)} characters, at most {MAX_NAME} are allowed")
    if not name.isprintable():
        raise ValueError(f"{field!r} has characters that cannot be printed")
    return name


def _roles(roles: Any) -> frozenset[str]:
    if not isinstance(roles, list) or not roles:
        raise ValueError(f"'roles' is not a list of some of {', '.join(sorted(ROLES))}")
    for role in roles:
        if not isinstance(role, str) or role not in ROLES:
            raise ValueError(f"there is no role {role!r}; there are {', '.join(sorted(ROLES))}")
    return frozenset(roles)
