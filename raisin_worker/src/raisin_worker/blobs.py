"""The worker's blobs: files that task processes know by the SHA-256 of their content.

On the wire a blob has another name where payloads are sealed: the SHA-256 of what travels. What comes is opened before
it has its name here, and what goes is sealed into a file beside it; each takes a blob's size in memory two or three
times for a moment, since it is sealed as a whole. Where nothing is sealed names are the same and nothing is copied.

Rules of this file: a file has a name only if its content is what the name says, whoever brought it.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from raisin_core.errors import SealError
from raisin_core.identity.sealing import Sealer
from raisin_worker.frames import FrameError

Done = Callable[[bool], None]


class Blobs:
    """The directory of blobs; with a `sealer`, what comes is opened and what goes is sealed."""

    def __init__(self, directory: Path, log: logging.Logger, sealer: Sealer | None = None) -> None:
        self.directory, self.sealer, self.log = directory, sealer, log

    def has(self, name: bytes) -> bool:
        """Whether it is here."""
        return self.path(name).exists()

    def path(self, name: bytes) -> Path:
        """Where it is, or would be."""
        return self.directory / name.hex()

    def sink(self, digest: bytes, name: bytes, done: Done) -> FileSink:
        """Where to put what the broker brings under this digest; `done` hears whether it has its name now."""
        return FileSink(self, digest, name, done)

    def seal(self, name: bytes) -> bytes:
        """Seal what a task process made, for its way; the digest of the sealed file. Raises FrameError if its content
        is not what it is called by, OSError, SealError."""
        assert self.sealer is not None
        data = self.path(name).read_bytes()
        if hashlib.sha256(data).digest() != name:
            raise FrameError("a blob that is not what it is called by")
        digest, sealed = self.sealer.seal_blob(data)
        if not self.has(digest):
            self.write(digest, sealed)
        return digest

    def open(self, part: Path, name: bytes) -> bool:
        """Open a blob that came, and give it its name; False if it is not what its member said it is."""
        assert self.sealer is not None
        try:
            data = self.sealer.open_blob(part.read_bytes())
        except SealError as error:
            self.log.error("a blob is refused: %s", error)
            return False
        if hashlib.sha256(data).digest() != name:
            self.log.error("a blob is refused: it is not what its page calls it by")
            return False
        self.write(name, data)
        return True

    def write(self, name: bytes, data: bytes) -> None:
        """A file that appears whole or not at all. Raises OSError."""
        part = self.directory / f".{name.hex()}.new"
        part.write_bytes(data)
        part.replace(self.path(name))

    def size(self, digest: bytes) -> int:
        """Its size in bytes. Raises OSError."""
        return self.path(digest).stat().st_size

    def read(self, digest: bytes, offset: int, length: int) -> bytes:
        """A piece of it. Raises OSError."""
        with open(self.path(digest), "rb") as file:
            file.seek(offset)
            return file.read(length)


class FileSink:
    """A blob on its way here; it appears whole or not at all."""

    def __init__(self, blobs: Blobs, digest: bytes, name: bytes, done: Done) -> None:
        self._blobs, self._name, self._done = blobs, name, done
        self._part = blobs.directory / f".{digest.hex()}.{name.hex()[:16]}.part"
        self._file = open(self._part, "wb", opener=_private)  # noqa: SIM115 - closed in finish

    def write(self, data: bytes) -> None:
        """The next piece."""
        self._file.write(data)

    def finish(self, good: bool) -> None:
        """All is there; `good` if it is what its digest says."""
        self._file.close()
        if good and self._blobs.sealer is None:
            self._part.replace(self._blobs.path(self._name))
        else:
            good = good and self._blobs.open(self._part, self._name)
            self._part.unlink(missing_ok=True)
        self._done(good)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
