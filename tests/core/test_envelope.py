"""Frames to messages and back; whatever arrives, nothing is raised."""

from __future__ import annotations

import doctest
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raisin_core import envelope, messages
from raisin_core.envelope import (
    BUNDLE,
    BUNDLE_BYTES,
    FIRST,
    MAX_HEADER,
    MAX_PAYLOAD,
    Bundle,
    Malformed,
    decode,
    decode_all,
    encode,
)
from raisin_core.messages import MESSAGES, VERSION, Beat, Id, LeaseId, Message, Options, Page

HERE = messages.MemberLine("zoe", "worker", "den", 1.5, 2, 1)
LINE = messages.JobLine(b"j" * 16, "fit", "map", "done", 3, 1, 0, 3, 1.5, 2.5, "zoe", "zoe", "nightly", True)
SAMPLES: dict[Any, Any] = {
    messages.Id: b"i" * 16,
    messages.Digest: b"d" * 32,
    messages.NoDigest: b"n" * 32,
    messages.Index: 2**62,
    messages.Text: "what\n\0 éß",
    messages.Blobs: [b"b" * 32],
    LeaseId: LeaseId(3, 4),
    Options: Options(2, 1.5, 2.5, 3, ["here"], True),
    list[messages.HeldLease]: [messages.HeldLease(LeaseId(1, 2), b"j" * 16, 3, 9)],
    list[Id]: [b"x" * 16],
    list[messages.Digest]: [b"f" * 32],
    list[int]: [-1, 2**40],
    list[str]: ["a", ""],
    list[tuple[int, int]]: [(1, 2), (5, 9)],
    list[tuple[int, str]]: [(1, "no numpy")],
    messages.Label: "nightly",
    list[messages.Label]: ["zoe"],
    list[messages.Index]: [1, 2**62],
    list[messages.MemberLine]: [HERE],
    messages.Tags: b"t" * 16,
    messages.Parts: b"parts",
    messages.Origin | None: messages.Origin(b"o" * 16, 1, 5, 2),
    messages.JobLine: LINE,
    list[messages.JobLine]: [LINE],
    list[messages.WorkerLine]: [messages.WorkerLine("zoe", "den", 2, 1, "busy")],
    int: -1,
    float: 0.25,
    bool: True,
    str: "text",
    bytes: b"bytes",
}


def sample(kind: Any) -> Any:
    if kind in SAMPLES:
        return SAMPLES[kind]
    return get_args(kind)[-1]  # a Literal's


def full(kind: type[Message]) -> Message:
    """A message with a telling value in every field, none of them the default."""
    return kind(**{field.name: sample(field.type) for field in msgspec.structs.fields(kind)})


@pytest.mark.parametrize("kind", MESSAGES)
def test_every_message_comes_back(kind: type[Message]) -> None:
    message = full(kind)
    payload = b"payload" if kind.payload else b""
    assert decode(encode(message, payload)) == (message, payload)
    assert decode([memoryview(frame) for frame in encode(message, payload)]) == (message, payload)


@pytest.mark.parametrize("kind", MESSAGES)
def test_fields_with_defaults_may_be_missing(kind: type[Message]) -> None:
    """So an older peer, which knows fewer fields, is understood."""
    required = [field.name for field in msgspec.structs.fields(kind) if field.required]
    message = full(kind)
    header = [kind.__name__.lower(), *(getattr(message, name) for name in required)]
    decoded = decode([FIRST, msgspec.msgpack.encode(header)])
    assert decoded == (kind(**{name: getattr(message, name) for name in required}), b"")


def test_fields_of_a_newer_peer_are_ignored() -> None:
    header = msgspec.msgpack.encode(["beat", 1, 2, "new", [3]])
    assert decode([FIRST, header]) == (Beat(1, 2), b"")


GOOD = msgspec.msgpack.encode(Beat(1, 2))

