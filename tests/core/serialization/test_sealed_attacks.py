"""Sealed streams that were damaged, cut, put together anew or made to hurt: the right error, nothing else comes out."""

from __future__ import annotations

import io
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raisin_core.errors import StreamError, Tampered, Truncated, UnknownFormat, WrongPassword
from raisin_core.serialization import sealed as module
from raisin_core.serialization.sealed import CHUNK, LAST, MAGIC, Cost, unseal
from tests.core.serialization.sealing import (
    HEAD,
    HEADER,
    PASSWORD,
    chunked,
    opened,
    parts,
    pieces,
    sealed,
    with_header,
    with_word,
)

CONTENTS = (b"first", b"second one", b"third")
STREAM = chunked(*CONTENTS)
PREFIXES = {b"".join(CONTENTS[:count]) for count in range(4)}


def refused(stream: bytes, password: str | bytes = PASSWORD) -> StreamError:
    """The error that reading it ends with; what came before it are chunks as they were sealed, from the start."""
    found = []
    with pytest.raises(StreamError) as caught:
        found.extend(pieces(io.BytesIO(stream).read, password))
    assert b"".join(found) in PREFIXES
    return caught.value


# -- changed bits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_is_noticed(bit: int) -> None:
    for place in range(len(STREAM)):
        changed = bytearray(STREAM)
        changed[place] ^= 1 << bit
        wanted = UnknownFormat if place < len(MAGIC) else Tampered
        assert type(refused(bytes(changed))) is wanted, place


@pytest.mark.parametrize("place", [17, 48, 49, 80])
def test_another_salt_or_commitment_with_a_right_checksum(place: int) -> None:
    assert type(refused(with_header(STREAM, place, bytes([STREAM[place] ^ 1])))) is WrongPassword


@pytest.mark.parametrize("cost", [(5, 1, 1), (4, 2, 1), (4, 1, 2), (1, 1, 1)])
def test_other_parameters_with_a_right_checksum(cost: tuple[int, int, int]) -> None:
    assert type(refused(with_header(STREAM, 14, bytes(cost)))) is WrongPassword


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_mutations(data: st.DataObject) -> None:
    """Whatever is done to the stream: the whole comes out where it is as it was, else an error."""
    changed = bytearray(STREAM)
    for _ in range(data.draw(st.integers(1, 3))):
        start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(changed))] * 2)))
        other = data.draw(st.one_of(st.binary(max_size=40), st.just(bytes(changed[end : end + 40]))))
        changed[start:end] = other
    if changed.startswith(STREAM):
        assert opened(bytes(changed)) == b"".join(CONTENTS)
    else:
        refused(bytes(changed))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"</>", MAGIC, STREAM[:HEADER]]))
def test_garbage(garbage: bytes, before: bytes) -> None:
    refused(before + garbage)


# -- cut, moved and repeated -----------------------------------------------------------------------------------------


def test_cut_anywhere() -> None:
    for size in range(len(STREAM)):
        assert type(refused(STREAM[:size])) is Truncated, size


def test_chunks_in_another_order() -> None:
    header, chunks = parts(STREAM)
    assert len(chunks) == 4
    for count in range(1, 5):
        for order in itertools.product(range(4), repeat=count):
            if order[:4] == (0, 1, 2, 3):
                continue
            error = refused(header + b"".join(chunks[index] for index in order))
            wanted = Truncated if order == tuple(range(count)) else Tampered
            assert type(error) is wanted, order


def test_chunks_of_another_stream() -> None:
    header, chunks = parts(STREAM)
    _, others = parts(chunked(*CONTENTS))
    for place in range(4):
        mixed = [*chunks[:place], others[place], *chunks[place + 1 :]]
        assert type(refused(header + b"".join(mixed))) is Tampered
    assert type(refused(parts(sealed(b"x"))[0] + b"".join(chunks))) is Tampered


def test_a_last_chunk_that_is_none_and_the_other_way_round() -> None:
    header, chunks = parts(STREAM)
    ended = with_word(chunks[1], int.from_bytes(chunks[1][:4], "big") | LAST)
    assert type(refused(header + chunks[0] + ended)) is Tampered
    open_end = with_word(chunks[3], int.from_bytes(chunks[3][:4], "big") & ~LAST)
    assert type(refused(header + b"".join(chunks[:3]) + open_end + chunks[3])) is Tampered


