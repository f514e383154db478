"""The language between agent and process, and that the agent believes nothing."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raisin_worker import frames
from raisin_worker.events import Outcome, RangeEnded, Ready, Wrote
from raisin_worker.frames import Frame, FrameError, Recent, Splitter, pack, pack_outcome, split_outcome
from raisin_worker.incoming import Incoming

SIGNED = st.integers(-(2**63), 2**63 - 1)
FRAMES = st.builds(Frame, st.integers(0, 255), SIGNED, SIGNED, st.binary(max_size=50))


@given(st.lists(FRAMES, max_size=5), st.data())
def test_a_stream_cut_anywhere_gives_the_same_frames(sent: list[Frame], data: st.DataObject) -> None:
    stream, splitter, got = b"".join(pack(*frame) for frame in sent), Splitter(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        got += splitter.feed(stream[:cut])
        stream = stream[cut:]
    assert got == sent


def test_a_frame_too_large_is_refused_before_it_is_there() -> None:
    with pytest.raises(FrameError, match="a frame of 11 bytes"):
        list(Splitter(limit=10).feed(pack(1, body=bytes(11))[:21]))


def test_recent_keeps_what_was_used_last() -> None:
    recent: Recent[int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert [recent.get(key) for key in "abc"] == [1, None, 3]


UNFIT = [(4, "no"), (5, "no"), (6, "never")]


def outcome(start: int = 3, stop: int = 7, body: bytes | None = None) -> Frame:
    body = pack_outcome(0.5, [3], UNFIT, [bytes(32)], b"payload") if body is None else body
    return Frame(frames.OUTCOME, start, stop, body)


def running(start: int = 3, stop: int = 10) -> Incoming:
    incoming = Incoming(2)
    incoming.begin(start, stop)
    return incoming


def test_a_range_as_events() -> None:
    incoming = running()
    assert incoming.take(outcome()) == Outcome(2, 3, 7, 0.5, [3], UNFIT, b"payload", [bytes(32)])
    assert incoming.take(Frame(frames.WROTE, 8, 0, b"text\n")) == Wrote(2, 8, b"text\n")
    assert incoming.take(Frame(frames.ENDED, 7, 0, b"")) == RangeEnded(2, 7)
    assert incoming.range is None


def test_equal_reasons_travel_once() -> None:
    reason = "r" * 200
    body = pack_outcome(0.0, [], [(index, reason) for index in range(1000)], [], b"")
    assert split_outcome(body)[1].count(reason.encode()) == 1


def body(payload: bytes = b"", seconds: float = 1.0, **about: object) -> bytes:
    text = json.dumps({"failed": [], "unfit": [], "reasons": [], "blobs": [], **about}).encode()
    return struct.pack("<dI", seconds, len(text)) + text + payload


NONSENSE = {
    "another version": Frame(frames.READY, 99, 0, b""),
    "another kind": Frame(77, 0, 0, b""),
    "a start that is not due": outcome(start=4),
    "an end behind the range": outcome(stop=11),
    "nothing in it": outcome(stop=3),
    "no body": outcome(body=b""),
    "a short body": outcome(body=struct.pack("<dI", 1.0, 100)),
    "no json": outcome(body=struct.pack("<dI", 1.0, 2) + b"no"),
    "deep json": outcome(body=struct.pack("<dI", 1.0, 100_000) + b"[" * 100_000),
    "a failure outside": outcome(body=body(failed=[7])),
    "a failure twice": outcome(body=body(failed=[3, 3])),
    "failed and unfit": outcome(body=body(failed=[3], unfit=[[3, 0]], reasons=["no"])),
    "a reason that is not there": outcome(body=body(unfit=[[3, 0]])),
    "a long reason": outcome(body=body(unfit=[[3, 0]], reasons=["x" * 301])),
    "a digest that is a path": outcome(body=body(blobs=["../" * 21 + "x"])),
    "a time that is none": outcome(body=body(seconds=float("nan"))),
    "a time below zero": outcome(body=body(seconds=-1.0)),
    "an end that was not reported": Frame(frames.ENDED, 10, 0, b""),
    "a long text": Frame(frames.WROTE, 3, 0, bytes(1024 * 1024 + 1)),
}


@pytest.mark.parametrize("frame", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_refused(frame: Frame) -> None:
    incoming = running()
    with pytest.raises(FrameError):
        incoming.take(frame)
    assert incoming.reported == 3


def test_only_ready_comes_while_nothing_runs() -> None:
    assert Incoming(2).take(Frame(frames.READY, frames.VERSION, 0, b"")) == Ready(2)
    with pytest.raises(FrameError, match="while nothing runs"):
        Incoming(2).take(outcome())
