"""The private directory on this host: where it is, how files get into it, who holds a lock, who is alive.

Rules of this file: files are 0600 and directories 0700 (where the system has such modes); a file appears whole or not
at all; a lock ends with the process that holds it, however that ends. Imports are light: it is part of every start.
"""

from __future__ import annotations

import hashlib
import importlib
import itertools
import os
import secrets
import socket
import stat
import sys
import weakref
from pathlib import Path
from types import TracebackType
from typing import Any, Final

if sys.platform == "win32":  # not run in our own tests
    import msvcrt
else:
    import fcntl

MAX_SOCKET_PATH: Final = 100
"""Bytes: macOS allows 103 for the path of a socket, Linux 107."""
MAX_SOCKET_NAME: Final = 32
"""Bytes that `runtime_directory` leaves for the name of a socket in it."""


def home() -> Path:
    """The directory of keys, state, sockets and logs: `RAISIN_HOME`, or the user's data directory. Not created here."""
    chosen = os.environ.get("RAISIN_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_data_dir("raisin", appauthor=False))


def brokers() -> Path:
    """The directory with those of the brokers on this machine, by cluster. Not created here."""
    return home() / "brokers"


def near_broker(cluster: str) -> list[str]:
    """The address of a cluster's broker that is on this machine; none if it is elsewhere. Raises OSError."""
    try:
        return [(brokers() / cluster / "near").read_text("utf-8")]
    except FileNotFoundError:
        return []


def private_directory(path: Path) -> Path:
    """Make the directory if need be (and its parents, as private) and close it to others. Raises OSError."""
    missing = list(itertools.takewhile(lambda each: not each.exists(), path.parents))
    for each in [*reversed(missing), path]:
        each.mkdir(mode=0o700, exist_ok=True)
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        path.chmod(0o700)
    return path


def write_private(path: Path, data: bytes) -> None:
    """Put a file in place, 0600 and whole: whoever reads sees the old content or the new. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    number = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with open(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    """Make a rename durable; Windows has no such call."""
    if os.name != "posix":
        return
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


class Lock:
    """An exclusive lock between processes (and between two of these in one process), on a file that stays.

    The system releases it when the process ends. No child holds it, be it forked or started.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Lock(Path(folder) / "lock"):
    ...     Lock(Path(folder) / "lock").acquire(blocking=False)
    False
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None
        _locks.add(self)

    def acquire(self, blocking: bool = True) -> bool:
        """Take it; False if another has it and `blocking` is off. Raises RuntimeError if it is held here, OSError."""
        if self._file is not None:
            raise RuntimeError(f"the lock {self.path} is held already")
        while True:
            number = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                taken = _lock_file(number, blocking)
                valid = taken and self._is_at_path(number)
            except BaseException:
                os.close(number)
                raise
            if valid:
                self._file = number
                return True
            os.close(number)
            if not taken:
                return False

    def release(self) -> None:
        """Give it up; nothing happens if it is not held."""
        if self._file is not None:
            number, self._file = self._file, None
            _unlock_file(number)
            os.close(number)

    @property
    def held(self) -> bool:
        """Whether this object holds it."""
        return self._file is not None

    def _is_at_path(self, number: int) -> bool:
        """Whether the file locked is still the one that others would open (it may have been deleted meanwhile)."""
        try:
            return os.path.samestat(os.fstat(number), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _forget(self) -> None:
        """In a forked child: close the file without unlocking, since the lock is the parent's."""
        if self._file is not None:
            number, self._file = self._file, None
            os.close(number)

    def __enter__(self) -> Lock:
        self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


_locks: weakref.WeakSet[Lock] = weakref.WeakSet()


def _forget_locks() -> None:
    for lock in list(_locks):
        lock._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks)

if sys.platform == "win32":  # not run in our own tests

    def _lock_file(number: int, blocking: bool) -> bool:
        while True:
            try:
                msvcrt.locking(number, msvcrt.LK_LOCK if blocking else msvcrt.LK_NBLCK, 1)
            except OSError:
                if not blocking:
                    return False  # LK_LOCK itself gives up after ten seconds
            else:
                return True

    def _unlock_file(number: int) -> None:
        os.lseek(number, 0, os.SEEK_SET)
        msvcrt.locking(number, msvcrt.LK_UNLCK, 1)

else:

    def _lock_file(number: int, blocking: bool) -> bool:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | (0 if blocking else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True

    def _unlock_file(number: int) -> None:
        fcntl.flock(number, fcntl.LOCK_UN)


def runtime_directory() -> Path:
    """The directory for ipc sockets, made if need be: below `home()`, or in /tmp where that is too long for a socket.

    Names in it may have up to 32 bytes. Raises OSError, also if somebody else made the one in /tmp.
    """
    inside = home() / "run"
    if sys.platform == "win32" or len(os.fsencode(inside)) + 1 + MAX_SOCKET_NAME < MAX_SOCKET_PATH:
        return private_directory(inside)
    mark = hashlib.sha256(os.fsencode(home())).hexdigest()[:8]
    outside = Path(f"/tmp/raisin-{os.getuid()}-{mark}")
    outside.mkdir(mode=0o700, exist_ok=True)
    found = outside.lstat()  # others may write to /tmp: what is there may be a link, or theirs
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(
            f"{outside} is not a directory that only you can use: remove it, or set RAISIN_HOME to a path shorter than "
            f"{MAX_SOCKET_PATH - MAX_SOCKET_NAME - 5} bytes"
        )
    return outside


def started(pid: int) -> float | None:
    """When a process started, in the system's own unit (to be compared only with itself); None if it is not running."""
    if sys.platform == "linux":
        return _started_linux(pid)
    psutil: Any = importlib.import_module("psutil")
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None


def _started_linux(pid: int) -> float | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(b")") + 2 :].split()  # the name before it may hold anything
    return None if fields[0] in (b"Z", b"X") else float(fields[19])


def alive(pid: int, since: float) -> bool:
    """Whether the process that `started(pid)` gave `since` for is still running (and no other took its number)."""
    return started(pid) == since


def host_name() -> str:
    """This host's name without its domain: printable, 1 to 64 characters."""
    name = "".join(letter for letter in socket.gethostname().split(".")[0] if letter.isprintable())
    return name.strip()[:64] or "localhost"
