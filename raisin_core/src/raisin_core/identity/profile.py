"""What a machine keeps of a cluster it belongs to, in `home()/clusters/NAME`; and which cluster is the active one.

    member.key       the seed of this machine's keys, and the cluster's id
    grant.key        the seed of the invitation, until the root has signed a roster with this machine in it
    root.key         the root's seed, where the cluster was created
    book             the newest roster and what was added to it
    settings.toml    whose code runs here, whose machines are mine
    worker/, clients/    the directories of the programs

Rules of this file: all is private, and refused where others can read or write it; a file is whole or not there; every
process may adopt a newer book, none ever an older one; keys of epochs are in no file of their own.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from raisin_core import home
from raisin_core.errors import InvitationError, KeyFileError, RosterError, SealError, UsageError
from raisin_core.identity.checking import check_cluster_name, check_label, is_cluster_name
from raisin_core.identity.documents import MAX_BOOK, Member
from raisin_core.identity.epochs import keys_of
from raisin_core.identity.founding import Root
from raisin_core.identity.sealed import Held, MemberSealer
from raisin_core.identity.secrets import GRANT_SEED, MEMBER_SEED, Secrets
from raisin_core.identity.seeds import read_private, read_seed, write_seed
from raisin_core.identity.standing import Standing, read_book, same_roster

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_SETTINGS: Final = 4 * 1024 * 1024  # bytes


class Profile:
    """A cluster that this machine belongs to. Threads and processes may use the same one at the same time."""

    def __init__(self, directory: Path) -> None:
        self.name = directory.name
        self.directory = directory
        self._thread = threading.RLock()
        self._lock = directory / ".lock"
        seed, cluster = read_seed(directory / "member.key")
        self.cluster = cluster
        self._seen: tuple[object, object] = (None, None)
        self.secrets = Secrets.derive(seed)
        self.root = _root(directory, cluster)
        self._grant = _grant(directory)
        self._near = home.near_broker(directory.name)
        self._read()

    # -- which there are ---------------------------------------------------------------------------------------------

    @classmethod
    def load(cls, name: str | None = None) -> Profile:
        """The profile of a cluster, by default of the active one. Raises UsageError if there is none; KeyFileError,
        RosterError, SealError or OSError if it cannot be used."""
        chosen = name if name is not None else cls.active_name()
        if chosen is None:
            raise UsageError("this machine is in no cluster: raisin join rsn1-..., or raisin cluster create NAME")
        _check_name(chosen)
        if not (_clusters() / chosen / "book").exists():
            known = ", ".join(cls.names()) or "none"
            raise UsageError(f"this machine is not in a cluster {chosen!r} (it is in: {known})")
        return cls(_clusters() / chosen)

    @staticmethod
    def active_name() -> str | None:
        """The name of the active cluster; None if there is none. Raises UsageError if what should say so is damaged,
        OSError."""
        path = home.home() / "active"
        try:
            with open(path, "rb") as file:
                name = file.read(1000).decode(errors="replace").strip()
        except FileNotFoundError:
            return None
        try:
            return check_cluster_name(name)
        except ValueError:
            raise UsageError(f"{path} does not say which cluster is active: delete it, then choose one again") from None

    @staticmethod
    def names() -> list[str]:
        """The clusters that this machine belongs to. Raises OSError."""
        found = (path.parent.name for path in _clusters().glob("*/book"))
        return sorted(name for name in found if is_cluster_name(name))

    @staticmethod
    def use(name: str | None) -> None:
        """Make this cluster the active one; None: no cluster is. Raises UsageError, OSError."""
        path = home.private_directory(home.home()) / "active"
        if name is None:
            path.unlink(missing_ok=True)
            return
        if name not in Profile.names():
            raise UsageError(f"this machine is not in a cluster {name!r} (it is in: {', '.join(Profile.names())})")
        home.write_private(path, f"{name}\n".encode())

    @classmethod
    def create(
        cls, name: str, seed: bytes, book: bytes, root_seed: bytes | None = None, grant_seed: bytes | None = None
    ) -> Profile:
        """Keep a cluster under this name: `seed` is that of this machine's keys, `grant_seed` the invitation's by
        which it joined, `root_seed` the root's, where the cluster is made here.

        Raises UsageError if there is one of this name, RosterError, InvitationError or SealError if the book is not
        this machine's, OSError.
        """
        _check_name(name)
        standing = read_book(book)
        _keys(standing, Secrets.derive(seed), Secrets.derive(grant_seed) if grant_seed else None)
        if root_seed is not None and Root(root_seed).cluster != standing.cluster:
            raise RosterError(f"this root key is not that of {standing.name!r}")
        directory = _clusters() / name
        home.private_directory(_clusters())
        with home.Lock(_clusters() / ".lock"):
            if (directory / "book").exists():
                raise UsageError(f"this machine is in a cluster {name!r} already: choose another name for this one")
            home.private_directory(directory)
            write_seed(directory / "member.key", seed, cluster=standing.cluster)
            if root_seed is not None:
                write_seed(directory / "root.key", root_seed)
            if grant_seed is not None:
                write_seed(directory / "grant.key", grant_seed)
            home.write_private(directory / "book", book)
        if grant_seed is not None:
            _joining(grant_seed).unlink(missing_ok=True)
        return cls(directory)

    @staticmethod
    def seed_to_join(grant_seed: bytes, anew: bool = False) -> bytes:
        """The seed of the keys with which this machine joins by an invitation: made once and kept until `create`, so
        that joining can be tried again when the answer was lost; `anew` makes another (the name that goes with the
        keys may be taken). Raises KeyFileError, OSError."""
        path = _joining(grant_seed)
        home.private_directory(path.parent)
        with home.Lock(path.parent / ".lock"):
            if anew or not path.exists():
                write_seed(path, os.urandom(MEMBER_SEED))
            return read_seed(path)[0]

    @staticmethod
    def discard(name: str) -> None:
        """Delete a cluster's profile, keys and all. Raises UsageError, OSError."""
        if name not in Profile.names():
            raise UsageError(f"this machine is not in a cluster {name!r}")
        if Profile.active_name() == name:
            Profile.use(None)
        with home.Lock(home.private_directory(_clusters()) / ".lock"):
            shutil.rmtree(_clusters() / name)

    # -- what it says ------------------------------------------------------------------------------------------------

    @property
    def held(self) -> Held:
        """The newest standing and the keys of the epochs in use, which belong together."""
        return self._held

    @property
    def standing(self) -> Standing:
        """Who belongs to the cluster, as far as it is known here."""
        return self._held.standing

    @property
    def keys(self) -> Mapping[int, bytes]:
        """The keys of the epochs in use, by epoch."""
        return self._held.keys

    @property
    def me(self) -> Member:
        """This machine."""
        return self.standing.by_signature[self.secrets.public.ed25519]

    @property
    def addresses(self) -> list[str]:
        """Where the broker is; first the way to it that needs no network, if it is here."""
        return [*self._near, *self.standing.broker.addresses]

    @property
    def broker_key(self) -> bytes:
        """The broker's CURVE key (Z85)."""
        return self.standing.broker.key

    @property
    def mine(self) -> frozenset[bytes]:
        """The Ed25519 keys of this machine and of those confirmed as the user's own."""
        return self._mine

    @property
    def runs(self) -> list[str]:
        """The accounts whose code the worker here runs, besides that of the user's own machines."""
        return list(self._runs)

    def sealer(self, former: bool = False) -> MemberSealer:
        """What seals and opens as this machine; it follows this profile. `former`: it also opens what somebody sealed
        who was a member then."""
        return MemberSealer(self, former)

    def __repr__(self) -> str:
        return f"<profile of {self.name}, {self.standing!r}>"

    # -- what changes it ---------------------------------------------------------------------------------------------

    def adopt(self, book: bytes) -> bool:
        """Take a book that somebody handed on, if it is newer; whether anything changed here.

        Raises RosterError for an older roster than was known, another cluster's, another one of the same version, one
        without this machine; InvitationError or SealError for one that is not right; OSError. Nothing is changed then.
        """
        found = read_book(book, self.cluster)
        with self._thread, home.Lock(self._lock):
            known = self.standing
            if found.version < known.version:
                raise RosterError(f"roster {found.version} is older than {known.version}, which is known here")
            reread = self.reload()
            newest = self.standing
            if found.version == newest.version and not same_roster(found, newest):
                raise RosterError(f"there are two rosters {found.version} of {found.name!r}: somebody has signed twice")
            if found.newer_than(newest):
                self._adopt(found.carry(newest))
            return reread or self.standing != known

    def _adopt(self, standing: Standing) -> None:
        held = Held(standing, _keys(standing, self.secrets, self._grant))
        path = self.directory / "book"
        home.write_private(path, standing.book)
        self._held, self._seen = held, (self._signature()[0], self._seen[1])
        if self._grant is not None and _folded(standing, self.secrets):
            (self.directory / "grant.key").unlink(missing_ok=True)
            self._grant = None

    def reload(self) -> bool:
        """Read again what other processes may have changed; whether anything had. Raises what `load` does."""
        with self._thread:
            if self._seen == self._signature():
                return False
            self._read()
            return True

    def confirm(self, member: Member, mine: bool = True) -> None:
        """Say that a member is the user's own machine (or is not). Raises RosterError, OSError."""
        with self._thread, home.Lock(self._lock):
            self._read_settings()
            others = self._confirmed - {member.publics.ed25519}
            self._write_settings(self._runs, others | {member.publics.ed25519} if mine else others)

    def set_runs(self, accounts: Sequence[str]) -> None:
        """Say whose code the worker here runs. Raises UsageError, RosterError, OSError."""
        try:
            checked = [check_label("account", each) for each in accounts]
        except ValueError as error:
            raise UsageError(str(error)) from None
        with self._thread, home.Lock(self._lock):
            self._read_settings()
            self._write_settings(checked, self._confirmed)

    # -- files -------------------------------------------------------------------------------------------------------

    def _signature(self) -> tuple[object, object]:
        return _stat(self.directory / "book"), _stat(self.directory / "settings.toml")

    def _read(self) -> None:
        seen = self._signature()  # taken before reading: what changes meanwhile is read again
        path = self.directory / "book"
        data = read_private(path, MAX_BOOK + 1)
        try:
            standing = read_book(data, self.cluster)
            self._held = Held(standing, _keys(standing, self.secrets, self._grant))
        except (RosterError, InvitationError, SealError) as error:
            raise RosterError(f"{path}: {error}. Put a copy back, or delete {self.directory} and join again") from None
        self._read_settings()
        self._seen = seen

    def _read_settings(self) -> None:
        path = self.directory / "settings.toml"
        try:
            data = read_private(path, _SETTINGS)
        except FileNotFoundError:
            data = b""
        try:
            table: dict[str, Any] = tomllib.loads(data.decode())
            self._runs = [check_label("account", each) for each in _texts(table.pop("runs", []))]
            self._confirmed = frozenset(_bytes32(each) for each in _texts(table.pop("confirmed", [])))
            if table:
                raise ValueError(f"{min(table)!r} means nothing here")
        except (ValueError, RecursionError) as error:
            raise RosterError(f"{path}: {error}. Put it right, or delete it (then only own code runs here)") from None
        self._mine = self._confirmed | {self.secrets.public.ed25519}

    def _write_settings(self, runs: Sequence[str], confirmed: frozenset[bytes]) -> None:
        lists = {"runs": list(runs), "confirmed": sorted(each.hex() for each in confirmed)}
        text = "".join(f"{name} = {json.dumps(each, ensure_ascii=False)}\n" for name, each in lists.items())
        home.write_private(self.directory / "settings.toml", text.encode())
        self._read_settings()
        self._seen = (self._seen[0], self._signature()[1])


