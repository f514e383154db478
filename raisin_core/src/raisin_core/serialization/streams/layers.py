"""What a stream begins with: opens sealed and printable forms until the stream itself is there.

Rules of this file: reads tags, never what follows them.
"""

from __future__ import annotations

from typing import Final

from raisin_core.errors import Tampered, UnknownFormat, WrongPassword
from raisin_core.serialization.streams import frames, lone, text
from raisin_core.serialization.streams.sources import Inner, Source

DEEPEST: Final = 4  # forms within one another
TEXT: Final = "text 1"
SHORTEST: Final = len("str</>")  # bytes of a tag behind its first ones
Password = str | bytes


def opened(source: Source, password: Password | None) -> tuple[str, Source]:
    """The stream's tag and what follows it. Raises UnknownFormat, WrongPassword, Truncated, Tampered."""
    sealed = False
    for _ in range(DEEPEST):
        tag = read_tag(source)
        kind, _, words = tag.partition(" ")
        if tag == TEXT:
            source.printable = True
            source = Inner(text.reader(source.read), source)
        elif kind == "sealed":
            source = _unsealed(tag, source, password)
            sealed = True
        elif kind == "raisin" or tag in lone.KINDS:
            if password is not None and not sealed:
                raise _open()
            if kind == "raisin":
                frames.version(words)
            source.printable |= tag in lone.NUMBERS
            return (kind if kind == "raisin" else tag), source
        else:
            raise _unknown(f"</>{tag}</>")
    raise Tampered(f"this stream was damaged: it is wrapped more than {DEEPEST} times")


def read_tag(source: Source) -> str:
    """The words between `</>` and `</>`; before those of texts white space may be, as editors and shells leave it."""
    first = source.read(len(frames.OPEN))
    binary = not first[:1].isspace()
    while first[:1].isspace():
        first = first[1:] + source.read(1)
    if first != frames.OPEN:
        raise _unknown(first.decode("latin-1"))
    found = bytearray(source.read(SHORTEST))
    while not found.endswith(frames.OPEN):
        if len(found) > frames.LONGEST_TAG:
            raise _unknown(found.decode("latin-1"))
        found += source.read(1)
    tag = found[: -len(frames.OPEN)].decode("latin-1")
    if not (binary or tag == TEXT or tag in lone.KINDS):
        raise _unknown(f" </>{tag}</>")
    return tag


def _unsealed(tag: str, source: Source, password: Password | None) -> Source:
    from raisin_core.serialization import sealed

    if password is None:
        raise WrongPassword("this stream is sealed: give its password (password=...)")
    source.unread(f"</>{tag}</>".encode("latin-1"))
    return Inner(sealed.unseal(source.some, password), source)


def _open() -> Tampered:
    return Tampered(
        "a password was given, and this stream is not sealed: anybody may have written it, perhaps in the place of a "
        "sealed one. Read it without password= if that is what you expect"
    )


def _unknown(start: str) -> UnknownFormat:
    return UnknownFormat(
        f"this is no stream of raisin's, or one of a later version: it begins with {start[:40]!a}. "
        f"Streams begin with </>; what pickle wrote is read with pickle.load"
    )