MALFORMED = [
    ([], "not a raisin message", -1),
    ([b""], "not a raisin message", -1),
    ([b"rsn"], "not a raisin message", -1),
    ([b"abc\x01", GOOD], "not a raisin message", -1),
    ([FIRST + b"\x00", GOOD], "not a raisin message", -1),
    ([b"rsn\x09", b"anything"], f"protocol version 9, this side speaks {VERSION}", 9),
    ([FIRST], "1 frames", VERSION),
    ([FIRST, GOOD, b"", b""], "4 frames", VERSION),
    ([FIRST, b"\xc1" * (MAX_HEADER + 1)], "a header of", VERSION),
    ([FIRST, b""], "bad header", VERSION),
    ([FIRST, b"\xc1"], "bad header", VERSION),
    ([FIRST, GOOD + b"\x00"], "bad header", VERSION),
    ([FIRST, b"\x91" * 100_000], "bad header", VERSION),
    ([FIRST, msgspec.msgpack.encode(["nonsense"])], "bad header", VERSION),
    ([FIRST, msgspec.msgpack.encode(["beat", -1])], "bad header", VERSION),
    ([FIRST, msgspec.msgpack.encode(["beat", 2**62 + 1])], "bad header", VERSION),
    ([FIRST, msgspec.msgpack.encode(["cancel", b"short"])], "bad header", VERSION),
    ([FIRST, msgspec.msgpack.encode({"type": "beat"})], "bad header", VERSION),
    ([FIRST, GOOD, b"payload"], "Beat carries no payload", VERSION),
    ([FIRST, msgspec.msgpack.encode(Page(b"j" * 16, 0, 0, 1)), bytes(MAX_PAYLOAD + 1)], "a payload of", VERSION),
]


@pytest.mark.parametrize(
    ("frames", "reason", "version"), MALFORMED, ids=[f"{i}-{m[1]}" for i, m in enumerate(MALFORMED)]
)
def test_malformed(frames: list[bytes], reason: str, version: int) -> None:
    answer = decode(frames)
    assert isinstance(answer, Malformed)
    assert reason in answer.reason
    assert answer.version == version


@settings(deadline=None, max_examples=300)
@given(st.lists(st.binary(max_size=64), max_size=5))
def test_random_frames(frames: list[bytes]) -> None:
    assert isinstance(decode(frames), Malformed)


@settings(deadline=None, max_examples=500)
@given(st.sampled_from(MESSAGES), st.data())
def test_damaged_headers(kind: type[Message], data: st.DataObject) -> None:
    """A damaged header is another valid message, or Malformed; never an exception."""
    header = bytearray(encode(full(kind))[1])
    for _ in range(data.draw(st.integers(1, 4))):
        header[data.draw(st.integers(0, len(header) - 1))] = data.draw(st.integers(0, 255))
    answer = decode([FIRST, bytes(header)])
    assert isinstance(answer, Malformed) or isinstance(answer[0], Message)


def test_a_bundle_brings_all_in_order() -> None:
    messages_and_payloads = [(full(kind), b"payload" if kind.payload else b"") for kind in MESSAGES]
    bundle = Bundle()
    for message, payload in messages_and_payloads:
        bundle.add(message, payload)
    frames = bundle.take()
    assert list(decode_all(frames)) == messages_and_payloads
    assert bundle.take() == []


def test_a_bundle_of_one_is_a_message() -> None:
    bundle = Bundle()
    bundle.add(Beat(1, 2))
    assert bundle.take() == encode(Beat(1, 2))
    bundle.add(Page(b"j" * 16, 0, 0, 1), b"payload")
    assert bundle.take() == encode(Page(b"j" * 16, 0, 0, 1), b"payload")


def test_a_malformed_message_spoils_no_other_of_its_bundle() -> None:
    answers = list(decode_all([FIRST, GOOD, b"", b"\xc1", b"", GOOD, b"", GOOD, b"no payload here"]))
    assert [isinstance(answer, Malformed) for answer in answers] == [False, True, False, True]


def test_bundles_are_bounded() -> None:
    bundle = Bundle()
    for _ in range(BUNDLE):
        assert not bundle.full
        bundle.add(Beat())
    assert bundle.full
    assert len(list(decode_all(bundle.take()))) == BUNDLE
    assert isinstance(next(decode_all([FIRST, *[GOOD, b""] * (BUNDLE + 1)])), Malformed)
    bundle.add(Page(b"j" * 16, 0, 0, 1), bytes(BUNDLE_BYTES))
    assert bundle.full


def test_tags_and_ways_are_whole() -> None:
    tags = [kind.__struct_config__.tag for kind in MESSAGES]
    assert tags == [kind.__name__.lower() for kind in MESSAGES]
    assert len(set(tags)) == len(tags)
    assert all(kind.way in messages.Way.__args__ for kind in MESSAGES)  # type: ignore[attr-defined]


def test_doctests() -> None:
    assert doctest.testmod(envelope) == (0, 2)
