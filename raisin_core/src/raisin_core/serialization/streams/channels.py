"""The bytes of a stream's channels, put together from its frames.

Rules of this file: room is made for what has come, not for what was announced.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from raisin_core.errors import StreamError, Tampered
from raisin_core.serialization import compression
from raisin_core.serialization.streams import frames
from raisin_core.serialization.streams.frames import CODEC, Head
from raisin_core.serialization.streams.sources import Source, room
from raisin_core.serialization.streams.spool import Spool, Store

EXPANDS: Final = 1 << 30  # bytes that compressed payloads of a stranger's stream may become, beyond their own

NOTHING: Final = memoryview(b"")


class Frames:
    """The frames of a source, one after the other; `expands` bounds what decompressing may add."""

    def __init__(self, source: Source, expands: int | None = None) -> None:
        self._source, self._expands = source, expands
        self._added = 0

    def head(self) -> Head:
        return frames.head(self._source.read(frames.HEAD.size))

    def payload(self, head: Head) -> bytes:
        """Raises Tampered, Truncated, StreamError."""
        data = self.raw(head)
        codec = head.flags & CODEC
        if not codec:
            return data
        done = compression.decompress(codec, data, frames.LARGEST)
        self._added += len(done) - len(data)
        if self._expands is not None and self._added > self._expands:
            raise StreamError(
                f"this stream is {self._source.position} bytes so far and becomes {self._expands} bytes more: that is "
                f'as much as trust="values" takes from strangers. Ask them to write it with compresslevel=0'
            )
        return done

    def raw(self, head: Head) -> bytes:
        """A payload as it stands, checked."""
        data = self._source.read(head.length)
        frames.check(head, data)
        return data

    def into(self, head: Head, view: memoryview) -> None:
        """A payload that is not compressed, straight to its place."""
        self._source.readinto(view)
        frames.check(head, view)

    def room(self, count: int) -> int:
        return room(self._source, count)


class Supply(Protocol):
    """What puts bytes into channels."""

    def advance(self) -> None:
        """Read one frame, for whomever it is."""

    def straight(self, channel: Channel, view: memoryview) -> int:
        """Read the next frame's payload into `view`, if it belongs and fits there; else put it where it belongs."""


class Channel:
    """The bytes of one channel."""

    def __init__(self, supply: Supply, store: Store) -> None:
        self._supply = supply
        self._spool = Spool(store)
        self._here = NOTHING
        self.complete = False  # its last frame has come
        self.closed = False  # nobody will read the rest

    def put(self, data: bytes) -> None:
        if not self.closed:
            self._spool.put(data)

    def clear(self) -> None:
        """Forget what waits."""
        self._spool.clear()
        self._here = NOTHING

    def drained(self) -> bool:
        """Whether nothing waits here."""
        return not len(self._here) and not self._spool

    def at_end(self) -> bool:
        return not len(self._more())

    def read(self, count: int) -> bytes:
        """Up to `count` bytes; fewer at the end only. What was announced gets no room before it has come."""
        data = bytes(self._take(count))
        if len(data) == count or self.at_end():
            return data
        joined = bytearray(data)
        while len(joined) < count and len(taken := self._take(count - len(joined))):
            joined += taken
        return bytes(joined)

    def exactly(self, count: int) -> bytes:
        data = self.read(count)
        if len(data) < count:
            raise Tampered(f"this stream was damaged: an object ends {count - len(data)} bytes too early")
        return data

    def readinto(self, view: Any) -> int:
        """As files do it; frames that wait in the source are read to their place."""
        view = memoryview(view).cast("B")
        done = 0
        while done < len(view):
            count = 0 if len(self._here) else self._supply.straight(self, view[done:])
            if not count:
                taken = self._take(len(view) - done)
                count = len(taken)
                if not count:
                    break
                view[done : done + count] = taken
            done += count
        return done

    def _take(self, count: int) -> memoryview:
        here = self._more()
        self._here = here[count:] if count < len(here) else NOTHING  # an empty view would keep its bytes
        return here[:count]

    def _more(self) -> memoryview:
        while not len(self._here):
            data = self._spool.get()
            if data is not None:
                self._here = memoryview(data)
            elif self.complete:
                break
            else:
                self._supply.advance()
        return self._here


class Part:
    """The next so many bytes of a channel, as a file for the unpickler."""

    def __init__(self, channel: Channel, left: int) -> None:
        self._channel, self.left = channel, left

    def read(self, count: int) -> bytes:
        data = self._channel.read(min(count, self.left))
        self.left -= len(data)
        return data

    def readinto(self, view: Any) -> int:
        count = self._channel.readinto(memoryview(view).cast("B")[: self.left])
        self.left -= count
        return count

    def readline(self) -> bytes:
        """Pickles of old protocols have lines; those of this format have none."""
        raise Tampered("this stream was damaged: its pickle is of an old protocol")
