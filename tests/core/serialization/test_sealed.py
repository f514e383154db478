"""Sealed streams: what is sealed comes back, promptly, in bounded memory, and with nothing taken from what follows."""

from __future__ import annotations

import array
import io
import os
import random
import sys
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raisin_core.ciphers import choice
from raisin_core.errors import InstallationError, StreamError, Truncated, UsageError, WrongPassword
from raisin_core.serialization.sealed import CHUNK, COST, Cost, seal, unseal
from tests.core.serialization.sealing import CHEAP, HEADER, PASSWORD, opened, parts, pieces, sealed


@pytest.fixture(autouse=True)
def chosen_anew() -> Iterator[None]:
    choice.library.cache_clear()
    yield
    choice.library.cache_clear()


def some(size: int) -> bytes:
    return random.Random(size).randbytes(size)


# -- there and back --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5])
def test_whole(size: int) -> None:
    data = some(size)
    assert opened(sealed(data)) == data


@pytest.mark.parametrize("piece", [1000, 65536, CHUNK - 7, CHUNK, CHUNK + 7])
def test_pieces_of_every_size(piece: int) -> None:
    data = some(3 * CHUNK + 100)
    stream = sealed(*(data[start : start + piece] for start in range(0, len(data), piece)))
    assert opened(stream, step=piece) == data
    assert all(len(chunk) <= CHUNK + 24 for chunk in parts(stream)[1])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=50)), st.integers(1, 60))
def test_any_pieces_in_any_steps(data: list[bytes], step: int) -> None:
    assert opened(sealed(*data), step=step) == b"".join(data)


def test_small_pieces_are_gathered_and_large_ones_sent_as_they_are() -> None:
    small = [b"x" * 1000] * 2000
    lengths = [len(chunk) - 24 for chunk in parts(sealed(*small))[1]]
    assert lengths == [CHUNK, 2_000_000 - CHUNK]
    large = [b"head", some(CHUNK), b"head", some(CHUNK)]
    assert [len(chunk) - 24 for chunk in parts(sealed(*large))[1]] == [4, CHUNK, 4, CHUNK, 0]


def test_anything_with_bytes_in_it() -> None:
    numbers = array.array("d", range(1000))
    grid = memoryview(bytes(range(24))).cast("B", (4, 6))
    data = [bytearray(b"abc"), memoryview(numbers), grid, memoryview(array.array("d"))]
    assert opened(b"".join(seal(data, PASSWORD, CHEAP))) == b"abc" + numbers.tobytes() + bytes(range(24))


def test_sources_that_give_a_byte_at_a_time() -> None:
    stream = io.BytesIO(sealed(b"some", b"", b"thing"))
    assert b"".join(pieces(lambda size: stream.read(min(size, 1)))) == b"something"


def test_several_in_one_file_and_what_follows() -> None:
    file = io.BytesIO(sealed(b"one") + sealed(b"") + sealed(some(2 * CHUNK)) + b"rest")
    assert [b"".join(pieces(file.read)) for _ in range(3)] == [b"one", b"", some(2 * CHUNK)]
    assert file.read() == b"rest"


def test_reading_nothing_and_after_the_end() -> None:
    read = unseal(io.BytesIO(sealed(b"abc")).read, PASSWORD)
    assert (read(0), read(2), read(0), read(9), read(9), read(9)) == (b"", b"ab", b"", b"c", b"", b"")
    with pytest.raises(UsageError, match="-1"):
        read(-1)


# -- promptly, and in bounded memory ---------------------------------------------------------------------------------


def test_an_empty_piece_sends_what_is_there() -> None:
    """Whoever reads along gets each item before the next one is made."""
    arrived, seen = [], []

    def items() -> Iterator[bytes]:
        for item in (b"one", b"two", b"three"):
            yield item
            yield b""
            seen.append(list(arrived))

    stream = seal(items(), PASSWORD, CHEAP)
    pipe = bytearray(next(stream))  # the header is enough to begin with

    def source(size: int) -> bytes:
        found = bytes(pipe[:size])
        del pipe[:size]
        return found

    read = unseal(source, PASSWORD)
    for piece in stream:
        pipe.extend(piece)
        arrived.append(read(100))
    assert seen == [[b"one"], [b"one", b"two"], [b"one", b"two", b"three"]]
    assert arrived[3:] == [b""]


def test_nothing_is_drawn_before_it_is_needed() -> None:
    drawn = []

    def chunks() -> Iterator[bytes]:
        for number in range(3):
            drawn.append(number)
            yield some(CHUNK)

    stream = seal(chunks(), PASSWORD, CHEAP)
    next(stream)
    assert drawn == []
    next(stream), next(stream)
    assert drawn == [0]
    stream.close()
    assert drawn == [0]


@pytest.mark.parametrize("size", [10, CHUNK, CHUNK + 10])
def test_buffers_may_be_used_again(size: int) -> None:
    def chunks() -> Iterator[bytearray]:
        buffer = bytearray()
        for number in range(3):
            buffer += bytes([number]) * size
            yield buffer
            buffer.clear()  # a BufferError where somebody still holds it

    assert opened(b"".join(seal(chunks(), PASSWORD, CHEAP))) == b"".join(bytes([n]) * size for n in range(3))


