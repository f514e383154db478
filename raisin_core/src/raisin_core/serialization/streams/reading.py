"""A stream as the object it holds: whole or not at all; the items of its generators when they are asked for.

Rules of this file: room is made for what has come, not for what was announced; nothing is returned before all that
belongs to it has been read and checked.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from raisin_core.errors import StreamError, Tampered, Truncated, UntrustedResult
from raisin_core.serialization import arrivals, compression, values
from raisin_core.serialization.streams import folders, frames
from raisin_core.serialization.streams.frames import ALONE, CODEC, CONTENT, END, LAST, OBJECT, Head
from raisin_core.serialization.streams.sources import Source, room
from raisin_core.serialization.streams.spool import Spool

AT_ONCE: Final = 1 << 24  # bytes of a pickle that are loaded from memory rather than as they come
MOST_BUFFERS: Final = 1 << 20


class Frames:
    """The frames of a source, one after the other."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.checked = True  # whether what was read so far had a CRC wherever it was wanted

    def head(self) -> Head:
        return frames.head(self._source.read(frames.HEAD.size))

    def payload(self, head: Head) -> bytes:
        """Raises Tampered, Truncated."""
        data = self._source.read(head.length)
        frames.check(head, data)
        codec = head.flags & CODEC
        return compression.decompress(codec, data, frames.LARGEST) if codec else data

    def into(self, head: Head, view: memoryview) -> None:
        """A payload that is not compressed, straight to its place."""
        self._source.readinto(view)
        frames.check(head, view)

    def room(self, count: int) -> int:
        return room(self._source, count)


class Channel:
    """The bytes of one channel, put together from its frames."""

    def __init__(self, reader: Reader, number: int) -> None:
        self._reader, self._number = reader, number
        self._spool = Spool()
        self._here = memoryview(b"")
        self.complete = False  # its last frame has come
        self.closed = False

    def put(self, data: bytes) -> None:
        if not self.closed:
            self._spool.put(data)

    def close(self) -> None:
        """Nobody will read the rest."""
        self.closed = True
        self._spool.close()
        self._here = memoryview(b"")

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
            count = 0 if len(self._here) else self._reader.straight(self, view[done:])
            if not count:
                taken = self._take(len(view) - done)
                count = len(taken)
                if not count:
                    break
                view[done : done + count] = taken
            done += count
        return done

    def readline(self) -> bytes:
        """Pickles of old protocols have lines; those of this format have none."""
        raise Tampered("this stream was damaged: its pickle is of an old protocol")

    def _take(self, count: int) -> memoryview:
        here = self._more()
        taken, self._here = here[:count], here[count:]
        return taken

    def _more(self) -> memoryview:
        while not len(self._here):
            data = self._spool.get()
            if data is not None:
                self._here = memoryview(data)
            elif self.complete:
                break
            else:
                self._reader.advance()
        return self._here


