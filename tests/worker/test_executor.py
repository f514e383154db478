"""Real task processes: what they give, how they fail, how they end."""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from raisin_core import pages
from raisin_core.failures import Failure
from raisin_worker.events import Died, Outcome, RangeEnded, Ready, Wrote
from raisin_worker.executor import Executor

from .slots import JOB, Slot, function, page, started


@pytest.fixture
def slot(tmp_path: Path) -> Iterator[Slot]:
    yield from started(tmp_path)


def same(x):
    return x


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.005)


# -- what tasks give ---------------------------------------------------------------------------------------------------


def test_many_tiny_tasks(slot: Slot) -> None:
    slot.executor.define(b"f", function(same))
    pieces = [page(range(first, first + 4096), first) for first in range(0, 5 * 4096, 4096)]
    slot.executor.run(JOB, b"f", 100, 20_000, pieces, 0.0)
    assert slot.end() == 20_000
    assert slot.decoded().items == list(range(100, 20_000))
    assert [each.start for each in slot.outcomes()[1:]] == [each.stop for each in slot.outcomes()[:-1]]
    assert max(each.stop - each.start for each in slot.outcomes()) <= pages.TASKS


def test_pages_are_sent_once_and_found_again(slot: Slot) -> None:
    values = ["x" * 2000, *range(400)]
    slot.executor.define(b"f", function(same))
    for start in range(0, 400, 100):
        slot.executor.run(JOB, b"f", start, start + 100, [page(values)], 0.0)
        slot.wait(RangeEnded, lambda event, start=start: event.stop == start + 100)
    assert slot.decoded().items == values[:400]
    for first in range(1000, 1010):  # more pages than are kept
        slot.executor.run(JOB, b"f", first, first + 1, [page([first], first)], 0.0)
        slot.wait(RangeEnded, lambda event, first=first: event.stop == first + 1)
    slot.events.clear()
    slot.executor.run(JOB, b"f", 400, 401, [page(values)], 0.0)
    assert slot.end() == 401
    assert slot.decoded().items == [399]


def test_arguments_of_all_kinds(slot: Slot) -> None:
    values = [1, [2], "three", {4}, (5, 6), None, [7]]
    assert slot.results(function(same), values, start=1, stop=6) == values[1:6]
    assert slot.results(function(pow, star=True), [(2, 3), (3, 2)]) == [8, 9]
    assert slot.results(function(sorted, reverse=True), [[1, 2], [3, 4]]) == [[2, 1], [4, 3]]
    assert slot.results(function(same), [[]]) == [[]]


@pytest.mark.parametrize("start", [0, 7, 5_000])
def test_scan_counts_through_its_axes(slot: Slot, start: int) -> None:
    def collect(*values, **kwargs):
        return values, kwargs

    axes = [("axis", list(range(70))), ("constant", "c"), ("axis", ["a", "b", "c"]), ("axis", list(range(60)))]
    expected = list(itertools.product(range(70), ["c"], ["a", "b", "c"], range(60)))
    stop = min(start + 3000, len(expected))
    got = slot.results(function(collect, axes=True, k=1), axes, start=start, stop=stop)
    assert got == [(values, {"k": 1}) for values in expected[start:stop]]


def test_large_values_travel_as_files(slot: Slot) -> None:
    big = os.urandom(pages.BLOB + 1)
    encoded = pages.encode([big])
    for digest, data in encoded.blobs.items():
        (slot.blobs / digest.hex()).write_bytes(data)
    assert slot.results(function(lambda x: x + b"!"), [big]) == [big + b"!"]
    (outcome,) = slot.outcomes()
    assert len(outcome.blobs) == 1
    assert len(outcome.payload) < 10_000


def test_times_and_memory(slot: Slot) -> None:
    def work(seconds):
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    slot.run(function(work), [0.02, 0.04])
    slot.end()
    got = slot.decoded()
    assert all(wall >= 0.01 for wall in got.wall)
    assert got.cpu[0] >= 0.02
    assert got.cpu[1] >= 0.04
    assert got.rss > 1_000_000
    assert sum(each.seconds for each in slot.outcomes()) == pytest.approx(sum(got.wall))


def test_results_do_not_wait_for_a_long_task_behind_them(slot: Slot, tmp_path: Path) -> None:
    def work(x):
        if x == "long":
            wait_for(str(tmp_path / "go"))
        return x

    slot.run(function(work), [*range(40), "long", 41])
    slot.wait(Outcome, lambda event: event.stop == 40)
    assert not [event for event in slot.events if isinstance(event, RangeEnded)]
    (tmp_path / "go").touch()
    assert slot.end() == 42
    assert slot.decoded().items == [*range(40), "long", 41]


# -- how tasks fail ----------------------------------------------------------------------------------------------------


