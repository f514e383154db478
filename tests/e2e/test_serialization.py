"""What travels with tasks and results beyond plain data, through a real cluster."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import raisin


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    return path


def test_a_path_travels_with_its_content(data):
    def total(path):
        path.write_text(path.read_text() + "5,6\n")  # a copy of the task's own
        return path.name, sum(int(cell) for line in path.read_text().splitlines()[1:] for cell in line.split(","))

    assert list(raisin.map(total, [data, data])) == [("data.csv", 21)] * 2
    assert data.read_text() == "a,b\n1,2\n3,4\n"


def test_a_file_that_only_its_name_was_sent_of(data, monkeypatch):
    def read(name):
        import os

        os.chdir("/")  # as on another laptop
        with open(name) as file:
            return file.read()

    monkeypatch.chdir(data.parent)
    with pytest.raises(
        FileNotFoundError, match=r"exists only here, not for task 0 on .*pass pathlib\.Path\('data\.csv'\)"
    ):
        raisin.process(read, ("data.csv",))
    assert raisin.process(read, (data,)) == data.read_text()


def test_a_path_that_a_task_returns_comes_with_its_content():
    def write(n):
        import pathlib
        import tempfile

        path = pathlib.Path(tempfile.mkdtemp()) / f"result-{n}.txt"
        path.write_text(str(n * n))
        return path

    found = list(raisin.map(write, range(3)))
    assert [each.name for each in found] == ["result-0.txt", "result-1.txt", "result-2.txt"]
    assert [each.read_text() for each in found] == ["0", "1", "4"]


def test_open_files_go_on_where_they_are(data):
    with data.open() as file:
        assert file.readline() == "a,b\n"
        assert raisin.process(lambda given: [given.readline(), given.read()], (file,)) == ["1,2\n", "3,4\n"]
        assert file.readline() == "1,2\n"


def test_generators_and_iterators_as_arguments_and_results():
    numbers = (n * n for n in range(5))
    assert next(numbers) == 0
    assert raisin.process(sum, (numbers,)) == 30
    count = itertools.count(7)
    assert raisin.process(lambda given: [next(given), next(given)], (count,)) == [7, 8]
    assert next(count) == 7

    def later(upto):
        yield from range(upto)
        raise LookupError("dry")

    found = raisin.process(later, (3,))
    assert [next(found), next(found), next(found)] == [0, 1, 2]
    with pytest.raises(LookupError, match="dry"):
        next(found)


def test_locks_arrive_unlocked():
    lock = threading.Lock()
    with lock:
        assert raisin.process(lambda given: given.acquire(blocking=False), (lock,)) is True


def test_a_script_with_modules_of_its_own(tmp_path):
    (tmp_path / "shapes.py").write_text("from sizes import UNIT\nclass Square:\n    side = 2 * UNIT\n")
    (tmp_path / "sizes.py").write_text("UNIT = 21\n")
    (tmp_path / "script.py").write_text(
        "import raisin, shapes, os\n"
        "def make(n):\n    os.chdir('/')\n    return shapes.Square()\n"
        "if __name__ == '__main__':\n"
        "    (found,) = raisin.map(make, [1])\n"
        "    print(type(found) is shapes.Square, found.side)\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "True 42\n"), done.stderr


@pytest.mark.slow  # the same on every Python
def test_a_file_that_is_too_large_says_how(tmp_path):
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(101_000_000)  # no blocks on the disk
    with pytest.raises(raisin.SerializationError, match=r"raisin\.File\("):
        raisin.process(Path.stat, (large,))
    assert raisin.process(lambda path: path.stat().st_size, (raisin.File(large),)) == 101_000_000


class TakesMore(Exception):
    """An ordinary pickle would call it with one argument, and that is not enough."""

    def __init__(self, first, second):
        super().__init__(first)
        self.second = second


def test_an_exception_that_takes_other_arguments_than_it_keeps():
    def fail():
        raise TakesMore(1, 2)

    with pytest.raises(TakesMore) as caught:
        raisin.process(fail)
    assert caught.value.args == (1,)
    assert caught.value.second == 2
