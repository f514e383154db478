"""What goes beside an object in its stream, files and items by channel number: on both sides what families see of it.

Rules of this file: the standard library only.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from raisin_core.errors import SerializationError


class Channels(Protocol):
    """What goes beside an object in its stream. Reducers ask for a channel and say its number to what rebuilds."""

    copy_file: bool | int  # whether the content of paths and files travels, or how many bytes of one at most

    def content(self, chunks: Iterable[bytes | memoryview]) -> int:
        """Bytes that follow, drawn when they are written; there they are a file before anything is rebuilt."""

    def items(self, iterator: Iterator[object]) -> int:
        """Objects that follow one by one, drawn when they are written; the other side gets them as they come."""


class Arrivals(Protocol):
    """The channels of one object, as its stream's reader has them."""

    def content(self, number: int) -> Path:
        """The file with the bytes of this channel, complete; it lies in `folder()`, to be moved or read."""

    def items(self, number: int) -> Iterator[object]:
        """The objects of this channel, read from the stream when they are asked for."""

    def folder(self) -> Path:
        """A private, empty directory of this object alone (0700), made on demand, removed when the interpreter ends."""


_here = threading.local()


@contextmanager
def of(arrivals: Arrivals) -> Iterator[None]:
    """While its body runs, `current()` gives these."""
    before = getattr(_here, "arrivals", None)
    _here.arrivals = arrivals
    try:
        yield
    finally:
        _here.arrivals = before


def current() -> Arrivals:
    """The arrivals of the object that is being rebuilt. Raises SerializationError where there are none."""
    found: Arrivals | None = getattr(_here, "arrivals", None)
    if found is None:
        raise SerializationError("this part of an object comes with a stream: read it with raisin.deserialize or load")
    return found