def test_whatever_a_task_raises_is_its_result(slot: Slot) -> None:
    def work(x):
        if x == "recursion":
            return work(x)
        if x == "exit":
            sys.exit(3)
        if isinstance(x, type):
            raise x("why")
        return x

    values = [0, ValueError, "exit", KeyboardInterrupt, 4, GeneratorExit, StopIteration, "recursion", OSError, 9]
    got = slot.results(function(work), values)
    assert slot.failed() == [1, 2, 3, 5, 6, 7, 8]
    assert slot.unfit() == []
    names = [item.chain[0].type for item in got if isinstance(item, Failure)]
    expected = "ValueError SystemExit KeyboardInterrupt GeneratorExit StopIteration RecursionError OSError"
    assert names == expected.split()
    assert [got[0], got[4], got[9]] == [0, 4, 9]
    assert "in work" in got[1].traceback
    assert "runner.py" not in got[1].traceback


def test_a_failure_in_the_midst_of_tiny_tasks(slot: Slot) -> None:
    def invert(x):
        return 1 / x

    got = slot.results(function(invert), [1, 2] * 1000 + [0] + [4] * 1999)
    assert slot.failed() == [2000]
    assert got[1999] == 0.5
    assert got[2001:] == [0.25] * 1999
    assert got[2000].chain[0].type == "ZeroDivisionError"


def test_results_that_cannot_travel(slot: Slot) -> None:
    class Exits:
        def __reduce__(self):
            raise SystemExit(5)

    def work(x):
        return {1: sys._getframe, 3: Exits}.get(x, int)()

    got = slot.results(function(work), list(range(5)))
    assert slot.failed() == [1, 3]
    assert [got[0], got[2], got[4]] == [0, 0, 0]
    assert "frame" in got[1].traceback


def test_what_this_host_cannot_run(slot: Slot) -> None:
    def work(x):
        if x == 1:
            import giacpy_is_not_here  # noqa: F401
        if x == 2:
            raise MemoryError
        if x == 3:
            ctypes.CDLL("libnothere.so")
        if x == 4:
            os.stat("/nothing/here")
        return x

    got = slot.results(function(work), list(range(6)))
    reasons = dict(slot.unfit())
    assert list(reasons) == [1, 2, 3]
    assert "giacpy_is_not_here" in reasons[1]
    assert reasons[2] == "MemoryError"
    assert "libnothere.so" in reasons[3]
    assert slot.failed() == [4]
    assert all(isinstance(got[index], Failure) for index in (1, 2, 3, 4))


