"""Results that are no values: pickles marked with what they are said to be, and which of them are loaded.

Rules of this file: the standard library and cloudpickle only; nothing is loaded before somebody accepted it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from raisin_core.failures import Failure
from raisin_core.pages import Fetch
from raisin_core.serialization import objects


class Accept(NamedTuple):
    """Which marked pickles are loaded: all, or those that are marked with one of these names of types.

    Whoever writes a page chooses its marks, so to name a type is to trust that host with what it says is one.
    """

    types: frozenset[str] = frozenset()
    everything: bool = False

    def takes(self, name: str) -> bool:
        """Whether a pickle with this mark is loaded."""
        return self.everything or name in self.types


NOTHING: Final = Accept()
EVERYTHING: Final = Accept(everything=True)


class Untrusted(NamedTuple):
    """In the place of a value that was not accepted: what it is said to be, where in the value that is (empty: the
    whole), and its pickle (its digest, if that is a blob)."""

    type: str
    place: str
    data: bytes
    is_blob: bool = False

    def load(self, fetch: Fetch) -> Any:
        """The value; its failure where it cannot be rebuilt here. Runs code that its writer chose."""
        try:
            return objects.loads(fetch(self.data) if self.is_blob else self.data)
        except Exception as error:  # noqa: BLE001 - the value's own code may raise anything
            return Failure.of(error)


def name_of(kind: type) -> str:
    """A type's dotted name, as marks say it."""
    return f"{kind.__module__}.{kind.__qualname__}"
