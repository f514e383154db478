"""Open files that travel: content, mode, position; those who write go on as before."""

import io
import os
import socket
import sys
import tempfile

import pytest

from raisin_core.errors import SerializationError
from tests.core.serialization.channels import Arrived, Sent, travel

pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "data.txt"
    path.write_bytes(b"0123456789" * 10)
    return path


@pytest.fixture
def there(tmp_path):
    return tmp_path / "there"


def opened(path, mode, **options):
    if "x" in mode:
        path.unlink()
    return open(path, mode, **options)


MODES = ["rb", "rb+", "wb", "wb+", "xb", "xb+", "ab", "ab+"]


@pytest.mark.parametrize("buffering", [0, -1])
@pytest.mark.parametrize("mode", MODES)
def test_binary_files(mode, buffering, path, there):
    with opened(path, mode, buffering=buffering) as file:
        if file.writable():
            file.write(b"written")
        file.seek(5)
        with travel(file, there) as copy:
            assert file.tell() == 5
            assert (type(copy), copy.mode, copy.tell()) == (type(file), file.mode, 5)
            assert os.path.basename(copy.name) == path.name
            assert str(there) in copy.name
            with open(copy.name, "rb") as arrived:
                assert arrived.read() == path.read_bytes()
            for each in (file, copy):
                if each.writable():
                    each.write(b"more")
                    each.flush()
            with open(copy.name, "rb") as arrived:
                assert arrived.read() == path.read_bytes()
            assert copy.tell() == file.tell()
            if file.readable():
                assert copy.read() == file.read()


@pytest.mark.parametrize("mode", ["r", "r+", "w", "w+", "x", "x+", "a", "a+"])
def test_text_files(mode, path, there):
    with opened(path, mode, encoding="utf-8") as file:
        if file.writable():
            file.write("schön")
        file.seek(3)
        with travel(file, there) as copy:
            assert (type(copy), copy.mode, copy.tell(), file.tell()) == (type(file), mode, 3, 3)
            assert (copy.readable(), copy.writable()) == (file.readable(), file.writable())
            for each in (file, copy):
                if each.writable():
                    each.write("ü\n")
                    each.flush()
            with open(copy.name, "rb") as arrived:
                assert arrived.read() == path.read_bytes()
            if file.readable():
                assert copy.read() == file.read()


def test_after_reading_in_part(path, there):
    with open(path, "rb") as file:
        file.read(7)
        with travel(file, there) as copy:
            assert copy.tell() == file.tell() == 7
            assert copy.read() == file.read()


def test_a_position_after_the_end(path, there):
    with open(path, "rb+") as file:
        file.seek(1000)
        with travel(file, there) as copy:
            assert (copy.tell(), copy.read()) == (1000, b"")


def test_deleted_files(path, there):
    with open(path, "rb+") as file, open(path, "ab") as end:
        path.unlink()
        file.seek(95)
        end.write(b"more")
        copy, last = travel([file, end], there)
        with copy, last:
            assert copy.read() == b"56789more"
            assert last.tell() == 104


def test_a_deleted_file_for_writing_only(tmp_path, there):
    with open(tmp_path / "gone", "wb") as file:
        os.unlink(file.name)
        file.write(b"content")
        if not os.path.exists("/proc/self/fd"):
            with pytest.raises(SerializationError, match="writing only"):
                travel(file, there)
            return
        with travel(file, there) as copy, open(copy.name, "rb") as arrived:
            assert arrived.read() == b"content"


def test_the_content_follows_though_the_file_was_closed(path, tmp_path):
    sent = Sent()
    with open(path, "rb") as file:
        data = sent.dumps(file)
    path.unlink()
    with Arrived(sent, tmp_path).loads(data) as copy:
        assert copy.read() == b"0123456789" * 10


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="this system does not list descriptors")
def test_descriptors_are_given_back(path):
    before = len(os.listdir("/dev/fd"))
    with open(path, "rb") as file:
        for _ in range(3):
            Sent().dumps([file, path])
    assert len(os.listdir("/dev/fd")) == before


