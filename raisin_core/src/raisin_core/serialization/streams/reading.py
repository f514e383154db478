"""A stream as the object it holds: whole or not at all; the items of its generators when they are asked for.

Rules of this file: nothing is returned before all that belongs to it has been read and checked; what no writer writes
is refused when it comes, so that nothing is kept that nobody will ask for.
"""

from __future__ import annotations

import pickle
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from raisin_core.errors import SerializationError, StreamError, Tampered, Truncated, UntrustedResult
from raisin_core.serialization import arrivals, values
from raisin_core.serialization.streams import folders, frames
from raisin_core.serialization.streams.channels import EXPANDS, Channel, Frames, Part
from raisin_core.serialization.streams.frames import ALONE, CODEC, CONTENT, END, LAST, OBJECT, Head
from raisin_core.serialization.streams.sources import ALL_AT_ONCE, Source
from raisin_core.serialization.streams.spool import Store

AT_ONCE: Final = 1 << 24  # bytes of a pickle that are loaded from memory rather than as they come
MOST_BUFFERS: Final = 1 << 20
PARTS: Final = 1 << 24  # parts of a stranger's values, besides one for each byte that came
LONGEST_MARK: Final = 1000  # characters of it that are shown


class Reader:
    """Reads one object, and afterwards what its generators yield. They keep `file` alive, where that is the source."""

    def __init__(self, source: Source, trust: str = "all", file: object = None) -> None:
        self._source, self._trusted = source, trust == "all"
        self._frames = Frames(source, None if self._trusted else EXPANDS)
        self._store = Store()
        self._channels: dict[int, Channel] = {}
        self._forgotten: deque[Channel] = deque()
        self._contents: dict[int, Path] = {}
        self._partial: tuple[int, Path] | None = None
        self._folder: Path | None = None
        self._lock = threading.RLock()
        self._error: BaseException | None = None
        self._file: object = file  # only until the object is there: from then on its generators have it
        self.ended = False

    def read(self) -> Any:
        """The object. Raises StreamError, UntrustedResult, and whatever its own code raises while it is rebuilt."""
        channel = self._channels[0] = Channel(self, self._store)
        try:
            kind, found = self._entry(channel)
            if kind == frames.RUN or not channel.at_end():
                raise Tampered("this stream was damaged: there is more than one object in it")
            if kind == frames.VALUES and not self.ended:
                raise Tampered("this stream was damaged: something follows an object that is complete")
        except BaseException:
            self._error = StreamError("the object of this stream could not be read, so what follows it cannot either")
            self.forget()
            raise
        self._file = None
        return found

    def drain(self) -> None:
        """Read the stream to its end; what nobody has asked for yet waits in memory, or in a file if it is much."""
        with self._lock:
            while not self.ended and self._error is None:
                self.advance()

    def forget(self) -> None:
        """Remove what an object that will not be returned has left."""
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
        if not number:
            raise Tampered("this stream was damaged: items have the channel of the object")
        return Items(self, self._channel(number), self._file)

    def next_items(self, items: Items, channel: Channel) -> list[object] | None:
        """The next items of a channel, one or a run of them; None at its end."""
        with self._lock:
            if channel.closed:
                return None
            if channel.at_end():
                while not self.ended and all(each.complete for each in self._channels.values()):
                    self.advance()  # nobody else will look whether the stream ends as it should
                return None
            before, self._file = self._file, items.file
            try:
                kind, found = self._entry(channel)
            finally:
                self._file = before
        return found if kind == frames.RUN else [found]

    def close(self, channel: Channel) -> None:
        """Nobody will read the rest of it. May come at any moment, as garbage is collected at any."""
        channel.closed = True
        self._forgotten.append(channel)

    # Frames

    def advance(self) -> None:
        """Read one frame, for whomever it is."""
        if self._error is not None:
            raise self._error
        while self._forgotten:
            self._forgotten.popleft().clear()
        try:
            self._one(self._next())
        except Exception as error:
            self._error = error
            raise
        except BaseException:
            self._error = StreamError("reading this stream was interrupted before; read it again from its start")
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
        if head.kind == CONTENT:
            self._content(head)
            return
        data = self._frames.payload(head)
        if head.kind == END:
            self._finish()
            return
        if (head.kind == OBJECT) != (head.channel == 0) or not (head.kind == OBJECT or self._channels[0].complete):
            raise Tampered("this stream was damaged: a frame names the wrong channel")
        channel = self._channel(head.channel)
        if channel.complete:
            raise Tampered("this stream was damaged: a channel goes on after its end")
        channel.put(data)
        self._arrived(head, channel)

    def _arrived(self, head: Head, channel: Channel) -> None:
        channel.complete = bool(head.flags & LAST)
        if head.flags & ALONE:
            self._finish()

    def _finish(self) -> None:
        if not all(each.complete for each in self._channels.values()):
            raise Tampered("this stream was damaged: it ends before its generators")
        self._source.finish()

    def _channel(self, number: int) -> Channel:
        if number not in self._channels:
            self._channels[number] = Channel(self, self._store)
        return self._channels[number]

    def _content(self, head: Head) -> None:
        """Files come one after the other. Nothing is kept for an object that will be refused."""
        if not self._trusted:
            self._frames.raw(head)
            return
        if self._partial is None:
            path = self.folder() / f"{head.channel}.part"
            if head.channel in self._contents or not head.channel:
                raise Tampered("this stream was damaged: a file comes twice")
            self._partial = head.channel, path
            path.touch(exist_ok=False)
        number, path = self._partial
        if number != head.channel:
            raise Tampered("this stream was damaged: two files come at once")
        data = self._frames.payload(head)
        with path.open("ab") as file:  # not kept open: nobody may ever read on
            file.write(data)
        if head.flags & LAST:
            self._partial, self._contents[number] = None, path

    # Entries

    def _entry(self, channel: Channel) -> tuple[bytes, Any]:
        """The kind of the next one, and what it holds."""
        kind, mark_size, count, size = frames.ENTRY.unpack(channel.exactly(frames.ENTRY.size))
        if kind not in (frames.VALUES, frames.PICKLE, frames.RUN) or count > MOST_BUFFERS:
            raise Tampered(f"this stream was damaged: it has an object of kind {kind!r}")
        mark = channel.exactly(mark_size)
        if kind == frames.PICKLE and not self._trusted:
            raise _refused(mark)
        lengths = [frames.LENGTH.unpack(channel.exactly(frames.LENGTH.size))[0] for _ in range(count)]
        buffers = [self._bytes(channel, length) for length in lengths]
        if kind == frames.PICKLE:
            return kind, self._unpickled(channel, size, buffers)
        return kind, values.decode(self._bytes(channel, size), buffers=buffers, limits=self._limits())

    def _limits(self) -> values.Limits:
        return values.Limits() if self._trusted else values.Limits(count=PARTS + self._source.position)

    def _bytes(self, channel: Channel, length: int) -> bytearray:
        """The next so many bytes, where they can be written to, e.g. as an array's; each is copied once."""
        buffer = bytearray(min(length, self._frames.room(length)))
        done = channel.readinto(buffer)
        while done == len(buffer) < length:
            buffer += bytes(min(len(buffer), ALL_AT_ONCE, length - done))
            done += channel.readinto(memoryview(buffer)[done:])
        if done < length:
            raise Tampered(f"this stream was damaged: an object ends {length - done} bytes too early")
        return buffer

    def _unpickled(self, channel: Channel, size: int, buffers: list[bytearray]) -> Any:
        part = Part(channel, size)
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
        except AttributeError as error:
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                raise  # so did the object's own code
            raise SerializationError(
                f"a part of this object is missing here: {error}. It was written where that is defined otherwise, "
                f"perhaps by another version of that module"
            ) from error
        if part.left:
            raise Tampered("this stream was damaged: bytes follow an object that is complete")
        return found


class Items(Iterator[object]):
    """The items of one channel; what is still to come is dropped with this iterator."""

    def __init__(self, reader: Reader, channel: Channel, file: object) -> None:
        self._reader, self._channel, self.file = reader, channel, file
        self._here: Iterator[object] = iter(())

    def __next__(self) -> object:
        for item in self._here:
            return item
        found = self._reader.next_items(self, self._channel)
        if found is None:
            raise StopIteration
        self._here = iter(found)
        return next(self)

    def close(self) -> None:
        self._reader.close(self._channel)

    def __del__(self) -> None:
        self.close()


def _refused(mark: bytes) -> UntrustedResult:
    kind, _, place = mark.decode("utf-8", "replace")[:LONGEST_MARK].partition("\0")
    where = f"object{_shown(place)}" if place else "the object"
    return UntrustedResult(
        f"{where} is a {_shown(kind) or 'value nested too deeply'}, which is no plain value: reading it could run "
        f'code of whoever wrote it. It was not read. If you trust them: trust="all"'
    )


def _shown(text: str) -> str:
    """What a stranger wrote, without what a terminal would obey."""
    return "".join(each if each.isprintable() else "?" for each in text)
