"""The pickler: cloudpickle's, with raisin's families of types before it.

Rules of this file: the standard library and cloudpickle only. Imported when something has to be pickled, since
cloudpickle takes a while to import.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, Final

import cloudpickle

from raisin_core.serialization.arrivals import Channels
from raisin_core.serialization.families import (
    buffers,
    classes,
    classnames,
    code,
    enums,
    files,
    functions,
    generators,
    iterators,
    locks,
    loggers,
    mappings,
    modules,
    paths,
    textfiles,
    typing_,
    weak,
    wrapped,
    wrappers,
)

PROTOCOL: Final = 5
Reducer = Callable[[Any, "Pickler"], Any]


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Writes one object to `file`; what goes beside it is said to `channels`.

    With `texts`, sources of modules are put there, by their digests, instead of into every object: whoever reads it is
    to be given them first (`modules.worlds.keep`), or has such a module.
    """

    texts: dict[bytes, str] | None = None

    def __init__(self, file: Any, channels: Channels, buffer_callback: Callable[[Any], Any] | None = None) -> None:
        super().__init__(file, protocol=PROTOCOL, buffer_callback=buffer_callback)
        self.channels = channels
        self.bound: list[str] = []  # functions of which no source is known: only this version of Python reads them
        self.variables: dict[int, functions.Variable] = {}  # those of closures, by the id of their cells

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if kind in modules.NAMED or issubclass(kind, type):
            found = modules.by_reference(value, self)
            if found is not NotImplemented:
                return found
        reducer = REDUCERS.get(kind)
        if reducer is None and issubclass(kind, ROOTS):
            reducer = next((SUBCLASSES[base] for base in kind.__mro__ if base in SUBCLASSES), None)
        return (reducer or modules.by_own_name)(value, self)


DATA: Final = (buffers, files, generators, iterators, locks, loggers, mappings, paths, textfiles, weak)
CODE: Final = (classes, classnames, code, functions, modules, typing_, wrapped, wrappers)

REDUCERS: Final[dict[type, Reducer]] = {}  # of exact types
for _family in (*DATA, *CODE):
    REDUCERS.update(_family.REDUCERS)
REDUCERS[types.FunctionType] = wrappers.before(REDUCERS[types.FunctionType])

SUBCLASSES: Final[dict[type, Reducer]] = {  # also of what inherits from these
    type: classes.reduce_class,
    **enums.SUBCLASSES,
    **wrappers.SUBCLASSES,
    **modules.REDUCERS,
    **locks.REFUSED,
}
ROOTS: Final = tuple(SUBCLASSES)
