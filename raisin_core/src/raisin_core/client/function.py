"""A function on its way to the workers, with its constant keyword arguments.

Its payload is a pickled `(star, axes, with kwargs, body)`; the body is the bytes of the function, or of it and its
keyword arguments.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from raisin_core import digests, pages
from raisin_core.errors import SerializationError, UsageError
from raisin_core.serialization import objects


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
        body = objects.dumps(target) if not kwargs else objects.dumps((target, dict(kwargs)))
    except SerializationError:  # say which of them it is
        objects.dumps(target, name_of(target))
        objects.dumps(dict(kwargs), f"kwargs of {name_of(target)}")
        raise
    encoded = pages.pack(pickle.dumps((star, axes, bool(kwargs), body), objects.PROTOCOL))
    return Packed(digests.content(encoded.payload), encoded.payload, encoded.blobs)


def name_of(target: object) -> str:
    """What to call a function in texts."""
    name = getattr(target, "__name__", None) or getattr(getattr(target, "func", None), "__name__", None)
    return str(name or type(target).__name__)


def check(verb: str, target: object) -> None:
    """Raises UsageError if it cannot be called."""
    if not callable(target):
        raise UsageError(f"{verb}: the first argument must be a function, not {target!r}")
