"""Compression: what level -1 takes and leaves, both codecs, and payloads that lie or are damaged."""

from __future__ import annotations

import array
import json
import pickle
import random
import sys
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raisin_core.errors import InstallationError, Tampered, UnknownFormat, UsageError
from raisin_core.serialization import compression
from raisin_core.serialization.compression import NONE, ZLIB, ZSTD, compress, decompress

MIB = 1 << 20
CHANCE = random.Random(1)
LEVELS = CHANCE.choices(["INFO", "WARNING", "DEBUG"], k=20_000)
LOG = "".join(
    f"2026-11-23 12:{at // 60 % 60:02}:{at % 60:02} {level} worker: lease {at} done in {CHANCE.random():.3f} s\n"
    for at, level in enumerate(LEVELS)
).encode()[:MIB]
DICTS = [{"id": at, "name": f"user{at % 100}", "tags": ["a", "b"], "x": at * 0.5} for at in range(20_000)]
REDUNDANT = {
    "zeros": bytes(MIB),
    "log": LOG,
    "json": json.dumps(DICTS).encode()[:MIB],
    "ones": array.array("d", [1.0] * (MIB // 8)).tobytes(),
    "sparse": b"".join(bytes(3000) + CHANCE.randbytes(10) for _ in range(300)),
    "some KiB of text": LOG[:5000],
}
LEFT_ALONE = {
    "random": CHANCE.randbytes(MIB),
    "compressed": zlib.compress(LOG),
    "floats": array.array("d", [CHANCE.random() for _ in range(50_000)]).tobytes(),
    "an array that counts": array.array("q", range(50_000)).tobytes(),
    "floats that count": array.array("d", map(float, range(50_000))).tobytes(),
    "list of 10**6": pickle.dumps(list(range(10**6)), 5)[MIB : 2 * MIB],
    "list of random integers": pickle.dumps([CHANCE.randrange(10**9) for _ in range(100_000)], 5),
    "list of small integers": pickle.dumps([CHANCE.randrange(1000) for _ in range(100_000)], 5),
    "small": bytes(4095),
    "empty": b"",
}
ALL = {**REDUNDANT, **LEFT_ALONE}
INCOMPRESSIBLE = ("random", "empty")


@pytest.fixture(params=["zlib", "zstandard"])
def codec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Each test once without zstandard, once with it."""
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "zstandard", None)
    else:
        pytest.importorskip("zstandard")
    compression._zstandard.cache_clear()
    yield {"zlib": ZLIB, "zstandard": ZSTD}[request.param]
    compression._zstandard.cache_clear()


@pytest.mark.parametrize("name", REDUNDANT)
def test_adaptive_takes_what_is_redundant(name: str, codec: int) -> None:
    used, small = compress(memoryview(ALL[name]))
    assert used == codec
    assert len(small) < len(ALL[name]) / 2
    assert decompress(used, small, MIB) == ALL[name]


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_adaptive_leaves_the_rest_as_it_is(name: str, codec: int) -> None:
    used, same = compress(ALL[name], -1)
    assert used == NONE
    assert same is ALL[name]


def test_a_glance_is_enough_for_what_looks_random(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> bytes:
        raise AssertionError("compressed a sample")

    monkeypatch.setattr(compression, "_compressed", never)
    for name in ("random", "compressed", "floats", "list of random integers"):
        assert compress(ALL[name])[0] == NONE


def test_zlib_is_pickier(codec: int) -> None:
    """Numbers between names: zlib would take longer for them than pickle took."""
    records = pickle.dumps([{"name": f"user{at}", "tags": ["a", "b"], "x": CHANCE.random()} for at in range(20_000)], 5)
    used, _ = compress(records)
    assert used == (NONE if codec == ZLIB else ZSTD)


def test_adaptive_keeps_the_payload_where_the_sample_misled(codec: int) -> None:
    """Text wherever the sample looks, something else between."""
    payload = LOG[:8000] + CHANCE.randbytes(400_000) + LOG[:8000] + CHANCE.randbytes(400_000) + LOG[:8000]
    assert compression._pays(memoryview(payload))
    assert compress(payload) == (NONE, payload)


@pytest.mark.parametrize("name", ALL)
def test_other_levels_take_whatever_gets_smaller(name: str, codec: int) -> None:
    payload = ALL[name][:50_000]
    for level in range(1, 10):
        used, done = compress(payload, level)
        assert len(done) < len(payload) if used else done is payload
        assert used in (NONE, codec) if name == "compressed" else used == (NONE if name in INCOMPRESSIBLE else codec)
        assert decompress(used, done, len(payload)) == payload


def test_level_0_leaves_everything(codec: int) -> None:
    view = memoryview(bytes(MIB))
    assert compress(view, 0) == (NONE, view)


def test_higher_levels_get_smaller(codec: int) -> None:
    sizes = [len(compress(LOG, level)[1]) for level in (1, 9)]
    assert sizes[0] > sizes[1]


@pytest.mark.parametrize("level", [-2, 10, None, "1", 1.0])
def test_levels_that_there_are_not(level: object) -> None:
    with pytest.raises(UsageError, match="level of compression"):
        compress(b"data", level)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 300), st.integers(-1, 9))
def test_anything_comes_back(data: bytes, times: int, level: int) -> None:
    payload = data * times
    used, done = compress(payload, level)
    assert decompress(used, bytearray(done), max(1, len(payload))) == payload


def test_whoever_lacks_zstandard_reads_what_zlib_wrote_and_the_other_way_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("zstandard")
    compression._zstandard.cache_clear()
    used, small = compress(LOG)
    assert used == ZSTD
    assert decompress(ZLIB, zlib.compress(LOG), MIB) == LOG
    compression._zstandard.cache_clear()
    monkeypatch.setitem(sys.modules, "zstandard", None)
    assert decompress(*compress(LOG), MIB) == LOG
    with pytest.raises(InstallationError, match="pip install zstandard"):
        decompress(ZSTD, small, MIB)
    compression._zstandard.cache_clear()


# -- what lies or is damaged -----------------------------------------------------------------------------------------


def test_no_more_than_the_limit(codec: int) -> None:
    payload = bytes(10_000)
    for used, done in (compress(payload, 5), (NONE, payload)):
        assert decompress(used, done, 10_000) == payload
        for limit in (9_999, 1, 0):
            with pytest.raises(Tampered, match=f"more than the {limit} bytes"):
                decompress(used, done, limit)


def test_bombs_take_no_memory(codec: int) -> None:
    used, bomb = compress(bytes(64 * MIB), 1)
    assert used == codec
    tracemalloc.start()
    try:
        with pytest.raises(Tampered):
            decompress(used, bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * MIB


def test_zstandard_that_does_not_say_its_size_or_says_another() -> None:
    zstandard = pytest.importorskip("zstandard")
    compression._zstandard.cache_clear()
    unsaid = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(MIB))
    with pytest.raises(Tampered, match="more than"):
        decompress(ZSTD, unsaid)
    huge = bytes.fromhex("28b52ffd c0 00 ffffffffffffff7f") + bytes(20)
    with pytest.raises(Tampered):
        decompress(ZSTD, huge)
    right = zstandard.ZstdCompressor().compress(LOG[:300])
    assert right[4:7] == b"\x60\x2c\x00"  # the size is said in two bytes, 256 less than it is
    for said in (b"\x2b\x00", b"\x2d\x00", b"\x00\x00", b"\xff\xff"):
        with pytest.raises(Tampered):
            decompress(ZSTD, right[:5] + said + right[7:])


def test_damaged_payloads(codec: int) -> None:
    """Neither has a checksum for all of it: what comes out is bounded, or it is Tampered."""
    _, small = compress(LOG[:3000], 9)
    for bad in (b"", b"x", small[:-1], small[: len(small) // 2], small + b"x", small + small, b"\0" * 40, b"\xff" * 40):
        with pytest.raises(Tampered):
            decompress(codec, bad, 3000)
    for place in range(len(small)):
        for bit in range(8):
            changed = bytearray(small)
            changed[place] ^= 1 << bit
            with suppress(Tampered):
                assert len(decompress(codec, changed, 3000)) <= 3000


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([ZLIB, ZSTD]), st.binary(max_size=100), st.sampled_from([b"", b"\x28\xb5\x2f\xfd", b"\x78\x9c"]))
def test_garbage(used: int, garbage: bytes, start: bytes) -> None:
    if used == ZSTD:
        pytest.importorskip("zstandard")
    with suppress(Tampered):
        assert len(decompress(used, start + garbage, 1000)) <= 1000


@pytest.mark.parametrize("codec", [3, -1, 255])
def test_codecs_of_later_versions(codec: int) -> None:
    with pytest.raises(UnknownFormat, match=f"codec {codec}.*upgrade"):
        decompress(codec, b"data")
