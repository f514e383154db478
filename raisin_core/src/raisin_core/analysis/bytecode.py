"""What can be told from a code object: whether two are the same code, and the globals that it loads.

Bytecode differs between versions of Python, so what is said here of a code object holds for one version only.

Rules of this file: pure; the standard library only.
"""

from __future__ import annotations

import dis
import hashlib
import inspect
import types
from collections.abc import Iterator
from typing import Final

from raisin_core.serialization.canonical import Canonical

ADDED_LATER: Final = inspect.CO_ITERABLE_COROUTINE  # by `types.coroutine`
GLOBAL_LOADS: Final = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}


def signature(code: types.CodeType) -> bytes:
    """A digest of a code object without its place: lines, columns and the file's name do not count."""
    constants = tuple(signature(each) if isinstance(each, types.CodeType) else each for each in code.co_consts)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & ~ADDED_LATER)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    data = Canonical(lambda value: repr(value).encode())((code.co_name, code.co_code, constants, counts, names))
    return hashlib.sha256(data).digest()


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A code object and all those inside."""
    yield code
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield from codes(each)


def global_loads(code: types.CodeType) -> set[str]:
    """The names that code, and the code inside it, looks up as globals (or built-ins)."""
    return {
        str(instruction.argval)
        for each in codes(code)
        for instruction in dis.get_instructions(each)
        if instruction.opname in GLOBAL_LOADS
    }