def _clusters() -> Path:
    return home.home() / "clusters"


def _joining(grant_seed: bytes) -> Path:
    return _clusters() / f".joining-{Secrets.derive(grant_seed).public.ed25519.hex()[:16]}.key"


def _check_name(name: str) -> None:
    try:
        check_cluster_name(name)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _keys(standing: Standing, own: Secrets, grant: Secrets | None) -> dict[int, bytes]:
    """The keys for this machine, which must be a member; by its invitation as long as it has no wrap of its own."""
    me = standing.by_signature.get(own.public.ed25519)
    if me is None or me.publics != own.public:
        raise RosterError(f"this machine is not a member of {standing.name!r} (any more)")
    if _folded(standing, own) or grant is None:
        return keys_of(standing, own.x25519, own.public.x25519)
    return keys_of(standing, grant.x25519, grant.public.x25519)


def _folded(standing: Standing, own: Secrets) -> bool:
    """Whether the signed roster itself has this machine."""
    return all(each.publics.ed25519 != own.public.ed25519 for each in standing.parts.admissions)


def _root(directory: Path, cluster: bytes) -> Root | None:
    path = directory / "root.key"
    if not path.exists():
        return None
    root = Root(read_seed(path)[0])
    if root.cluster != cluster:
        raise KeyFileError(f"{path} is the root key of another cluster: put a copy of the right one back, or delete it")
    return root


def _grant(directory: Path) -> Secrets | None:
    path = directory / "grant.key"
    return Secrets.derive(read_seed(path, GRANT_SEED)[0]) if path.exists() else None


def _stat(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{value!r} is not a list of texts")
    return value


def _bytes32(text: str) -> bytes:
    data = bytes.fromhex(text)
    if len(data) != 32:
        raise ValueError(f"{text!r} is not a key")
    return data
