"""The inside of a task process, in this process: loops, reports, captured text, axes."""

from __future__ import annotations

import itertools
import math
import pickle
import socket
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raisin_core import marked, pages, plain_pages
from raisin_core.failures import Failure
from raisin_worker import capture, frames, runner
from raisin_worker.capture import Capture, Streams
from raisin_worker.frames import CURRENT, STOP, Frame
from raisin_worker.payloads import Axes, Piece, Unfit, load_function, reason, unfit_reason
from raisin_worker.report import Outbox, Report, peak_memory
from raisin_worker.runner import Runner, weigh, weigh_all

from .slots import function


def nothing(digest: bytes) -> bytes:
    raise FileNotFoundError(digest)


class Inside:
    """A runner whose agent is the test; what is sent waits in the socket."""

    def __init__(self, folder: Path) -> None:
        self.agent, self.control = socket.socketpair()
        for end in (self.agent, self.control):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.words = memoryview(bytearray(frames.MEMORY)).cast("q")
        outbox = Outbox(self.control)
        self.capture = Capture(self.words, outbox.tell)
        self.report = Report(outbox, self.words, self.capture, folder)
        self.streams = Streams(self.capture)
        self.runner = Runner(self.words, self.report, self.capture, self.streams, nothing)

    def run(self, payload: bytes, values: list[Any], start: int = 0, timeout: float = 0.0) -> int:
        self.runner.define(payload[:32], payload)
        self.words[STOP] = len(values)
        piece = Piece(0, len(values), pages.encode(values).payload)
        try:
            return self.runner.run(payload[:32], start, len(values), [piece], timeout)
        finally:
            self.streams.remove()

    def sent(self) -> list[Frame]:
        self.agent.setblocking(False)
        got = bytearray()
        try:
            while True:
                got += self.agent.recv(1 << 20)
        except BlockingIOError:
            return list(frames.Splitter().feed(bytes(got)))

    def results(self) -> list[Any]:
        told = [frames.split_outcome(frame.body)[2] for frame in self.sent() if frame.kind == frames.OUTCOME]
        return [
            item
            for payload in told
            for item in plain_pages.decode_outcomes(payload, nothing, accept=marked.EVERYTHING).items
        ]


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    before = sys.stdout, sys.stderr
    made = Inside(tmp_path)
    yield made
    sys.stdout, sys.stderr = before
    made.agent.close()
    made.control.close()


# -- loops -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", [runner.plain, runner.starred, runner.stamping, runner.timed])
def test_each_loop_looks_at_the_end_before_each_task(loop: Any) -> None:
    words = memoryview(bytearray(frames.MEMORY)).cast("q")
    words[STOP] = 100
    got: list[int] = []

    def work(x: Any) -> int:
        x = x[0] if isinstance(x, tuple) else x
        assert words[CURRENT] == x
        if x == 7:
            words[STOP] = 9  # as the agent may at any time
        return -x

    values = [(x,) if loop is runner.starred else x for x in range(5, 50)]
    timed = (array("d"), array("d"), None) if loop is runner.timed else ()
    assert loop(work, values, 5, words, got.append, *timed) == 9
    assert got == [-5, -6, -7, -8]


@pytest.mark.parametrize("timeout", [0.0, 60.0])
@pytest.mark.parametrize("star", [False, True])
def test_every_way_through_gives_every_result(inside: Inside, timeout: float, star: bool) -> None:
    values = [(x,) if star else x for x in range(3000)]
    assert inside.run(function(str, star=star), values, 10, timeout) == 3000
    assert inside.words[CURRENT] == frames.IDLE
    assert inside.results() == [str(x) for x in range(10, 3000)]


def test_nothing_behind_a_trim_is_reported(inside: Inside) -> None:
    def work(x: int) -> int:
        if x == 2500:
            inside.words[STOP] = 2000  # these have run already, in the same block
        return x

    inside.runner._functions[b"f"] = made = load_function(function(str), nothing)
    made.target, made.typical = work, 1e-7
    inside.words[STOP] = 4000
    piece = Piece(0, 4000, pages.encode(list(range(4000))).payload)
    assert inside.runner.run(b"f", 0, 4000, [piece], 0.0) == 2000
    inside.streams.remove()
    assert inside.results() == list(range(2000))


def test_results_are_sent_from_behind_up_to_what_cannot_be_encoded_yet(inside: Inside) -> None:
    report = inside.report
    report.begin(5)
    inside.words[STOP] = 100
    report.items += [1, [2], (lambda: sys.stdout), open, inside.agent, 6]
    report.flush_behind()
    assert inside.sent() == []  # too early
    report.sent -= 1.0
    report.flush_behind()
    (frame,) = inside.sent()
    assert (frame.a, frame.b) == (5, 9)
    report.flush()
    (frame,) = inside.sent()
    assert (frame.a, frame.b) == (9, 11)
    assert b'"failed": [9]' in frame.body


def test_a_blob_without_room_goes_elsewhere(inside: Inside, tmp_path: Path) -> None:
    inside.report._blobs = tmp_path / "not there"
    inside.run(function(lambda x: bytes(pages.BLOB * 2)), [1])
    (frame,) = inside.sent()
    assert b"FileNotFoundError" in frames.split_outcome(frame.body)[1]