def test_functions_of_local_modules(slot: Slot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one_of_mine.py").write_text("from another_of_mine import half\ndef f(x): return half(x)\n")
    (tmp_path / "another_of_mine.py").write_text("def half(x): return x / 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert slot.results(function(__import__("one_of_mine").f), [1, 2]) == [0.5, 1.0]


ELSEWHERE = f"""
import os
if os.getpid() != {os.getpid()}:
    import missing_there
"""
MISSING = "No module named 'missing_there' (needed by the module {}, which came with the object)"


def test_an_argument_that_cannot_be_rebuilt(slot: Slot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "only_here.py").write_text(ELSEWHERE + "class Thing: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    only_here = __import__("only_here")
    got = slot.results(function(same), [[0], only_here.Thing(), [2]])
    assert [got[0], got[2]] == [[0], [2]]
    assert slot.failed() == []
    ((index, why),) = slot.unfit()
    assert (index, why) == (1, MISSING.format("only_here"))


def test_a_function_that_cannot_be_rebuilt(slot: Slot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "also_only_here.py").write_text(ELSEWHERE + "def f(x): return x\n")
    monkeypatch.syspath_prepend(tmp_path)
    slot.results(function(__import__("also_only_here").f), list(range(5000)))
    assert slot.unfit() == [(index, MISSING.format("also_only_here")) for index in range(5000)]
    assert slot.failed() == []
    assert slot.results(function(same), [1]) == [1]


def test_the_directory_is_restored_after_a_range(slot: Slot, tmp_path: Path) -> None:
    def wander(x):
        os.mkdir("gone")
        os.chdir("gone")
        os.rmdir(tmp_path / "gone")

    assert slot.results(function(wander), [1]) == [None]
    assert slot.results(function(lambda x: os.getcwd()), [1]) == [str(tmp_path)]


# -- what tasks print --------------------------------------------------------------------------------------------------


def test_prints_belong_to_their_tasks(slot: Slot) -> None:
    def work(x):
        if x:
            print("task", x)
            print("half", x, end="", file=sys.stderr)
        return sys.stdin.read()

    assert slot.results(function(work), [0, 1, 2]) == ["", "", ""]
    assert slot.decoded().text == {1: "task 1\nhalf 1", 2: "task 2\nhalf 2"}
    text = {index: b"".join(text for at, text in slot.written() if at == index) for index in (1, 2)}
    assert text == {1: b"task 1\nhalf 1\n", 2: b"task 2\nhalf 2\n"}


def test_a_flood_of_prints_is_counted(slot: Slot) -> None:
    def work(x):
        for line in range(5000):
            print("line", line)

    slot.results(function(work), [0])
    lines = b"".join(text for _, text in slot.written()).splitlines()
    assert lines[:2] == [b"line 0", b"line 1"]
    assert lines[-1].endswith(b"lines more")
    assert len(lines) < 2500
    (text,) = slot.decoded().text.values()
    assert text.startswith("line 0\n")


def test_a_task_may_leave_the_streams_as_it_likes(slot: Slot) -> None:
    def work(x):
        print("before")
        sys.stdout.close()
        sys.stdout = None

    slot.results(function(work), [0])
    slot.results(function(lambda x: print("after")), [0])
    assert slot.decoded().text == {0: "after\n"}


# -- trimming and timeouts ---------------------------------------------------------------------------------------------


def in_steps(folder):
    def work(x):
        (folder / f"began{x}").touch()
        wait_for(str(folder / f"go{x}"))
        return x

    return work


def test_trim_lets_the_current_and_the_next_task_run(slot: Slot, tmp_path: Path) -> None:
    slot.run(function(in_steps(tmp_path)), list(range(100)))
    slot.until((tmp_path / "began0").exists)
    (tmp_path / "go0").touch()
    slot.until((tmp_path / "began1").exists)
    assert slot.executor.trim(50) == 50
    assert slot.executor.trim(0) == 3
    assert slot.executor.trim(99) == 3
    (tmp_path / "go1").touch()
    (tmp_path / "go2").touch()
    assert slot.end() == 3
    assert slot.decoded().items == [0, 1, 2]
    assert not (tmp_path / "began3").exists()
    assert slot.executor.trim(0) == 3


def test_trim_of_a_range_of_tiny_tasks(slot: Slot) -> None:
    slot.executor.define(b"f", function(same))
    pieces = [page(range(first, first + 4096), first) for first in range(0, 100 * 4096, 4096)]
    slot.executor.run(JOB, b"f", 0, 100 * 4096, pieces, 0.0)
    slot.wait(Outcome, lambda event: event.stop > 4096)
    stop = slot.executor.trim(0)
    end = slot.end()
    assert stop <= end < 100 * 4096
    assert slot.decoded().items == list(range(end))


def test_a_task_that_takes_too_long_is_ended(slot: Slot, tmp_path: Path) -> None:
    slot.run(function(in_steps(tmp_path)), [0, 1, 2], timeout=60.0)
    (tmp_path / "go0").touch()
    slot.until((tmp_path / "began1").exists)
    slot.wait(Outcome)
    index, since = slot.executor.current() or (-1, 0.0)
    assert index == 1
    assert slot.executor.deadline() == since + 60.0
    assert not slot.executor.check_timeout(since + 59.9)
    assert slot.executor.check_timeout(since + 60.1)
    (died,) = slot.executor.read()
    assert died == Died(0, 1, "timeout", "ran longer than 60 s")
    assert slot.executor.fds() == []


def test_a_tiny_task_among_tiny_ones_has_its_own_beginning(slot: Slot, tmp_path: Path) -> None:
    def work(x):
        if x == 2999:
            (tmp_path / "before").write_text(repr(time.monotonic()))
        if x == 3000:
            wait_for(str(tmp_path / "go"))
        return x

    slot.run(function(work), list(range(4000)), timeout=3600.0)
    slot.until(lambda: (slot.executor.current() or (0, 0))[0] == 3000)
    _, since = slot.executor.current() or (-1, 0.0)
    assert float((tmp_path / "before").read_text()) <= since <= time.monotonic()
    (tmp_path / "go").touch()
    assert slot.end() == 4000


def test_tasks_know_that_they_are_tasks(slot: Slot) -> None:
    def where(x):
        from raisin_core import nesting

        return nesting.inside, nesting.index()

    assert slot.results(function(where), list(range(3))) == [(True, 0), (True, 1), (True, 2)]


def test_events_are_of_this_slot(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    executor = Executor(7, sys.executable, tmp_path, None, None, None, tmp_path / "blobs", tmp_path)
    slot = Slot.__new__(Slot)
    slot.executor, slot.events, slot._functions = executor, [], 0
    try:
        slot.wait(Ready)
        slot.run(function(print), ["hello"])
        slot.end()
        assert {event.slot for event in slot.events} == {7}
        assert [event.text for event in slot.events if isinstance(event, Wrote)] == [b"hello\n"]
    finally:
        executor.kill()