class Reader:
    """Reads one object, and afterwards what its generators yield."""

    def __init__(self, source: Source, trust: str = "all", limits: values.Limits | None = None) -> None:
        self._source, self._trust = source, trust
        self._limits = limits or values.Limits()
        self._frames = Frames(source)
        self._channels: dict[int, Channel] = {}
        self._contents: dict[int, Path] = {}
        self._partial: dict[int, Any] = {}
        self._folder: Path | None = None
        self._lock = threading.RLock()
        self._error: BaseException | None = None
        self._begun = False
        self.ended = False

    def read(self) -> Any:
        """The object. Raises StreamError, UntrustedResult, and whatever its own code raises while it is rebuilt."""
        channel = self._channels[0] = Channel(self, 0)
        try:
            found = self._entry(channel, frames.OBJECT)
            if not channel.at_end():
                raise Tampered("this stream was damaged: there is more than one object in it")
        except BaseException:
            self.forget()
            raise
        del self._channels[0]
        return found

    def drain(self) -> None:
        """Read the stream to its end; what nobody has asked for yet waits in memory, or in a file if it is much."""
        with self._lock:
            while not self.ended and self._error is None:
                self.advance()

    def forget(self) -> None:
        """Remove what an object that will not be returned has left."""
        for file in self._partial.values():
            file.close()
        if self._folder is not None:
            folders.remove(self._folder)

    # What arrives beside the object

    def folder(self) -> Path:
        if self._folder is None:
            self._folder = folders.make()
        return self._folder

    def content(self, number: int) -> Path:
        try:
            return self._contents[number]
        except KeyError:
            raise Tampered("this stream was damaged: the content of a file is missing") from None

    def items(self, number: int) -> Iterator[object]:
        return Items(self, self._channel(number), self._lock)

    def next_items(self, channel: Channel) -> list[object] | None:
        """The next items of a channel, one or a run of them; None at its end."""
        if channel.at_end():
            while not self.ended and all(each.complete for each in self._channels.values()):
                self.advance()  # nobody else will look whether the stream ends as it should
            return None
        found = self._entry(channel, frames.ITEMS)
        return found if self._run else [found]

    # Frames

    def advance(self) -> None:
        """Read one frame, for whomever it is."""
        if self._error is not None:
            raise self._error
        try:
            self._one(self._next())
        except (StreamError, OSError) as error:
            self._error = error
            raise

    def straight(self, channel: Channel, view: memoryview) -> int:
        """Read the next frame's payload into `view`, if it belongs and fits there; else put it where it belongs."""
        if channel.complete or not channel.drained():
            return 0
        head = self._next()
        if head.kind != OBJECT or head.flags & CODEC or head.length > len(view) or self._channels.get(0) is not channel:
            self._one(head)
            return 0
        self._frames.into(head, view[: head.length])
        self._arrived(head, channel)
        return head.length

    def _next(self) -> Head:
        if self.ended:
            raise Truncated("the stream ends before all that belongs to its object")
        head = self._frames.head()
        self.ended = bool(head.flags & ALONE)
        return head

    def _one(self, head: Head) -> None:
        data = self._frames.payload(head)
        if head.kind == CONTENT:
            self._content(head, data)
        elif head.kind == END:
            self.ended = True
            self._finish()
        else:
            if (head.kind == OBJECT) != (head.channel == 0):
                raise Tampered("this stream was damaged: a frame names the wrong channel")
            channel = self._channel(head.channel)
            channel.put(data)
            self._arrived(head, channel)

    def _arrived(self, head: Head, channel: Channel) -> None:
        channel.complete = bool(head.flags & LAST)
        if head.flags & ALONE:
            self.ended = True
            self._finish()

    def _finish(self) -> None:
        self._source.finish()
        for channel in self._channels.values():
            channel.complete = True

    def _channel(self, number: int) -> Channel:
        return self._channels.setdefault(number, Channel(self, number))

    def _content(self, head: Head, data: bytes) -> None:
        if head.channel in self._contents:
            raise Tampered("this stream was damaged: a file comes twice")
        path = self.folder() / f"{head.channel}.part"
        file = self._partial.get(head.channel)
        if file is None:
            file = self._partial[head.channel] = path.open("xb")
        file.write(data)
        if head.flags & LAST:
            self._partial.pop(head.channel).close()
            self._contents[head.channel] = path

    # Entries

    def _entry(self, channel: Channel, where: bytes) -> Any:
        kind, mark_size, count, size = frames.ENTRY.unpack(channel.exactly(frames.ENTRY.size))
        if kind not in (frames.VALUES, frames.PICKLE, frames.RUN) or count > MOST_BUFFERS:
            raise Tampered(f"this stream was damaged: it has an object of kind {kind!r}")
        self._run = kind == frames.RUN
        if self._run and where == frames.OBJECT:
            raise Tampered("this stream was damaged: there is more than one object in it")
        mark = channel.exactly(mark_size)
        if kind == frames.PICKLE and self._trust != "all":
            raise _refused(mark)
        lengths = [frames.LENGTH.unpack(channel.exactly(frames.LENGTH.size))[0] for _ in range(count)]
        buffers = [self._bytes(channel, length) for length in lengths]
        if kind == frames.PICKLE:
            return self._unpickled(channel, size, buffers)
        return values.decode(self._bytes(channel, size), buffers=buffers, limits=self._limits)

    def _bytes(self, channel: Channel, length: int) -> bytearray:
        """The next so many bytes, where they can be written to, e.g. as an array's; each is copied once."""
        buffer = bytearray(min(length, self._frames.room(length)))
        done = channel.readinto(buffer)
        while done == len(buffer) < length:
            buffer += bytes(min(len(buffer), length - done))
            done += channel.readinto(memoryview(buffer)[done:])
        if done < length:
            raise Tampered(f"this stream was damaged: an object ends {length - done} bytes too early")
        return buffer

    def _unpickled(self, channel: Channel, size: int, buffers: list[bytearray]) -> Any:
        part = _Part(channel, size)
        try:
            with arrivals.of(self):
                if size <= AT_ONCE:
                    part.left = 0
                    found = pickle.loads(self._bytes(channel, size), buffers=buffers)
                else:
                    found = pickle.Unpickler(part, buffers=buffers).load()
        except (pickle.UnpicklingError, EOFError) as error:
            if isinstance(error, EOFError) and part.left:
                raise  # the object's own code did so
            raise Tampered(f"this stream was damaged: {error}") from error
        if part.left:
            raise Tampered("this stream was damaged: bytes follow an object that is complete")
        return found


class Items(Iterator[object]):
    """The items of one channel; what is still to come is dropped with this iterator."""

    def __init__(self, reader: Reader, channel: Channel, lock: AbstractContextManager[bool]) -> None:
        self._reader, self._channel, self._lock = reader, channel, lock
        self._here: Iterator[object] = iter(())

    def __next__(self) -> object:
        for item in self._here:
            return item
        with self._lock:
            found = None if self._channel.closed else self._reader.next_items(self._channel)
        if found is None:
            raise StopIteration
        self._here = iter(found)
        return next(self)

    def close(self) -> None:
        self._channel.close()

    def __del__(self) -> None:
        self._channel.close()


class _Part:
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
        return self._channel.readline()


def _refused(mark: bytes) -> UntrustedResult:
    kind, _, place = mark.decode("utf-8", "replace").partition("\0")
    where = f"object{_shown(place)}" if place else "the object"
    return UntrustedResult(
        f"{where} is a {_shown(kind) or 'value nested too deeply'}, which is no plain value: reading it could run "
        f'code of whoever wrote it. It was not read. If you trust them: trust="all"'
    )


def _shown(text: str) -> str:
    """What a stranger wrote, without what a terminal would obey."""
    return "".join(each if each.isprintable() else "?" for each in text)
