"""Objects through streams: every form read by every other, whole or not at all, lazily where they are lazy."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raisin
from raisin_core.errors import StreamError, Tampered, Truncated, UnknownFormat, UntrustedResult, UsageError
from raisin_core.serialization.streams import frames

OBJECTS: list[Any] = [
    *(None, True, 5, -(1 << 70), 2.5, "text", "ü" * 2000, b"\0" * 5000, [1, (2,)], {"a": {1, 2}, 3: None}),
    *({1, frozenset("a")}, [ValueError], Path("nowhere") / "to be found", "x" * 3_000_000, list(range(300_000))),
]


def to_file(value: object) -> bytes:
    file = io.BytesIO()
    raisin.dump(value, file)
    return file.getvalue()


def to_text_file(value: object) -> str:
    file = io.StringIO()
    raisin.dump(value, file)
    return file.getvalue()


WRITERS: dict[str, Callable[[Any], Any]] = {
    "dumps": raisin.dumps,
    "dump": to_file,
    "dump as text": to_text_file,
    "serialize": lambda value: b"".join(raisin.serialize(value)),
    "fast": lambda value: b"".join(raisin.serialize(value, compresslevel=1)),
    "plain": lambda value: b"".join(raisin.serialize(value, compresslevel=0)),
}
READERS: dict[str, Callable[[Any], Any]] = {
    "loads": raisin.loads,
    "load": lambda data: raisin.load(io.StringIO(data) if isinstance(data, str) else io.BytesIO(data)),
    "deserialize": raisin.deserialize,
    "byte by byte": lambda data: raisin.deserialize(data[at : at + 1] for at in range(len(data))),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("writer", WRITERS)
def test_each_form_is_read_by_every_other(writer: str, reader: str) -> None:
    for value in OBJECTS if reader != "byte by byte" else OBJECTS[:-2]:
        again = READERS[reader](WRITERS[writer](value))
        assert again == value
        assert type(again) is type(value)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (123456789, b"</>small int</>123456789"),
        (-1, b"</>small int</>-1"),
        (True, b"</>bool</>True"),
        (None, b"</>None</>"),
        (1.5, b"</>float</>1.5"),
        ("hi", b"</>str</>hi"),
        (b"hi", b"</>bytes</>hi"),
    ],
)
def test_a_lone_atom_is_readable(value: object, form: bytes) -> None:
    assert list(raisin.serialize(value)) == [form]


def test_numbers_stay_readable_where_more_may_follow() -> None:
    assert raisin.dumps(-5) == "</>small int</>-5</>"
    assert raisin.dumps(None) == "</>None</></>"
    assert raisin.loads("</>float</>1.5</>") == 1.5
    for text in (
        "</>small int</>5x</>",
        "</>small int</></>",
        "</>bool</>1</>",
        "</>float</></>",
        "</>small int</>5</>6",
    ):
        with pytest.raises(Tampered):
            raisin.loads(text)


@pytest.mark.parametrize(
    "value", [float("inf"), -0.0, float("nan"), 1 << 63, -(1 << 63), "\ud800", "", b"</>", "</>raisin 1</>"]
)
def test_odd_atoms_stay_what_they_are(value: object) -> None:
    for write in WRITERS.values():
        assert repr(raisin.deserialize(write(value))) == repr(value)


def test_text_is_printable_ascii() -> None:
    for value in OBJECTS:
        text = raisin.dumps(value)
        assert text.isascii()
        assert text.isprintable()


def test_the_tag_names_the_type_where_nothing_is_compressed() -> None:
    assert b"".join(raisin.serialize([1], compresslevel=0)).startswith(b"</>raisin 1 list</>")


@pytest.mark.parametrize("make", [io.BytesIO, io.StringIO])
def test_several_objects_load_one_by_one(make: Callable[[], Any]) -> None:
    file = make()
    for value in OBJECTS:
        raisin.dump(value, file)
    file.seek(0)
    assert [raisin.load(file) for _ in OBJECTS] == OBJECTS
    with pytest.raises(EOFError):
        raisin.load(file)


def test_several_sealed_objects_load_one_by_one() -> None:
    file = io.BytesIO()
    for value in ([1], "b"):
        raisin.dump(value, file, password="p")
    file.seek(0)
    assert [raisin.load(file, password="p") for _ in range(2)] == [[1], "b"]


@pytest.mark.parametrize("start", [b"</>raisin 2</>", b"</>raisin 2 list</>"])
def test_a_later_version_is_refused_by_its_name(start: bytes) -> None:
    with pytest.raises(UnknownFormat, match=r"format '2'.*reads 1.*Upgrade"):
        raisin.deserialize(start + b"whatever")


@pytest.mark.parametrize(
    "start", [b"</>text 2</>", b"</>sealed 9</>", b"</>zebra</>", b"\x80\x05N.", b"x" * 200, b"</>" + b"y" * 200]
)
def test_what_is_no_stream_is_refused(start: bytes) -> None:
    with pytest.raises(UnknownFormat):
        raisin.deserialize(start + b"whatever", password="p")


@pytest.mark.parametrize(
    "call",
    [
        lambda: raisin.dumps(1, compresslevel=10),
        lambda: raisin.dumps(1, compresslevel=True),
        lambda: raisin.dumps(1, password=5),  # type: ignore[arg-type]
        lambda: raisin.serialize(1, copy_file="yes"),  # type: ignore[arg-type]
        lambda: raisin.loads(raisin.dumps(1), trust="some"),
        lambda: raisin.deserialize(5),  # type: ignore[arg-type]
    ],
)
def test_what_options_cannot_be(call: Callable[[], object]) -> None:
    with pytest.raises(UsageError):
        call()


def test_a_pickle_is_refused_where_only_values_are_trusted_and_the_file_stays_before_it() -> None:
    file = io.BytesIO()
    raisin.dump([1, {"a": ValueError("b")}], file)
    file.seek(0)
    with pytest.raises(UntrustedResult, match=r"object\[1\]\['a'\] is a builtins.ValueError"):
        raisin.load(file, trust="values")
    assert raisin.load(file)[1]["a"].args == ("b",)


def counted(made: list[int], count: int) -> Iterator[list[int]]:
    for at in range(count):
        made.append(at)
        yield [at]


def test_items_are_written_and_read_as_they_come() -> None:
    made: list[int] = []
    found = raisin.deserialize(raisin.serialize({"a": counted(made, 1000)}))["a"]
    assert made == []
    assert next(found) == [0]
    assert len(made) < 10
    assert [each for (each,) in found] == list(range(1, 1000))


@pytest.mark.slow  # many items: the same on every Python
def test_generators_may_be_read_in_any_order() -> None:
    first, second = raisin.copy([counted([], 300_000), counted([], 1000)])
    assert [each for (each,) in second] == list(range(1000))
    assert [each for (each,) in first] == list(range(300_000))


def nested(count: int) -> Iterator[Iterator[list[int]]]:
    for at in range(count):
        yield counted([], at)


@pytest.mark.parametrize("order", [iter, lambda them: reversed(list(them))])
def test_generators_of_generators(order: Callable[[Any], Any]) -> None:
    assert sorted(len(list(each)) for each in order(raisin.copy(nested(30)))) == list(range(30))


@pytest.mark.slow  # many items: the same on every Python
def test_a_generator_that_is_dropped_is_not_kept() -> None:
    found = raisin.copy([counted([], 100_000), counted([], 100_000)])
    found[0] = None
    assert sum(1 for _ in found[1]) == 100_000


def test_the_next_object_of_a_file_can_be_read_before_the_items_of_the_last() -> None:
    file = io.BytesIO()
    raisin.dump(counted([], 5000), file)
    raisin.dump("next", file)
    file.seek(0)
    items = raisin.load(file)
    assert next(items) == [0]
    assert raisin.load(file) == "next"
    assert len(list(items)) == 4999


def test_an_item_that_cannot_travel_is_named() -> None:
    def items() -> Iterator[object]:
        yield 1
        yield {"frame": (each for each in ()).gi_frame}

    with pytest.raises(raisin.SerializationError, match=r"item 1 of its generator.*'frame'"):
        list(raisin.copy(items()))


def test_a_stream_that_is_cut_gives_nothing() -> None:
    data = b"".join(raisin.serialize([1, {2}, "three"]))
    for end in range(len(data)):
        with pytest.raises(Truncated):
            raisin.deserialize(data[:end])


def test_items_before_a_cut_are_given() -> None:
    data = b"".join(raisin.serialize(counted([], 1000)))
    found = raisin.deserialize(data[:-30])
    got: list[object] = []
    with pytest.raises(Truncated):
        got.extend(found)
    assert got
    assert got == [[at] for at in range(len(got))]
    with pytest.raises(StopIteration):  # as any generator that has raised
        next(found)


@pytest.mark.parametrize("password", [None, "p"])
def test_the_end_of_a_stream_is_looked_at_with_the_last_item(password: str | None) -> None:
    data = b"".join(raisin.serialize([counted([], 5), counted([], 5)], password=password))
    for wrong, error in ((data[:-3], Truncated), (data + b"x", Tampered)):
        first, second = raisin.deserialize(wrong, password=password)
        assert len(list(first)) == 5
        with pytest.raises(error):
            list(second)


def test_what_follows_an_object_is_not_passed_over() -> None:
    for data in (b"".join(raisin.serialize([1])) + b"x", raisin.dumps([1]) + "x"):
        with pytest.raises(Tampered, match="follow"):
            raisin.deserialize(data)


@settings(max_examples=150, deadline=None)
@given(st.integers(0), st.integers(0, 7))
def test_a_flipped_bit_is_noticed_or_means_nothing(at: int, bit: int) -> None:
    value = [1, {"a": 2.5}, "text"]
    for level in (0, 9):
        data = bytearray(b"".join(raisin.serialize(value * (1 + 30 * level), compresslevel=level)))
        data[at % len(data)] ^= 1 << bit
        try:
            assert raisin.deserialize(bytes(data)) == value * (1 + 30 * level)
        except StreamError:
            continue


def lies() -> Iterator[bytes]:
    huge = (1 << 64) - 1
    for entry in (
        frames.ENTRY.pack(b"V", 0, 0, huge),
        frames.ENTRY.pack(b"P", 0, 0, huge),
        frames.ENTRY.pack(b"V", 0, 1, 5) + frames.LENGTH.pack(huge >> 1),
        frames.ENTRY.pack(b"V", 0, (1 << 32) - 1, 5),
    ):
        payload = entry + b"\0" * 100
        yield frames.TAG + b"".join(frames.packed(b"O", frames.LAST | frames.ALONE, 0, [payload]))
    yield frames.TAG + frames.HEAD.pack(b"O", frames.LAST, 0, (1 << 32) - 1, 0)


@pytest.mark.parametrize("data", list(lies()))
def test_what_is_announced_gets_no_room_before_it_comes(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(StreamError):
            raisin.deserialize(iter([data]))
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()


def test_large_arrays_go_beside_their_object() -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(1_000_000, dtype="float64")
    for value in (array, [array, print, {"again": array}]):
        found = raisin.copy(value)
        first = found if value is array else found[0]
        assert (first == array).all()
        assert first.flags.writeable
        assert value is array or found[0] is found[2]["again"]
    pieces = list(raisin.serialize([array]))
    assert max(map(len, pieces)) < 3 << 20
