"""Streams that go on after their object is there: items in files, threads, forks, at the end of a process."""

from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import raisin
from raisin_core.errors import Truncated
from raisin_core.serialization.streams import frames, spool


def stream(value: object) -> bytes:
    return b"".join(raisin.serialize(value))


def numbers(count: int) -> Iterator[list[int]]:
    for at in range(count):
        yield [at]


@pytest.mark.parametrize("options", [{}, {"password": "p"}])
def test_a_file_that_nobody_holds_is_closed(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        raisin.dump(numbers(100_000), file, **options)
    for read in (raisin.load, raisin.deserialize):
        opened: Any = path.open("rb", buffering=0)
        closed = weakref.ref(opened)
        items = read(opened, **options)
        close = opened.close
        del opened
        assert next(items) == [0]  # it holds the file
        close()
        del close, items
        gc.collect()
        assert closed() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("source", ["file", "spool"])
def test_a_forked_child_does_not_read_its_parents_stream(tmp_path: Path, source: str) -> None:
    code = f"""
import os, raisin
from raisin_core.errors import ForkError
def items(count):
    for at in range(count):
        yield at, "x" * 2000
with open({str(tmp_path / "file")!r}, "w+b") as file:
    raisin.dump([items(4000) for _ in range(5)], file)
    file.seek(0)
    first, second, *others = raisin.load(file) if {source!r} == "file" else raisin.loads(file.read())
    count = 0 if {source!r} == "file" else len(list(first))
    next(second)
    child = os.fork()
    if not child:
        try:
            list(second)
        except ForkError:
            os._exit(7)
        os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(status, len(list(second)) + 1)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["7", "4000"], done.stderr


def ended(code: str, folder: Path) -> str:
    """What a process says that leaves no warning and no temporary file."""
    home = folder / "temporary"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "TMPDIR": str(home)},
    )
    assert done.stderr == ""
    assert list(home.iterdir()) == []
    return done.stdout


def test_a_process_that_ends_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    code = """
import pathlib, raisin
def items(count):
    for at in range(count):
        yield at, "x" * 2000
pathlib.Path("content").write_text("content")
def both():
    yield pathlib.Path("content")
    yield 1
path, first, second, third = raisin.copy([pathlib.Path("content"), items(4000), items(4000), both()])
assert len(list(second)) == 4000
assert path.read_text() == next(third).read_text() == "content"
print("well")
"""
    assert ended(code, tmp_path) == "well\n"


def test_many_generators_share_one_file_and_its_places(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    make = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **options: made.append(make(**options)) or made[-1])

    def items() -> Iterator[object]:
        for at in range(20):
            yield at, "x" * 9000

    found = raisin.copy([items() for _ in range(100)])
    assert [len(list(each)) for each in reversed(found)] == [20] * 100
    assert len(made) == 1
    assert made[0].closed


def test_places_are_used_again() -> None:
    store = spool.Store()
    full = [store.put(bytes(1 << 20)) for _ in range(3)]
    for _ in range(50):
        queue = spool.Spool(store)
        for at in range(3):
            queue.put(bytes([at]) * (2 << 20))
        assert [queue.get() for _ in range(4)] == [*(bytes([at]) * (2 << 20) for at in range(3)), None]
        place = store.put(bytes(1 << 21))
        assert isinstance(place, spool.Place)
        assert place.start < 8 << 20
        store.drop(place)
    for each in full:
        store.drop(each)
    store.close()


def test_what_is_small_waits_together() -> None:
    store = spool.Store()
    queue = spool.Spool(store)
    for at in range(100_000):
        queue.put(b"%d " % at)
    pieces = iter(queue.get, None)
    joined = list(pieces)
    assert len(joined) < 100
    assert b"".join(joined) == b"".join(b"%d " % at for at in range(100_000))
    assert not queue


def test_an_interrupted_reading_is_not_gone_on_with() -> None:
    data = stream([numbers(5000), numbers(5000)])

    def interrupted() -> Iterator[bytes]:
        yield data[:5000]
        raise KeyboardInterrupt

    first, second = raisin.deserialize(interrupted())
    with pytest.raises(KeyboardInterrupt):
        list(first)
    with pytest.raises(raisin.SerializationError, match="interrupted"):
        list(second)


def test_an_interrupted_dump_is_seen(tmp_path: Path) -> None:
    def items() -> Iterator[int]:
        yield from range(10_000)
        raise KeyboardInterrupt

    file = io.BytesIO()
    with pytest.raises(KeyboardInterrupt):
        raisin.dump(items(), file)
    file.seek(0)
    with pytest.raises(Truncated):
        list(raisin.load(file))


def test_generators_of_one_stream_are_read_by_several_threads() -> None:
    found = raisin.copy([numbers(3000) for _ in range(4)])
    read: dict[int, list[list[int]]] = {}
    threads = [threading.Thread(target=lambda at=at: read.update({at: list(found[at])})) for at in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert all(read[at] == [[number] for number in range(3000)] for at in range(4))


class Reads:
    """Reads a generator while it is rebuilt."""

    def __init__(self, items: Iterator[object]) -> None:
        self.items = items

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.items = list(state["items"])  # type: ignore[assignment]


def test_an_item_may_read_another_generator_while_it_is_rebuilt() -> None:
    def items() -> Iterator[object]:
        yield Reads(iter(list("ab")))
        yield Reads(each for each in range(9))
        yield "last"

    first, second, last = raisin.copy(items())
    assert (first.items, second.items, last) == (["a", "b"], list(range(9)), "last")


@pytest.mark.parametrize(
    ("name", "error"), [(b"builtins", raisin.SerializationError), (b"builtinz", ModuleNotFoundError)]
)
def test_a_class_that_is_missing_is_said_and_a_module_stays_an_import_error(name: bytes, error: type) -> None:
    data = b"\x80\x05\x8c\x08" + name + b"\x8c\x04Gone\x93."
    entry = frames.ENTRY.pack(frames.PICKLE, 0, 0, len(data)) + data
    written = frames.packed(b"O", frames.LAST | frames.ALONE | frames.CHECKED, 0, [entry])
    with pytest.raises(error, match=r"Gone|builtinz"):
        raisin.deserialize(frames.TAG + b"".join(written))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_worker_removes_its_folders(tmp_path: Path) -> None:
    code = """
import multiprocessing, pathlib, raisin
pathlib.Path("content").write_text("content")
def work():
    assert raisin.copy(pathlib.Path("content")).read_text() == "content"
    print("well", flush=True)
process = multiprocessing.get_context("fork").Process(target=work)
process.start()
process.join()
"""
    assert ended(code, tmp_path) == "well\n"
