"""Blobs that no job uses any more are deleted while the broker runs, in small steps.

A blob belongs to nobody from its upload until the job or result that needs it is recorded; and a client that was told
"it is here" counts on that for as long as it lives, also when its next job comes much later. So these stay: what a job
uses; what was asked for less than `GRACE` ago (that renews a file's time); what a client asked for that is connected,
or was less than `GRACE` ago. Of what was asked for before this run it is not known by whom: `OLD_GRACE`.

Rules of this file: files of blobs, no decision about jobs. What jobs use is looked up in the same step in which files
are deleted, so nothing can begin to be used in between.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final, NamedTuple

from raisin_broker.store.blobs import _NAME, Blobs

GRACE: Final = 15 * 60.0
OLD_GRACE: Final = 24 * 3600.0
FOLDERS: Final = 16  # looked through per step
FILES: Final = 200  # deleted per step


class File(NamedTuple):
    """A blob or a part of one: its name, when it was asked for last (wall-clock time), and its size in bytes."""

    name: str
    touched: float
    size: int

    @property
    def digest(self) -> bytes:
        return bytes.fromhex(self.name[:64])


class Uploads(Blobs):
    """Blobs, and who asked for which. `who` is the key of the member that is being answered; `added` counts the bytes
    that came since it was set to 0."""

    who = ""
    added = 0

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory
        self.asked: dict[str, set[bytes]] = {}

    def put(self, digest: bytes, offset: int, size: int, data: bytes) -> tuple[int, bool]:
        """Take a piece, as `Blobs.put`."""
        here, complete = super().put(digest, offset, size, data)
        self.added += len(data)
        if complete:
            self.asked.setdefault(self.who, set()).add(digest)
        return here, complete

    def files(self, folder: Path) -> list[File]:
        """The blobs, and parts of blobs, in one of the folders. Raises OSError."""
        found = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    found.append(File(entry.name, status.st_mtime, status.st_size))
        return found

    def remove(self, name: str) -> None:
        """Delete a file that nobody needs. Raises OSError."""
        (self.directory / name[:2] / name).unlink(missing_ok=True)
        self._parts.pop(bytes.fromhex(name[:64]), None)


class Sweeper:
    """Walks through all blobs now and then. `used` is how many bytes of them jobs needed at the end of the last walk;
    `clients` gives the keys of the members that are connected as clients; `since` is when this run began."""

    def __init__(
        self, blobs: Uploads, in_use: Callable[[], set[bytes]], clients: Callable[[], Collection[str]], since: float
    ) -> None:
        self.used = 0
        self.busy = False
        self._blobs, self._in_use, self._clients, self._since = blobs, in_use, clients, since
        self._folders: list[Path] = []
        self._found: list[File] = []
        self._here: dict[str, float] = {}

    def begin(self) -> None:
        """Start a walk, unless one is under way."""
        if not self.busy:
            self.busy, self._found, self._blobs.added = True, [], 0
            self._folders = sorted(self._blobs.directory.glob("[0-9a-f][0-9a-f]"))

    def step(self, now: float) -> int:
        """Go on with the walk for a few milliseconds; how many files were deleted. Raises StoreError, OSError: the
        walk is over then."""
        folders, self._folders = self._folders[:FOLDERS], self._folders[FOLDERS:]
        try:
            for folder in folders:
                self._found += self._blobs.files(folder)
            self.busy = bool(self._folders)
            return 0 if self.busy else self._finish(now)
        except BaseException:
            self.busy = False
            raise

    def _finish(self, now: float) -> int:
        """All files are known: delete some that nobody needs; the rest may wait for the next walk."""
        in_use = self._in_use()
        self.used = sum(file.size for file in self._found if file.digest in in_use)
        wanted = in_use.union(*(self._blobs.asked[key] for key in self._counting(now)))
        old = [file for file in self._found if self._old(file, now) and file.digest not in wanted]
        for file in old[:FILES]:
            self._blobs.remove(file.name)
        self._found = []
        if len(old) > FILES:
            self.begin()
        return min(len(old), FILES)

    def _counting(self, now: float) -> list[str]:
        """The members that may count on what they asked for; what others asked for is forgotten."""
        self._here.update(dict.fromkeys(self._clients(), now))
        self._here = {key: at for key, at in self._here.items() if now - at < GRACE}
        for key in self._blobs.asked.keys() - self._here.keys():
            del self._blobs.asked[key]
        return list(self._blobs.asked)

    def _old(self, file: File, now: float) -> bool:
        return now - file.touched > (GRACE if file.touched >= self._since else OLD_GRACE)
