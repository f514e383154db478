"""Compression of a stream's payloads, where it pays: by zstandard where it is installed, else by zlib.

With level -1 a look at a few bytes decides. It pays where compressing and decompressing take less time than what they
save would take to write, at the 100 to 200 MB/s of laptops' disks and networks (5 to 10 ms per MiB). Measured per MiB
(ms for both directions, at their levels 1) on a core that copies it in 0.02 ms and writes it to a new file in 0.18:

    payload                       zstandard, ratio    zlib, ratio    distinct bytes of 258, 1,023    zeros
    zeros                            0.1    20,000     1.3    228                        1      1    100 %
    a service's log                  1.8       4.9     6.8    3.7                       41     43      0 %
    Python's sources                 2.8       3.7     9.5    3.5                       36     52      0 %
    JSON of dicts                    1.5       6.4     5.2    4.9                       31     31      0 %
    msgpack of nested dicts          1.6       7.5     4.0    5.8                       63     89     11 %
    msgpack of range(10**6)          1.2       1.6     7.9    3.3                       62    160     20 %
    msgpack of ints below 1,000      1.3       1.5    19.6    1.5                       85    197      0 %
    msgpack of ints below 10**9      1.4       1.1    24.9    1.1                      141    232      0 %
    array of int64, 0, 1, 2...       2.5       7.8     4.9    5.3                       21     85     75 %
    random floats                    1.5       1.1    24.9    1.1                      149    245      0 %
    random bytes                     0.1       1.0    16.3    1.0                      166    254      0 %

Hence the rule; each step may say "leave it as it is":

1. Below 4 KiB there is nothing to gain.
2. More than 120 distinct bytes among 3 x 86 look random. This look is all that most arrays, images and archives cost:
   0.003 ms, 2 % of writing them.
3. Where more than a sixth of 3 x 341 are zeros, it is an array of numbers or much like one, and goes as fast as it is
   copied: these 1,023 bytes must shrink to 1/16 (zeros, ones, a sparse matrix), which takes 0.01 to 0.02 ms.
4. With zlib, more than 110 distinct ones among these are hardly text, but lists of numbers, which pickle handles faster
   than zlib. Otherwise 3 x 4 KiB are compressed (0.01 to 0.04 ms), and must shrink to 1/2 (zlib: 1/3).
5. The payload is compressed, and left as it was where that saved less than an eighth.

Rules of this file: the standard library, and zstandard inside functions; nothing is decompressed beyond the caller's
limit, whatever a payload says of itself.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import Any, Final

from raisin_core.errors import InstallationError, Tampered, UnknownFormat, UsageError

NONE: Final = 0
ZLIB: Final = 1
ZSTD: Final = 2
ADAPTIVE: Final = -1

SMALLEST: Final = 4 << 10  # bytes
RANDOM: Final = 120  # distinct bytes among 3 * GLANCE, at most
GLANCE: Final = 86
TEXT: Final = 110  # distinct bytes among 3 * LOOK, at most
LOOK: Final = 341
SAMPLE: Final = 4 << 10
PAYS: Final = {ZLIB: 3, ZSTD: 2}  # how many times smaller a sample must get
PAYS_FOR_NUMBERS: Final = 16  # the same where more than one byte in MANY_ZEROS is zero
MANY_ZEROS: Final = 6
ZSTD_LEVELS: Final = (1, 2, 3, 5, 7, 9, 12, 15, 19)  # for 1 to 9

Data = bytes | bytearray | memoryview


def compress(payload: bytes | memoryview, level: int = ADAPTIVE) -> tuple[int, bytes | memoryview]:
    """How it was compressed (NONE, ZLIB, ZSTD), and the result; the payload itself where it is left as it is.

    Level 0 leaves everything, 1 (fast) to 9 (small) compress whatever gets smaller, -1 what pays. Raises UsageError for
    other levels.

    >>> codec, small = compress(bytes(100_000))
    >>> len(small) < 1000, decompress(codec, small) == bytes(100_000)
    (True, True)
    """
    if not isinstance(level, int) or level not in range(-1, 10):
        raise UsageError(f"a level of compression is -1 (adapts), 0 (none) or 1 (fast) to 9 (small), not {level!r}")
    view = memoryview(payload)
    if not level or (level == ADAPTIVE and not _pays(view)):
        return NONE, payload
    codec = best()
    done = _compressed(codec, view, abs(level))
    enough = view.nbytes * 7 // 8 if level == ADAPTIVE else view.nbytes - 1
    return (codec, done) if len(done) <= enough else (NONE, payload)


def decompress(codec: int, payload: Data, limit: int = 1 << 20) -> bytes:
    """The payload again, of at most `limit` bytes.

    Raises Tampered for what is damaged or larger, UnknownFormat for a codec of later versions, InstallationError where
    zstandard is needed and missing.
    """
    if codec == NONE:
        done = bytes(payload)
    elif codec == ZLIB:
        done = _unzlib(payload, limit)
    elif codec == ZSTD:
        done = _unzstd(payload, limit)
    else:
        raise UnknownFormat(f"compressed in a way that this raisin does not know (codec {codec}): upgrade raisin")
    if len(done) > limit:
        raise Tampered(f"a compressed payload has more than the {limit} bytes that are allowed")
    return done


def best() -> int:
    """The codec for what is written here."""
    return ZLIB if _zstandard() is None else ZSTD


@lru_cache(maxsize=1)
def _zstandard() -> Any:
    """The module, None where it is missing; looked for once."""
    try:
        import zstandard
    except ImportError:
        return None
    return zstandard


# -- compressing -----------------------------------------------------------------------------------------------------


def _pays(view: memoryview) -> bool:
    """Whether it seems worth while, as the docstring of this file says."""
    if view.nbytes < SMALLEST:
        return False
    view = view.cast("B")
    if len(set(_sample(view, GLANCE))) > RANDOM:
        return False
    codec, look = best(), _sample(view, LOOK)
    if look.count(0) * MANY_ZEROS > len(look):
        return _shrinks(look, codec, PAYS_FOR_NUMBERS)
    if codec == ZLIB and len(set(look)) > TEXT:
        return False
    return _shrinks(_sample(view, SAMPLE), codec, PAYS[codec])


def _shrinks(sample: bytes, codec: int, times: int) -> bool:
    return len(_compressed(codec, sample, 1)) * times <= len(sample)


def _sample(view: memoryview, size: int) -> bytes:
    """Bytes from the start, the middle and the end."""
    middle = (len(view) - size) // 2
    return b"".join((view[:size], view[middle : middle + size], view[-size:]))


def _compressed(codec: int, payload: Data, level: int) -> bytes:
    if codec == ZLIB:
        return zlib.compress(payload, level)
    done: bytes = _zstandard().ZstdCompressor(level=ZSTD_LEVELS[level - 1]).compress(payload)
    return done


# -- decompressing ---------------------------------------------------------------------------------------------------


def _unzlib(payload: Data, limit: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        done = stream.decompress(payload, limit + 1)
    except zlib.error as error:
        raise Tampered(f"a compressed payload is damaged: {error}") from None
    if len(done) <= limit and (not stream.eof or stream.unused_data):
        raise Tampered("a compressed payload is damaged: it does not end where it should")
    return done


def _unzstd(payload: Data, limit: int) -> bytes:
    zstandard = _zstandard()
    if zstandard is None:
        raise InstallationError("this was compressed with zstandard, which is missing here: pip install zstandard")
    try:
        size = zstandard.get_frame_parameters(payload).content_size
        if size > limit:  # also where it is not said: what raisin writes says it
            raise Tampered(f"a compressed payload has more than the {limit} bytes that are allowed")
        done: bytes = zstandard.ZstdDecompressor().decompress(payload, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Tampered(f"a compressed payload is damaged: {error}") from None
    return done
