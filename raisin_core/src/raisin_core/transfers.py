"""Blobs to and from the broker, in pieces: the peer's end of the second socket pair.

A few pieces are under way at a time; after a lost connection, or when nothing was answered for a while (the broker's
disk may be full), each transfer asks where it was and goes on from there.

Rules of this file: no socket and no clock; it says what to send and where the bytes go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from raisin_core.messages import CHUNK, Chunk, Get, Have, Message, Put

WINDOW: Final = 8
PATIENCE: Final = 5.0
"""Seconds without an answer after which everything is asked again."""

Said = tuple[Message, bytes]


class Sink(Protocol):
    """Where a blob goes: pieces come in order."""

    def write(self, data: bytes) -> None: ...

    def finish(self, good: bool) -> None:
        """All is there; `good` if it is what its digest says."""
        ...


class Memory:
    """A sink that keeps the blob and gives it to a callback (None where the broker does not have it)."""

    def __init__(self, done: Callable[[bytes | None], None]) -> None:
        self._pieces: list[bytes] = []
        self._done = done

    def write(self, data: bytes) -> None:
        self._pieces.append(data)

    def finish(self, good: bool) -> None:
        self._done(b"".join(self._pieces) if good else None)


class _Upload:
    def __init__(self, digest: bytes, size: int, read: Callable[[int, int], bytes]) -> None:
        self.digest, self.size, self._read = digest, size, read
        self.there = self.sent = 0
        self.begun = False

    def begin(self) -> Iterator[Said]:
        self.begun = False
        yield Put(self.digest, 0, self.size), b""

    def on_have(self, message: Have) -> Iterator[Said]:
        if not self.begun or message.offset < self.there:
            self.sent = message.offset
        self.begun, self.there = True, message.offset
        self.sent = max(self.sent, self.there)
        while self.sent < min(self.size, self.there + WINDOW * CHUNK):
            piece = self._read(self.sent, CHUNK)
            yield Put(self.digest, self.sent, self.size), piece
            self.sent += len(piece)


class _Download:
    def __init__(self, digest: bytes, sink: Sink) -> None:
        self.digest, self.sink = digest, sink
        self.hash = hashlib.sha256()
        self.here = self.asked = 0
        self.size: int | None = None

    def begin(self) -> Iterator[Said]:
        self.asked = self.here
        yield Get(self.digest, self.here), b""
        self.asked = self.here + CHUNK

    def on_chunk(self, message: Chunk, data: bytes) -> Iterator[Said]:
        if message.offset != self.here:
            return
        self.size = message.size
        self.sink.write(data)
        self.hash.update(data)
        self.here += len(data)
        while self.asked < min(self.size, self.here + WINDOW * CHUNK):
            yield Get(self.digest, self.asked), b""
            self.asked += CHUNK

    @property
    def complete(self) -> bool:
        return self.size is not None and self.here >= self.size


class Transfers:
    """All transfers of a peer. Every method gives what is to be sent."""

    def __init__(self) -> None:
        self._up: dict[bytes, _Upload] = {}
        self._down: dict[bytes, _Download] = {}
        self._later: dict[bytes, list[Sink]] = {}
        self._answers = self._seen = 0
        self._since = 0.0

    def look(self, now: float) -> list[Said]:
        """Time has passed: if something is under way and nothing has come for long, ask again."""
        if self._answers != self._seen or not (self._up or self._down):
            self._seen, self._since = self._answers, now
        if now - self._since < PATIENCE:
            return []
        self._since = now
        return self.restart()

    def send(self, digest: bytes, size: int, read: Callable[[int, int], bytes]) -> list[Said]:
        """Bring a blob to the broker; `read(offset, length)` gives its bytes."""
        if digest in self._up:
            return []
        self._up[digest] = upload = _Upload(digest, size, read)
        return list(upload.begin())

    def fetch(self, digest: bytes, sink: Sink) -> list[Said]:
        """Get a blob into a sink; if it is on its way to another one, once more after that."""
        if digest in self._down:
            self._later.setdefault(digest, []).append(sink)
            return []
        self._down[digest] = download = _Download(digest, sink)
        return list(download.begin())

    def restart(self) -> list[Said]:
        """The connection was lost: ask again."""
        up = [said for each in self._up.values() for said in each.begin()]
        return up + [said for each in self._down.values() for said in each.begin()]

    def on_have(self, message: Have) -> tuple[list[Said], bool]:
        """The broker has so much; also whether it has it all now."""
        self._answers += 1
        upload = self._up.get(message.digest)
        if upload is None:
            return [], False
        if message.complete:
            del self._up[message.digest]
            return [], True
        return list(upload.on_have(message)), False

    def on_chunk(self, message: Chunk, data: bytes) -> tuple[list[Said], bool | None]:
        """A piece has come; also whether the blob is complete now (False: it cannot be had; None: not yet)."""
        self._answers += 1
        download = self._down.get(message.digest)
        if download is None:
            return [], None
        said = list(download.on_chunk(message, data)) if message.size >= 0 else []
        if message.size >= 0 and not download.complete:
            return said, None
        del self._down[message.digest]
        good = message.size >= 0 and download.hash.digest() == message.digest
        download.sink.finish(good)
        for sink in self._later.pop(message.digest, []):
            said += self.fetch(message.digest, sink)
        return said, good
