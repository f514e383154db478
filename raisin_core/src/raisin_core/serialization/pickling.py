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
    exceptions,
    files,
    functions,
    generators,
    instances,
    iterators,
    locks,
    loggers,
    mappings,
    methods,
    modules,
    paths,
    subclasses,
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
    chains = True  # exceptions travel with their causes
    goes_by_reference = staticmethod(cloudpickle.cloudpickle._should_pickle_by_reference)

    def __init__(self, file: Any, channels: Channels, buffer_callback: Callable[[Any], Any] | None = None) -> None:
        super().__init__(file, protocol=PROTOCOL, buffer_callback=buffer_callback)
        self.channels = channels
        self.bound: list[str] = []  # functions of which no source is known: only this version of Python reads them
        self.filling: set[int] = set()  # classes that are being written
        self.known: dict[int, tuple[Reducer, type]] = {}  # by the id of the type, which is kept alive here
        self.variables: dict[int, functions.Variable] = {}  # those of closures, by the id of their cells

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if kind is types.FunctionType and value in OURS:
            return NotImplemented
        known = self.known.get(id(kind))
        if known is not None:
            return known[0](value, self)
        reducer = self._reducer(kind)
        if kind in modules.NAMED or issubclass(kind, type):
            found = modules.by_reference(value, self)
            return reducer(value, self) if found is NotImplemented else found
        self.known[id(kind)] = reducer, kind
        return reducer(value, self)

    def _reducer(self, kind: type) -> Reducer:
        reducer = REDUCERS.get(kind)
        if reducer is None and issubclass(kind, ROOTS):
            reducer = next((each for base, each in SUBCLASSES.items() if issubclass(kind, base)), None)
        if reducer is not None:
            return reducer
        return instances.reduce_instance if instances.is_odd(kind, self) else modules.by_own_name


DATA: Final = (buffers, files, generators, iterators, locks, loggers, mappings, paths, subclasses, textfiles, weak)
CODE: Final = (classes, classnames, code, functions, methods, modules, typing_, wrapped, wrappers)

REDUCERS: Final[dict[type, Reducer]] = {}  # of exact types
for _family in (*DATA, *CODE):
    REDUCERS.update(_family.REDUCERS)
OURS: Final = frozenset(  # functions that every raisin has; most pickles name some
    each
    for _family in (*DATA, *CODE)
    for each in vars(_family).values()
    if type(each) is types.FunctionType and each.__module__ == _family.__name__
)
REDUCERS[types.FunctionType] = wrappers.before(REDUCERS[types.FunctionType])

SUBCLASSES: Final[dict[type, Reducer]] = {  # also of what inherits from these; the first one counts
    type: classes.reduce_class,
    **enums.SUBCLASSES,
    **exceptions.SUBCLASSES,
    **subclasses.SUBCLASSES,
    **wrappers.SUBCLASSES,
    **modules.REDUCERS,
    **locks.REFUSED,
}
ROOTS: Final = tuple(SUBCLASSES)