def test_what_is_behind_the_last_chunk_is_not_read() -> None:
    _, chunks = parts(STREAM)
    file = io.BytesIO(STREAM + chunks[0])
    assert b"".join(pieces(file.read)) == b"".join(CONTENTS)
    assert file.read() == chunks[0]


def test_lengths_that_are_right_for_the_checksum_only() -> None:
    header, chunks = parts(STREAM)
    for length in (len(chunks[0]) - HEAD + 1, len(chunks[0]) - HEAD - 1, 16):
        assert type(refused(header + with_word(chunks[0], length) + b"".join(chunks[1:]))) is Tampered


def test_after_an_error_nothing_more_is_given() -> None:
    header, chunks = parts(STREAM)
    read = unseal(io.BytesIO(header + chunks[0] + chunks[2] + chunks[1] + b"".join(chunks[2:])).read, PASSWORD)
    assert read(100) == CONTENTS[0]
    with pytest.raises(Tampered, match="chunk 1 "):
        read(100)
    for _ in range(3):
        with pytest.raises(StreamError, match="failed before"):
            read(100)


def test_one_stream_has_one_password() -> None:
    """Without the commitment somebody could make a chunk that opens with two."""
    other = chunked(*CONTENTS, password="battery staple")
    assert type(refused(STREAM, "battery staple")) is WrongPassword
    assert type(refused(with_header(STREAM, 49, other[49:81]), "battery staple")) is WrongPassword
    assert type(refused(with_header(STREAM, 17, other[17:81]), "battery staple")) is Tampered


# -- made to hurt ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cost",
    [
        *(Cost(log_n, 8, 1) for log_n in (18, 20, 31, 40, 255)),  # memory
        *(Cost(15, 33, 1), Cost(16, 255, 1)),
        *(Cost(15, 8, 17), Cost(17, 1, 255), Cost(14, 2, 255)),  # time
        *(Cost(0, 8, 1), Cost(10, 0, 1), Cost(10, 8, 0), Cost(16, 1, 1)),  # not scrypt's
    ],
)
def test_costly_headers_are_refused_before_any_work(cost: Cost, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> bytes:
        raise AssertionError("derived a key")

    monkeypatch.setattr(module, "scrypt", never)
    error = refused(with_header(STREAM, 14, bytes(cost)))
    assert type(error) is Tampered
    assert str(cost) in str(error)


@pytest.mark.parametrize("cost", [Cost(17, 8, 1), Cost(15, 8, 3), Cost(15, 8, 16), Cost(1, 1, 1)])
def test_costs_that_are_accepted(cost: Cost) -> None:
    assert cost.bearable()


@pytest.mark.parametrize("length", [0, 1, 15, CHUNK + 17, LAST - 1])
def test_lengths_are_refused_before_anything_is_read(length: int) -> None:
    header, chunks = parts(STREAM)
    file, asked = io.BytesIO(header + with_word(chunks[0], length)), []

    def source(size: int) -> bytes:
        asked.append(size)
        return file.read(size)

    read = unseal(source, PASSWORD)
    with pytest.raises(Tampered):
        read(100)
    assert max(asked) < 100


def test_the_longest_chunk_there_is() -> None:
    stream = sealed(bytes(CHUNK))
    assert int.from_bytes(parts(stream)[1][0][:4], "big") == CHUNK + 16
    assert opened(stream) == bytes(CHUNK)


# -- other formats ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2", "10", "12345", "0"])
def test_other_versions_are_refused_by_name(version: str) -> None:
    file = io.BytesIO(f"</>sealed {version}</>".encode() + bytes(100))
    with pytest.raises(UnknownFormat, match=f"format {version},.* upgrade"):
        unseal(file.read, PASSWORD)


@pytest.mark.parametrize(
    "start", [b"\x80\x05", b"</>raisin 1</>" + bytes(100), b"</>sealed x</>", b"</>sealed " + b"1" * 50, b"hello"]
)
def test_what_is_no_sealed_stream(start: bytes) -> None:
    file = io.BytesIO(start)
    with pytest.raises(UnknownFormat, match="no sealed stream"):
        unseal(file.read, PASSWORD)
    assert file.tell() <= 32
