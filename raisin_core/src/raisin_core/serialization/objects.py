"""One object to bytes and back, for tasks: its pickle, or a stream where something goes beside it.

Rules of this file: the standard library and cloudpickle only (task processes run it in any interpreter).
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from raisin_core.serialization.streams import frames

PROTOCOL: Final = 5
ATOMS: Final = frozenset((int, float, complex, bool, str, bytes, type(None)))


def dumps(
    value: object,
    name: str = "object",
    copy_file: bool = True,
    texts: dict[bytes, str] | None = None,
    chains: bool = True,
) -> bytes:
    """The bytes of any object that can travel. `name` is what the error calls it; `copy_file` as in `raisin.dumps`.

    With `texts`, sources of modules are put there, by digest, and have to be there before it is read (`keep`). Without
    `chains`, exceptions leave their causes behind.

    Raises SerializationError, which names the part that cannot travel and the path to it.

    >>> loads(dumps({"a": 1}))
    {'a': 1}
    """
    if flat(value):
        return pickle.dumps(value, PROTOCOL)
    remembered, pickled, Outgoing, Writer = _machinery()
    known: bytes | None = remembered.cached(value)
    if known is not None:
        return known
    beside = Outgoing(copy_file)
    found = pickled(value, beside, name, aside=False, texts=texts, chains=chains)
    if beside.contents or beside.lazy:
        return b"".join(Writer(beside, level=0, name=name).write(found))
    data = b"".join(found.data)
    if not texts:
        remembered.remember(value, data)
    return data


@lru_cache(maxsize=1)
def _machinery() -> Any:
    """What writes more than the most frequent values, imported when it is needed."""
    from raisin_core.serialization.families import remembered
    from raisin_core.serialization.streams.entries import pickled
    from raisin_core.serialization.streams.writing import Outgoing, Writer

    return remembered, pickled, Outgoing, Writer


def keep(texts: Mapping[bytes, str]) -> None:
    """Remember the sources that `dumps` put aside, for objects that need them."""
    from raisin_core.serialization.modules import worlds

    worlds.keep(texts)


def flat(value: Any) -> bool:
    """Whether a value is an atom, or a tuple, list or dict of atoms: the most frequent values, and easy ones."""
    kind = type(value)
    if kind is tuple or kind is list:
        return ATOMS.issuperset(map(type, value))
    if kind is dict:
        return ATOMS.issuperset(map(type, value)) and ATOMS.issuperset(map(type, value.values()))
    return kind in ATOMS


def loads(data: bytes) -> Any:
    """The object again. Raises whatever its own code raises while it is rebuilt."""
    if data[: len(frames.OPEN)] != frames.OPEN:
        return pickle.loads(data)
    from raisin_core.serialization.api import deserialize

    return deserialize(data)
