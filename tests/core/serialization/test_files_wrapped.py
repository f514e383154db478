"""Temporary and compressed files; large ones in little memory."""

import bz2
import gzip
import lzma
import os
import tempfile
import tracemalloc

import pytest

from raisin_core.errors import SerializationError
from raisin_core.serialization.families import wrapped
from tests.core.serialization.channels import Sent, travel

pytestmark = pytest.mark.filterwarnings("ignore:[Uu]nclosed file:ResourceWarning")


@pytest.mark.parametrize("delete", [True, False])
@pytest.mark.parametrize("mode", ["w+b", "w+"])
def test_named_temporary_files(mode, delete, tmp_path):
    with tempfile.NamedTemporaryFile(mode, delete=delete, dir=tmp_path) as file:
        file.write("content" if mode == "w+" else b"content")
        file.seek(3)
        with travel(file, tmp_path / "there") as copy:
            assert type(copy) is type(file)
            assert copy.name == copy.file.name != file.name
            assert copy.read() == file.read()
        assert os.path.exists(copy.name) is not delete
        assert os.path.exists(file.name)


def test_a_closed_temporary_file_removes_nothing(tmp_path):
    with tempfile.NamedTemporaryFile(dir=tmp_path) as file:
        name = file.name
    copy = travel(file, tmp_path / "there")
    with open(name, "w"):
        copy.close()
        assert copy.closed
        del copy
    assert os.path.exists(name)


@pytest.mark.parametrize("size", [10, 0])
def test_spooled_files(size, tmp_path):
    with tempfile.SpooledTemporaryFile(size) as file:
        file.write(b"content" * 3)
        file.seek(3)
        with travel(file, tmp_path) as copy:
            assert copy.read() == file.read()
            assert copy.tell() == 21


@pytest.mark.parametrize("module", [gzip, bz2, lzma])
@pytest.mark.parametrize("mode", ["rb", "rt"])
def test_compressed_files_that_are_read(module, mode, tmp_path):
    path = tmp_path / "data.z"
    with module.open(path, "wb") as file:
        file.write(b"line\n" * 1000)
    with module.open(path, mode) as file:
        file.readline()
        with travel(file, tmp_path / "there") as copy:
            assert type(copy) is type(file)
            assert copy.tell() == file.tell() == 5
            assert copy.read() == file.read()


@pytest.mark.parametrize("module", [gzip, bz2, lzma])
def test_others_are_refused(module, tmp_path):
    with module.open(tmp_path / "data.z", "wb") as file, pytest.raises(SerializationError, match="pass its path"):
        Sent().dumps(file)
    with pytest.raises(SerializationError, match="pass its path"):
        Sent().dumps(file)
    with pytest.raises(SerializationError, match="no compressed files"):
        wrapped.rebuild_compressed("os", "ls", 0)


def test_large_files_need_little_memory(tmp_path):
    path = tmp_path / "large"
    with open(path, "w+b") as file:
        os.truncate(path, 64 << 20)
        file.seek(-4, os.SEEK_END)
        file.write(b"end.")
        tracemalloc.start()
        with travel(file, tmp_path / "there") as copy:
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
            tracemalloc.stop()
            assert copy.tell() == os.path.getsize(copy.name) == 64 << 20
            copy.seek(-5, os.SEEK_END)
            assert copy.read() == b"\0end."
