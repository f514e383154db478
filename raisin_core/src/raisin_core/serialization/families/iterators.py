"""Iterators of the standard library: their state, without consuming them, where it can be had.

Those of builtins, and map, zip, filter, enumerate, reversed, tell it by themselves, in a form that every Python reads.
Those of itertools do so up to 3.13, from 3.12 on with a warning that is not for our users. `pairwise`, `batched` and
iterators of memoryviews never do: their remaining items travel as a generator, which consumes them.

Rules of this file: the standard library only; of filters for warnings only one that concerns this file is set.
"""

from __future__ import annotations

import itertools
import re
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from raisin_core.errors import SerializationError
from raisin_core.serialization.families import generators

if TYPE_CHECKING:
    from raisin_core.serialization.arrivals import Channels
    from raisin_core.serialization.pickling import Pickler, Reducer

_ABOUT: Final = r"Pickle, copy, and deepcopy support will be removed from itertools"
_QUIET: Final = ("ignore", re.compile(_ABOUT, re.IGNORECASE), DeprecationWarning, re.compile(re.escape(__name__)), 0)

INSIDE: Final = "an iterator that has begun cannot travel inside of the list that it iterates"
STATEFUL: Final = (
    *("count", "cycle", "repeat", "chain", "islice", "takewhile", "dropwhile", "accumulate", "groupby", "_grouper"),
    *("product", "permutations", "combinations", "combinations_with_replacement", "starmap", "compress"),
    *("filterfalse", "zip_longest", "_tee", "_tee_dataobject"),
)
Known = dict[int, tuple[Iterator[object], int]]
_going: WeakKeyDictionary[Channels, Known] = WeakKeyDictionary()


def reduce_state(value: Any, pickler: Pickler) -> Any:
    """The state of an iterator of itertools, set again without a warning."""
    made, arguments, *rest = _quietly(value.__reduce__)
    state = rest[0] if rest else None
    if state is None:
        return made, arguments
    return made, arguments, state, None, None, set_state


def reduce_count(value: Any, pickler: Pickler) -> Any:
    """As the others; at one number some Pythons cannot tell the state."""
    try:
        return reduce_state(value, pickler)
    except SystemError:
        return itertools.count, (sys.maxsize,)


def reduce_list(value: Any, pickler: Pickler) -> Any:
    """A list and an index in it."""
    made, arguments, *rest = value.__reduce__()
    if not rest or rest[0] > len(arguments[0]):
        return made, arguments, *rest
    if rest[0] < 0:
        return made, ([],)
    return made, arguments, rest[0], None, None, set_index


def reduce_deque(value: Any, pickler: Pickler) -> Any:
    """A deque and how much of it has been seen; the type has other names on other Pythons."""
    return rebuild_deque, (type(value) is DEQUES[1], *value.__reduce__()[1])


def reduce_items(value: Iterator[object], pickler: Pickler) -> Any:
    """What an iterator still has, in a channel; the same channel wherever it occurs in this stream."""
    known = _going.setdefault(pickler.channels, {})
    if id(value) not in known:
        known[id(value)] = value, pickler.channels.items(generators.played(value))
    name = type(value).__name__
    return generators.rebuild_generator, (known[id(value)][1], name, name)


def rebuild_deque(turned: bool, items: deque[object], seen: int) -> Iterator[object]:
    """An iterator of a deque that has given so many items."""
    value = reversed(items) if turned else iter(items)
    if len(list(itertools.islice(value, seen))) < seen:
        raise SerializationError(INSIDE)
    return value


def set_index(value: Any, index: int) -> None:
    """Where the iterator of a list stands. A list that contains its iterator is not filled yet."""
    value.__setstate__(index)
    if value.__reduce__()[2:] != (index,):
        raise SerializationError(INSIDE)


def set_state(value: Any, state: Any) -> None:
    """The state of an iterator of itertools."""
    setter = getattr(value, "__setstate__", None)
    if setter is None:
        raise SerializationError(f"this Python cannot set the state of {type(value).__name__}")
    _quietly(setter, state)


def _quietly(call: Callable[..., Any], *arguments: object) -> Any:
    """Call it without itertools' warning, whatever the filters are; other threads' filters are left as they are."""
    if sys.version_info >= (3, 12) and (not warnings.filters or warnings.filters[0] != _QUIET):
        warnings.filterwarnings("ignore", _ABOUT, DeprecationWarning, re.escape(__name__))
    return call(*arguments)


def _types(names: tuple[str, ...]) -> list[type]:
    """Those that this Python has."""
    return [kind for name in names if isinstance(kind := getattr(itertools, name, None), type)]


LISTS: Final[tuple[type, ...]] = (type(iter([])), type(reversed([])))
DEQUES: Final[tuple[type, ...]] = (type(iter(deque())), type(reversed(deque())))
STATELESS: Final = [*_types(("pairwise", "batched")), type(iter(memoryview(b"")))]
REDUCERS: Final[dict[type, Reducer]] = {
    **dict.fromkeys(_types(STATEFUL), reduce_state),
    **dict.fromkeys(STATELESS, reduce_items),
    **dict.fromkeys(LISTS, reduce_list),
    **dict.fromkeys(DEQUES, reduce_deque),
    itertools.count: reduce_count,
}