@pytest.mark.parametrize("piece", [50_000, CHUNK, 40 * CHUNK])
def test_memory_is_bounded(piece: int) -> None:
    data = memoryview(bytes(40 * CHUNK))
    tracemalloc.start()
    try:
        stream = seal((data[at : at + piece] for at in range(0, len(data), piece)), PASSWORD, CHEAP)
        read, size = unseal(_source(stream), PASSWORD), 0
        while found := len(read(CHUNK)):
            size += found
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size == len(data)
    assert peak < 8 * CHUNK


def _source(stream: Iterator[bytes]) -> object:
    rest = b""

    def read(size: int) -> bytes:
        nonlocal rest
        rest = rest or next(stream, b"")
        found, rest = rest[:size], rest[size:]
        return found

    return read


# -- what fails while writing or reading -----------------------------------------------------------------------------


@pytest.mark.parametrize("before", [b"", b"something", some(CHUNK + 5)])
def test_an_error_of_what_is_sealed_leaves_a_stream_without_end(before: bytes) -> None:
    written = []

    def chunks() -> Iterator[bytes]:
        yield before
        yield b""
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        written.extend(seal(chunks(), PASSWORD, CHEAP))  # keeps what came before the error
    found = []
    with pytest.raises(Truncated):
        found.extend(pieces(io.BytesIO(b"".join(written)).read))
    assert b"".join(found) == before


def test_after_an_error_of_its_source_a_stream_is_not_read_on() -> None:
    file, healthy = io.BytesIO(sealed(b"one", b"", b"two", b"", b"three")), True

    def source(size: int) -> bytes:
        if not healthy:
            raise OSError("unplugged")
        return file.read(size)

    read = unseal(source, PASSWORD)
    assert read(100) == b"one"
    healthy = False
    with pytest.raises(OSError, match="unplugged"):
        read(100)
    healthy = True
    for _ in range(2):
        with pytest.raises(StreamError, match="failed before"):
            read(100)


# -- passwords and what they cost ------------------------------------------------------------------------------------


def test_wrong_passwords() -> None:
    for wrong in ("Correct horse", "correct horse ", b"\0", PASSWORD * 2):
        with pytest.raises(WrongPassword, match="wrong password"):
            opened(sealed(b"data"), wrong)


def test_passwords_are_what_they_look_like() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert opened(sealed(b"data", password=composed), decomposed) == b"data"
    assert opened(sealed(b"data", password=decomposed), composed.encode()) == b"data"


@pytest.mark.parametrize("password", ["", b"", None, 5, bytearray(b"abc"), "\ud800"])
def test_what_is_no_password(password: object) -> None:
    with pytest.raises(UsageError, match="password"):
        seal([b"data"], password)
    with pytest.raises(UsageError, match="password"):
        unseal(io.BytesIO(sealed(b"data")).read, password)


def test_what_the_default_costs_is_written_in_the_header() -> None:
    stream = b"".join(seal([b"data"], PASSWORD))
    assert Cost(*stream[14:17]) == COST == (15, 8, 3)
    assert opened(stream) == b"data"


def test_costs_that_no_reader_would_accept_are_not_written() -> None:
    with pytest.raises(UsageError, match="no reader"):
        seal([b"data"], PASSWORD, Cost(log_n=20, r=8, p=1))


def test_the_same_is_never_sealed_alike() -> None:
    one, other = sealed(b"data"), sealed(b"data")
    assert len(one) == len(other)
    assert one[17:49] != other[17:49]
    assert one[HEADER + 8 :] != other[HEADER + 8 :]


# -- libraries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("writer", "reader"), [("cryptography", "Cryptodome"), ("Cryptodome", "cryptography")])
def test_one_library_reads_what_the_other_sealed(writer: str, reader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cryptography")
    data, names = some(2 * CHUNK + 9), {"cryptography": "by_cryptography", "Cryptodome": "by_cryptodomex"}
    for name in (writer, reader):
        monkeypatch.setattr(choice, "LIBRARIES", (names[name],))
        choice.library.cache_clear()
        if name == writer:
            stream = sealed(data[:CHUNK], b"", data[CHUNK:])
        else:
            assert opened(stream) == data


def test_without_a_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = sealed(b"data")
    choice.library.cache_clear()
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    monkeypatch.setitem(sys.modules, "Cryptodome.Cipher.AES", None)
    for use in (lambda: sealed(b"data"), lambda: opened(stream)):
        with pytest.raises(InstallationError, match="pip install pycryptodomex"):
            use()


def test_a_file_on_disk(tmp_path: os.PathLike[str]) -> None:
    place, data = tmp_path / "sealed", some(5 * CHUNK // 2)
    with open(place, "wb", buffering=0) as file:
        file.writelines(seal([data], PASSWORD, CHEAP))
    with open(place, "rb") as file:
        assert b"".join(pieces(file.read, step=100_000)) == data