def test_files_and_paths_of_one_file_stay_together(path, there):
    with open(path, "rb") as one, open(path, "r+b") as two:
        two.seek(2)
        two.write(b"new")
        place, first, second = travel([path, one, two], there)
        with first, second:
            assert first.name == second.name == str(place)
            assert place.read_bytes() == path.read_bytes() == b"01new56789" + b"0123456789" * 9
            second.write(b"!")
            second.flush()
            assert first.read(6) == b"01new!"


def test_the_same_file_twice_is_one(path, there):
    with open(path, encoding="utf-8") as file:
        one, two, buffer, raw = travel([file, file, file.buffer, file.buffer.raw], there)
        with one:
            assert one is two
            assert one.buffer is buffer
            assert buffer.raw is raw


def test_temporary_files(there):
    with tempfile.TemporaryFile() as file:
        file.write(b"content")
        file.seek(3)
        with travel(file, there) as copy:
            assert copy.read() == file.read() == b"tent"


def test_attributes_of_somebody_s(path, there):
    with open(path, encoding="utf-8") as file:
        file.note = [file]
        file.buffer.raw.note = 5
        with travel(file, there) as copy:
            assert copy.note == [copy]
            assert copy.buffer.raw.note == 5


@pytest.mark.parametrize("mode", ["r", "r+", "w", "a", "x", "rb", "wb", "ab+", "xb"])
def test_closed_files_arrive_closed(mode, path, there):
    with opened(path, mode) as file:
        pass
    copy = travel(file, there)
    assert copy.closed
    assert (type(copy), copy.mode, copy.name) == (type(file), mode, file.name)
    with pytest.raises(ValueError, match="closed"):
        copy.tell()


def test_closed_layers_arrive_closed(path, there):
    with open(path, "rb", buffering=0) as raw:
        pass
    copy = travel(raw, there)
    assert (type(copy), copy.closed, copy.mode, copy.name) == (io.FileIO, True, "rb", raw.name)
    text = io.TextIOWrapper(io.BytesIO(b""), encoding="utf-16")
    text.close()
    copy = travel(text, there)
    assert (type(copy), copy.closed, copy.encoding) == (io.TextIOWrapper, True, "utf-16")


def test_by_name_only(path, there):
    with open(path, "r+b") as file:
        file.seek(4)
        sent = Sent(copy_file=False)
        data = sent.dumps(file)
        assert not sent.contents
        with Arrived(sent, there).loads(data) as copy:
            assert (copy.name, copy.tell()) == (str(path), 4)
        path.unlink()
        with pytest.raises(FileNotFoundError):
            Arrived(sent, there).loads(data)
    with tempfile.TemporaryFile() as file, pytest.raises(SerializationError, match="no name"):
        Sent(copy_file=False).dumps(file)


def test_at_most_so_many_bytes(path, there):
    with open(path, "rb") as file:
        travel(file, there, copy_file=100).close()
        with pytest.raises(SerializationError, match="copy_file allows 99"):
            travel(file, there, copy_file=99)


def test_the_null_device(there):
    with open(os.devnull, "w") as file, travel(file, there) as copy:
        copy.write("gone")
        assert copy.name == os.devnull


def test_standard_streams_are_those_of_the_reader(there, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"input")))
    for file in (sys.__stdout__, sys.__stderr__, sys.__stdout__.buffer, sys.stdin):
        assert travel(file, there) is file
    data = Sent().dumps(sys.stdin)
    monkeypatch.setattr(sys, "stdin", other := io.StringIO())
    assert Arrived(Sent(), there).loads(data) is other


def test_pipes_and_sockets_are_refused():
    end, begin = os.pipe()
    with os.fdopen(end, "rb") as reading, os.fdopen(begin, "w") as writing, socket.socket() as some:
        for file in (reading, reading.raw, writing, some.makefile("rb")):
            with pytest.raises(SerializationError, match="open it inside the function"):
                Sent().dumps([file])


def test_detached_files_are_refused(path):
    file = open(path, encoding="utf-8")  # noqa: SIM115
    with file.detach() as buffer, pytest.raises(SerializationError, match="detached"):
        Sent().dumps([file])
    buffer = open(path, "rb")  # noqa: SIM115
    with buffer.detach(), pytest.raises(SerializationError, match="detached"):
        Sent().dumps([buffer])
