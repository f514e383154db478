"""What a stream begins with: opens sealed and printable forms until the stream itself is there.

Rules of this file: reads tags, never what follows them.
"""

from __future__ import annotations

from typing import Final

from raisin_core.errors import Tampered, UnknownFormat, WrongPassword
from raisin_core.serialization.streams import frames, lone, text
from raisin_core.serialization.streams.sources import Inner, Source

DEEPEST: Final = 4  # forms within one another
Password = str | bytes


def opened(source: Source, password: Password | None) -> tuple[str, Source]:
    """The stream's tag and what follows it. Raises UnknownFormat, WrongPassword, Truncated, Tampered."""
    for _ in range(DEEPEST):
        tag = read_tag(source)
        kind, _, words = tag.partition(" ")
        if tag == "text 1":
            source = Inner(text.reader(source.read), source)
        elif kind == "sealed":
            source = _unsealed(tag, source, password)
        elif kind == "raisin":
            frames.version(words)
            return kind, source
        elif tag in lone.KINDS:
            return tag, source
        else:
            raise _unknown(f"</>{tag}</>")
    raise Tampered(f"this stream was damaged: it is wrapped more than {DEEPEST} times")


def read_tag(source: Source) -> str:
    """The words between `</>` and `</>`."""
    first = source.read(len(frames.OPEN))
    if first != frames.OPEN:
        raise _unknown(first.decode("latin-1"))
    found = bytearray()
    while not found.endswith(frames.OPEN):
        if len(found) > frames.LONGEST_TAG:
            raise _unknown(found.decode("latin-1"))
        found += source.read(1)
    return found[: -len(frames.OPEN)].decode("latin-1")


def _unsealed(tag: str, source: Source, password: Password | None) -> Source:
    from raisin_core.serialization import sealed

    if password is None:
        raise WrongPassword("this stream is sealed: give its password (password=...)")
    source.unread(f"</>{tag}</>".encode("latin-1"))
    return Inner(sealed.unseal(source.some, password), source)


def _unknown(start: str) -> UnknownFormat:
    return UnknownFormat(
        f"this is no stream of raisin's, or one of a later version: it begins with {start[:40]!a}. "
        f"Streams begin with </>; what pickle wrote is read with pickle.load"
    )