def test_large_results_do_not_pile_up(inside: Inside) -> None:
    inside.run(function(bytes), [70_000] * 12)
    outcomes = [frame for frame in inside.sent() if frame.kind == frames.OUTCOME]
    assert len(outcomes) >= 3
    assert outcomes[-1].b == 12


# -- weights -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1, 2.5, "x" * 1000, b"x" * 5000, list(range(1000)), {1: "y" * 500}, {"a"}, (1, 2)])
def test_weights_are_about_right(value: Any) -> None:
    size = len(pickle.dumps(value))
    assert size / 8 < weigh(value) < size * 8 + 64


def test_a_weight_never_fails() -> None:
    class Odd:
        @property
        def nbytes(self) -> int:
            raise ZeroDivisionError

    nested: list[Any] = []
    nested.append(nested)
    assert weigh(Odd()) > 0
    assert weigh(nested) > 0
    assert weigh(Failure.of(ValueError("x" * 3000))) > 3000
    assert weigh_all([]) == 0
    assert weigh_all(["x" * 1000] * 4000) == pytest.approx(4_000_000, rel=0.2)


# -- axes --------------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 6), max_size=5), st.data())
def test_axes_are_a_product_from_anywhere(lengths: list[int], data: st.DataObject) -> None:
    axes = [[f"{number}.{at}" for at in range(length)] for number, length in enumerate(lengths)]
    every = list(itertools.product(*axes))
    start = data.draw(st.integers(0, len(every)))
    stop = data.draw(st.integers(start, len(every)))
    tail = data.draw(st.integers(1, 20))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("raisin_worker.payloads.TAIL", tail)
        made = Axes([("axis", axis) if len(axis) > 1 else ("constant", axis[0]) for axis in axes])
    assert list(made.combinations(start, stop)) == every[start:stop]


# -- what does not fit here --------------------------------------------------------------------------------------------


def test_reasons_are_one_line() -> None:
    assert reason(ModuleNotFoundError("No module\nnamed x")) == "No module named x"
    assert reason(ValueError("a\n  b")) == "ValueError: a b"
    assert reason(MemoryError()) == "MemoryError"
    assert len(reason(ValueError("x" * 5000))) <= frames.MAX_REASON + 20
    broken = type("Broken", (Exception,), {"__str__": lambda self: 1 / 0})
    assert "ZeroDivisionError" in reason(broken())


def test_ordinary_errors_are_the_tasks_own_affair() -> None:
    for error in (ValueError("x"), OSError(2, "no such file"), FileNotFoundError("x"), SystemExit(1)):
        assert unfit_reason(error) is None
    assert unfit_reason(OSError("libx.so: cannot open shared object file")) is not None


def test_a_function_that_is_none() -> None:
    for payload in (b"", b"\0", pages.pack(b"nonsense").payload, pages.pack(pickle.dumps({"target": None})).payload):
        with pytest.raises(Unfit):
            load_function(payload, nothing)


# -- text --------------------------------------------------------------------------------------------------------------


class Listener:
    def __init__(self) -> None:
        self.now, self.told = 100.0, list[tuple[int, bytes]]()
        self.words = memoryview(bytearray(frames.MEMORY)).cast("q")
        self.capture = Capture(self.words, lambda index, text: self.told.append((index, text)), lambda: self.now)

    def write(self, index: int, data: bytes) -> None:
        self.words[CURRENT] = index
        self.capture.write(data, 1)


def test_lines_are_told_when_they_are_whole() -> None:
    it = Listener()
    it.write(1, b"one ")
    assert it.told == []
    it.write(1, b"line\nand")
    assert it.told == [(1, b"one line\n")]
    it.write(2, b"two\n")
    assert it.told[1:] == [(1, b"and\n"), (2, b"two\n")]
    assert it.capture.take(0, 2) == {1: "one line\nand"}
    assert it.capture.take(0, 3) == {2: "two\n"}


def test_a_hundred_lines_a_second_and_then_a_count() -> None:
    it = Listener()
    it.write(1, b"line\n" * 150)
    it.write(1, b"line\n" * 7)
    assert b"".join(text for _, text in it.told) == b"line\n" * capture.LINES
    it.now += 1.0
    it.capture.tick()
    assert it.told[-1] == (1, b"... 57 lines more\n")
    it.write(1, b"again\n")
    assert it.told[-1] == (1, b"again\n")


def test_what_was_left_out_is_told_before_the_next_range() -> None:
    it = Listener()
    it.write(1, b"line\n" * 101)
    it.capture.end()
    assert it.told[-1] == (1, b"... 1 lines more\n")
    assert it.capture.take(0, math.inf) == {}  # type: ignore[arg-type]


def test_text_is_bounded() -> None:
    it = Listener()
    for _ in range(20):
        it.write(1, b"x" * 10_000)
    (text,) = it.capture.take(1, 2).values()
    assert len(text) == capture.KEPT + len("\n... (cut)")
    assert max(len(text) for _, text in it.told) <= capture.LINE + 1


def test_between_ranges_text_goes_to_the_descriptor(capfd: pytest.CaptureFixture[str]) -> None:
    it = Listener()
    it.write(frames.IDLE, b"nobody's\n")
    assert it.told == []
    assert capfd.readouterr().out == "nobody's\n"


def test_peak_memory_is_in_bytes() -> None:
    if sys.platform in ("linux", "darwin"):
        assert 5_000_000 < peak_memory() < 1 << 40
    else:
        assert peak_memory() == 0
