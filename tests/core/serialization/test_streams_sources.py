"""Where streams come from and go to: files, texts, sockets, iterables, and what they do at their edges."""

from __future__ import annotations

import array
import gzip
import io
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import raisin
from raisin_core.errors import Tampered, UnknownFormat, UsageError, WrongPassword

VALUE = [1, {2}, "three"]


def stream(value: object, **options: Any) -> bytes:
    return b"".join(raisin.serialize(value, **options))


def numbers(count: int) -> Iterator[list[int]]:
    for at in range(count):
        yield [at]


@pytest.mark.parametrize("space", ["\n", "\r\n", " \t\n\n"])
@pytest.mark.parametrize("value", [VALUE, 5, -1.5, None, True, "text"])
def test_white_space_around_a_text_means_nothing(value: object, space: str) -> None:
    text = raisin.dumps(value)
    for each in (text + space, space + text, (space + text + space).encode(), [text, space]):
        assert raisin.deserialize(each) == value
    file = io.StringIO(space.join([text, text, ""]))
    assert [raisin.load(file), raisin.load(file)] == [value, value]
    with pytest.raises(EOFError):
        raisin.load(file)


def test_white_space_in_what_is_written_is_kept() -> None:
    for value in ("text\n", b"bytes\n", "\n"):
        assert raisin.deserialize(stream(value)) == value
    with pytest.raises(Tampered, match="1 bytes follow"):
        raisin.deserialize(stream(VALUE) + b"\n")
    for password in (None, "p"):
        with pytest.raises(UnknownFormat):
            raisin.deserialize(b"\n" + stream(VALUE, password=password), password=password)
    with pytest.raises(Tampered, match="follow"):
        raisin.loads(raisin.dumps(VALUE) + "\nx")


def test_a_readable_text_is_read_from_text() -> None:
    for value in ("é", "€" * 20, "\U0001f600"):
        text = stream(value).decode()
        assert raisin.loads(text) == value
        assert raisin.deserialize([text]) == value
        assert raisin.load(io.StringIO(text)) == value


@pytest.mark.parametrize(
    "make",
    [
        bytearray,
        memoryview,
        lambda data: array.array("B", data),
        lambda data: memoryview(bytes(each for byte in data for each in (byte, 0)))[::2],
        lambda data: memoryview(data + bytes(-len(data) % 4)).cast("i")[: len(data) // 4],
    ],
)
def test_whatever_has_bytes_is_read(make: Callable[[bytes], Any]) -> None:
    value = "x" * 999
    while len(stream([value])) % 4:
        value += "x"
    data = stream([value])
    assert raisin.deserialize(make(data)) == [value]
    assert raisin.deserialize([b"", make(data[:64]), "", memoryview(b""), make(data[64:])]) == [value]


@pytest.mark.parametrize("wrong", [[1, 2, 3], [None], [b"</>rai", None], [1.5], {"a": 1}, 5, None, object()])
def test_what_has_no_bytes_is_refused(wrong: Any) -> None:
    with pytest.raises(UsageError, match="expected bytes"):
        raisin.deserialize(wrong)


@pytest.mark.parametrize("password", [None, "p"])
@pytest.mark.parametrize("as_text", [False, True])
def test_nothing_is_asked_for_behind_the_object(password: str | None, as_text: bool) -> None:
    def live(data: bytes) -> Iterator[bytes]:
        yield data
        raise AssertionError("whoever sends it is still there, and sends nothing")

    for value in (VALUE, numbers(5), 5):
        text = raisin.dumps(value, password=password).encode() if as_text else None
        if text is None:
            file = io.BytesIO()
            raisin.dump(value, file, password=password)
            text = file.getvalue()
        found = raisin.deserialize(live(text), password=password)
        assert (list(found) if hasattr(found, "__next__") else found) in (VALUE, [[at] for at in range(5)], 5)


def test_what_follows_in_the_same_chunk_is_not_lost_silently() -> None:
    with pytest.raises(Tampered, match="follow"):
        raisin.deserialize([stream([1]) + stream([2])])


class Short(io.RawIOBase):
    """A file without a buffer, which takes and gives a little at a time, or nothing."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = bytearray(data)
        self.blocks = False

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int | None:  # type: ignore[override]
        if self.blocks:
            return None
        self.data += bytes(data)[:1000]
        return min(1000, len(data))

    def readinto(self, view: Any) -> int | None:
        if self.blocks:
            return None
        taken = self.data[: min(7, len(view))]
        view[: len(taken)] = taken
        del self.data[: len(taken)]
        return len(taken)


def test_files_without_a_buffer_get_all_of_it() -> None:
    file = Short()
    raisin.dump(bytes(100_000), file, compresslevel=0)
    raisin.dump(VALUE, file, password="p")
    assert raisin.load(file) == bytes(100_000)
    assert raisin.load(file, password="p") == VALUE
    assert not file.data


def test_files_that_would_block_say_so() -> None:
    file = Short(stream(bytes(200_000), compresslevel=0)[:100])
    items = raisin.deserialize(Short(stream(numbers(9))))
    file.blocks = True
    for call in (lambda: raisin.dump(VALUE, file), lambda: raisin.load(file)):
        with pytest.raises(UsageError, match="non-blocking"):
            call()
    assert len(list(items)) == 9


def test_sockets() -> None:
    here, there = socket.socketpair()
    with here, there, here.makefile("wb", buffering=0) as out, there.makefile("rb") as into:
        writer = threading.Thread(target=raisin.dump, args=([bytes(range(256)) * 9999, VALUE], out))
        writer.start()
        assert raisin.load(into) == [bytes(range(256)) * 9999, VALUE]
        writer.join()


def test_wrapped_text_files_and_compressed_ones(tmp_path: Path) -> None:
    makers: list[Any] = [
        lambda: tempfile.NamedTemporaryFile("w+"),  # noqa: SIM115
        lambda: tempfile.SpooledTemporaryFile(mode="w+"),  # noqa: SIM115
        lambda: tempfile.SpooledTemporaryFile(),  # noqa: SIM115
        lambda: open(tmp_path / "crlf", "w+", newline="\r\n"),  # noqa: SIM115
        lambda: open(tmp_path / "16", "w+", encoding="utf-16"),  # noqa: SIM115
    ]
    for make in makers:
        with make() as file:
            raisin.dump(VALUE, file)
            raisin.dump(5, file)
            file.seek(0)
            assert [raisin.load(file), raisin.load(file)] == [VALUE, 5]
    for mode in ("ab", "at"):
        for value in (VALUE, 5):
            with gzip.open(tmp_path / mode, mode) as file:
                raisin.dump(value, file)
        with gzip.open(tmp_path / mode, mode.replace("a", "r")) as file:
            assert [raisin.load(file), raisin.load(file)] == [VALUE, 5]


def test_a_file_is_left_before_what_was_not_opened() -> None:
    file = io.BytesIO()
    raisin.dump(VALUE, file, password="right")
    file.seek(0)
    for password in ("wrong", None):
        with pytest.raises(WrongPassword):
            raisin.load(file, password=password)
    assert raisin.load(file, password="right") == VALUE


@pytest.mark.parametrize("value", [VALUE, 5, "text", [print], numbers(3)])
def test_what_is_not_sealed_is_not_read_with_a_password(value: object) -> None:
    file = io.BytesIO()
    raisin.dump(value, file)
    for data in (file.getvalue(), "".join(raisin.dumps(5)), stream("short")):
        with pytest.raises(Tampered, match="not sealed"):
            raisin.deserialize(data, password="p")
    with pytest.raises(UsageError, match="empty"):
        raisin.loads(raisin.dumps(1), password="")
