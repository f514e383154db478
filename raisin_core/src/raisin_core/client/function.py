"""A function on its way to the workers: with its constant keyword arguments, and what its bytecode needs.

Its payload is a pickled `{"python": (major, minor) or None, "body": bytes}`; the body is a cloudpickled `{"target",
"kwargs", "star", "axes"}`. Bytecode that travels by value runs on the same minor version of Python only, so that is
said.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from raisin_core import digests, pages
from raisin_core.errors import SerializationError, UsageError
from raisin_core.serialization import values


class Packed(NamedTuple):
    """A function's payload, its digest, and the blobs it needs."""

    digest: bytes
    payload: bytes
    blobs: dict[bytes, bytes]


def pack(target: Callable[..., Any], kwargs: Mapping[str, Any], star: bool, axes: bool = False) -> Packed:
    """Pack a function. `star`: each element is a tuple of arguments; `axes`: arguments come from a scan's axes.

    Raises SerializationError, which names what cannot travel.
    """
    try:
        body = values.dumps({"target": target, "kwargs": dict(kwargs), "star": star, "axes": axes})
    except SerializationError:  # say which of them it is
        values.dumps(target, name_of(target))
        values.dumps(dict(kwargs), f"kwargs of {name_of(target)}")
        raise
    by_value = b"cloudpickle" in body
    head = {"python": tuple(sys.version_info[:2]) if by_value else None, "body": body}
    encoded = pages.pack(pickle.dumps(head, values.PROTOCOL))
    return Packed(digests.content(encoded.payload), encoded.payload, encoded.blobs)


def name_of(target: object) -> str:
    """What to call a function in texts."""
    name = getattr(target, "__name__", None) or getattr(getattr(target, "func", None), "__name__", None)
    return str(name or type(target).__name__)


def check(verb: str, target: object) -> None:
    """Raises UsageError if it cannot be called."""
    if not callable(target):
        raise UsageError(f"{verb}: the first argument must be a function, not {target!r}")
