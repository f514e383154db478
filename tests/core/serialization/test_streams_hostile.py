"""Frames that no writer writes, with checksums that are right: refused when they come, and nothing is kept of them."""

from __future__ import annotations

import itertools
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import raisin
from raisin_core.errors import StreamError, Tampered, Truncated, UntrustedResult
from raisin_core.serialization import values
from raisin_core.serialization.streams import folders, frames, reading
from raisin_core.serialization.streams.frames import ALONE, CHECKED, CONTENT, END, ITEMS, LAST, OBJECT
from tests.fuzz.framing import Frame, parsed


def entry(data: bytes, kind: bytes = frames.VALUES, mark: bytes = b"") -> bytes:
    return frames.ENTRY.pack(kind, len(mark), 0, len(data)) + mark + data


def stream(*those: tuple[bytes, int, int, bytes]) -> bytes:
    packed = (frames.packed(kind, flags | CHECKED, channel, [payload]) for kind, flags, channel, payload in those)
    return frames.TAG + b"".join(itertools.chain.from_iterable(packed))


ONE = entry(values.encode([1]))
OBJ = (OBJECT, LAST, 0, ONE)
WHOLE = (OBJECT, LAST | ALONE, 0, ONE)
STOP = (END, LAST | ALONE, 0, b"")


@pytest.mark.parametrize("trust", ["all", "values"])
@pytest.mark.parametrize(
    "those",
    [
        [(ITEMS, 0, 1, ONE), WHOLE],  # before their object
        [(ITEMS, LAST, 1, ONE), WHOLE],
        [(ITEMS, LAST, 0, ONE), WHOLE],
        [(OBJECT, LAST, 1, ONE), WHOLE],
        [OBJ, (ITEMS, 0, 1, ONE), STOP],  # of no generator
        [OBJ, (ITEMS, LAST, 1, ONE), STOP],
        [OBJ, STOP],  # which nothing needs
        [OBJ, OBJ, STOP],
        [(OBJECT, LAST | ALONE, 0, ONE + ONE)],
        [(OBJECT, 0, 0, b""), WHOLE],  # with nothing in it
        [(CONTENT, 0, 1, b""), WHOLE],
        [(CONTENT, LAST | ALONE, 1, b"x"), WHOLE],
        [(OBJECT, LAST | ALONE | 0x10, 0, ONE)],
        [(OBJECT, ALONE, 0, ONE)],
        [OBJ, (END, LAST, 0, b"")],
        [OBJ, (END, LAST | ALONE, 1, b"")],
        [OBJ, (END, LAST | ALONE, 0, b"x")],
        [STOP],
        [WHOLE, WHOLE],
        [(OBJECT, LAST | ALONE, 0, entry(values.encode([1]), frames.RUN))],
    ],
)
def test_frames_that_nobody_writes(those: list[tuple[bytes, int, int, bytes]], trust: str) -> None:
    with pytest.raises(Tampered):
        raisin.deserialize(stream(*those), trust=trust)


@pytest.mark.parametrize(
    "those",
    [
        [(CONTENT, 0, 1, b"a"), (CONTENT, 0, 2, b"b"), WHOLE],
        [(CONTENT, LAST, 1, b"a"), (CONTENT, LAST, 1, b"b"), WHOLE],
        [(CONTENT, 0, 0, b"a"), WHOLE],
        *([(CONTENT, 0, 1, bytes(99999))] * count for count in (1, 5)),
    ],
)
def test_files_that_nobody_writes_are_removed(those: list[tuple[bytes, int, int, bytes]]) -> None:
    folders.remove(folders.make())
    home = folders.make().parent
    before = set(home.iterdir())
    with pytest.raises((Tampered, Truncated)):
        raisin.deserialize(stream(*those))
    assert set(home.iterdir()) == before


def pair() -> Iterator[object]:
    yield [1]
    yield [2]


def lazily() -> list[Frame]:
    return parsed(b"".join(raisin.serialize([pair(), pair()], compresslevel=0)))


def joined(those: list[Frame]) -> bytes:
    return stream(*((each.kind, each.flags & ~CHECKED, each.channel, each.payload) for each in those))


def test_a_channel_ends_once() -> None:
    those = lazily()
    at = next(at for at, each in enumerate(those) if each.kind == ITEMS and each.flags & LAST)
    for more in (those[at], those[at]._replace(flags=0, payload=ONE)):
        found = raisin.deserialize(joined([*those[: at + 1], more, *those[at + 1 :]]))
        with pytest.raises(Tampered, match="after its end"):
            [list(each) for each in found]


def test_a_stream_ends_after_its_generators() -> None:
    those = [each for each in lazily() if each.kind in (OBJECT, END)]
    for each in raisin.deserialize(joined(those)):
        with pytest.raises(Tampered, match="ends before its generators"):
            list(each)


def test_empty_frames_do_not_come_for_ever() -> None:
    def source(frame: bytes) -> Iterator[bytes]:
        yield frames.TAG
        while True:
            yield frame

    for kind in (OBJECT, ITEMS, CONTENT):
        with pytest.raises(Tampered):
            raisin.deserialize(source(stream((kind, 0, 1 if kind != OBJECT else 0, b""))[len(frames.TAG) :]))


def test_strangers_fill_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "make", lambda: pytest.fail("there is a folder"))
    data = b"".join(raisin.serialize([Path(__file__), print], compresslevel=0))
    assert any(each.kind == CONTENT for each in parsed(data))
    with pytest.raises(UntrustedResult):
        raisin.deserialize(data, trust="values")


def bomb(item: bytes, count: int) -> bytes:
    """A list of so many items, each of that msgpack."""
    inner = b"\x06\xdd" + count.to_bytes(4, "big") + item * count
    data = entry(inner)
    cut = [data[at : at + frames.LARGEST] for at in range(0, len(data), frames.LARGEST)]
    packed = [
        piece
        for at, each in enumerate(cut)
        for piece in frames.packed(OBJECT, 1 | (LAST | ALONE) * (at == len(cut) - 1), 0, [zlib.compress(each)])
    ]
    return frames.TAG + b"".join(packed)


@pytest.mark.slow  # the same on every Python
def test_what_a_stranger_sends_does_not_grow_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bomb(b"\x90", 3_000_000)
    assert len(data) < 10_000
    monkeypatch.setattr(reading, "PARTS", 1 << 18)
    tracemalloc.start()
    try:
        with pytest.raises(StreamError, match="parts"):
            raisin.deserialize(data, trust="values")
        assert tracemalloc.get_traced_memory()[1] < 150 << 20
        monkeypatch.setattr(reading, "EXPANDS", 1 << 21)
        tracemalloc.reset_peak()
        with pytest.raises(StreamError, match="takes from strangers"):
            raisin.deserialize(iter([data]), trust="values")
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()
    assert len(raisin.deserialize(bomb(b"\x90", 1000), trust="values")) == 1000
    assert len(raisin.deserialize(bomb(b"\x90", 1_500_000), trust="all")) == 1_500_000


def test_the_mark_of_a_stranger_is_shown_in_part_and_without_what_a_terminal_obeys() -> None:
    data = entry(b"N.", frames.PICKLE, b"a\x1b[2J" * 9999 + b"\0[0]")
    with pytest.raises(UntrustedResult) as caught:
        raisin.deserialize(stream((OBJECT, LAST | ALONE, 0, data)), trust="values")
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 2000
