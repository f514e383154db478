"""A function on its way to the workers, with its constant keyword arguments.

Its payload is a pickled `(star, axes, with kwargs, body)`; the body is the bytes of the function, or of it and its
keyword arguments. Where results are to come without pickle, the bytes of each class of the job's table follow.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from raisin_core import digests, pages
from raisin_core.errors import SerializationError, UsageError
from raisin_core.serialization import objects

MOST_TABLE: Final = 1 << 20  # bytes of all classes together


class Packed(NamedTuple):
    """A function's payload, its digest, and the blobs it needs; the job's table of classes, as results use it."""

    digest: bytes
    payload: bytes
    blobs: dict[bytes, bytes]
    classes: tuple[type, ...] = ()


def pack(
    target: Callable[..., Any],
    kwargs: Mapping[str, Any],
    star: bool,
    axes: bool = False,
    plain: bool = False,
    classes: Sequence[type] = (),
) -> Packed:
    """Pack a function. `star`: each element is a tuple of arguments; `axes`: arguments come from a scan's axes;
    `plain`: results are to be written without pickle, with those of `classes` that can travel.

    Raises SerializationError, which names what cannot travel.
    """
    try:
        body = objects.dumps(target) if not kwargs else objects.dumps((target, dict(kwargs)))
    except SerializationError:  # say which of them it is
        objects.dumps(target, name_of(target))
        objects.dumps(dict(kwargs), f"kwargs of {name_of(target)}")
        raise
    table = dict(_table(classes)) if plain else {}
    parts = (star, axes, bool(kwargs), body, *([list(table.values())] if plain else []))
    encoded = pages.pack(pickle.dumps(parts, objects.PROTOCOL))
    return Packed(digests.content(encoded.payload), encoded.payload, encoded.blobs, tuple(table))


def _table(classes: Sequence[type]) -> Iterator[tuple[type, bytes]]:
    """Each class with its bytes, by itself: one that cannot be rebuilt somewhere is not to harm the function."""
    size = 0
    for kind in classes:
        try:
            data = objects.dumps(kind)
        except SerializationError:
            continue
        size += len(data)
        if size > MOST_TABLE:
            return
        yield kind, data


def name_of(target: object) -> str:
    """What to call a function in texts."""
    name = getattr(target, "__name__", None) or getattr(getattr(target, "func", None), "__name__", None)
    return str(name or type(target).__name__)


def check(verb: str, target: object) -> None:
    """Raises UsageError if it cannot be called."""
    if not callable(target):
        raise UsageError(f"{verb}: the first argument must be a function, not {target!r}")
