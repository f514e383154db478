"""The parts of a fingerprint as bytes that the broker keeps, so that a later client can say what changed.

Rules of this file: pure.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from raisin_core.analysis.parts import REST, Part, Parts

LIMIT: Final = 64 * 1024  # bytes
ENCODER: Final = msgspec.msgpack.Encoder()
DECODER: Final = msgspec.msgpack.Decoder(list[tuple[str, str, bytes, str, int]])


def encode(parts: Parts, limit: int = LIMIT) -> bytes:
    """At most `limit` bytes; where there are more parts, the function itself, the first by name, and one digest for
    the rest."""
    data = _encoded(parts)
    if len(data) <= limit:
        return data
    first = next(iter(parts))
    names, low, high = sorted(parts, key=lambda name: (name != first, name)), 0, len(parts)
    while low < high:  # the most parts that fit
        middle = (low + high + 1) // 2
        if len(_encoded(_cut(parts, names, middle))) <= limit:
            low = middle
        else:
            high = middle - 1
    return _encoded(_cut(parts, names, low))


def decode(data: bytes) -> Parts:
    """The parts again. Raises ValueError for bytes that are none, or too many."""
    if len(data) > LIMIT:
        raise ValueError(f"the parts of a fingerprint have at most {LIMIT} bytes, these have {len(data)}")
    try:
        return {key: Part(name, digest, file, line) for key, name, digest, file, line in DECODER.decode(data)}
    except msgspec.DecodeError as error:
        raise ValueError(f"these are not the parts of a fingerprint: {error}") from error


def _encoded(parts: Parts) -> bytes:
    return ENCODER.encode([(key, *part) for key, part in parts.items()])


def _cut(parts: Parts, names: list[str], count: int) -> Parts:
    kept = {name: parts[name] for name in names[:count]}
    rest = _encoded({name: Part("", parts[name].digest) for name in names[count:]})
    return {**kept, REST: Part(f"{len(names) - count} more parts", hashlib.sha256(rest).digest())}
