"""Code objects: bytecode for the Python that wrote it, and for every other the source, compiled there.

A code object travels as its marshalled bytecode with the number that says which Pythons read it, and with the lines of
its own definition. Another Python parses these, puts them into scopes like those they stood in (so that names of
closures, `super()` and private names mean the same), compiles that and takes the one code object out of the constants.
Nothing is executed. The writer has compared the text with the code (`texts`); the reader compares the kind of function,
arguments, free variables and all names used. Where anything differs, or the syntax is unknown, it raises CodeError.

Rules of this file: the standard library and cloudpickle only; runs nothing of what it reads, and never unmarshals what
another Python has marshalled.
"""

from __future__ import annotations

import importlib.util
import inspect
import marshal
import operator
import re
import sys
import types
import weakref
import zlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from raisin_core.errors import CodeError
from raisin_core.serialization.families import arrived, scopes, texts
from raisin_core.serialization.families.lines import Lines

MAGIC: Final = importlib.util.MAGIC_NUMBER
VERSION: Final = f"{sys.version_info[0]}.{sys.version_info[1]}"
UNREADABLE: Final = (SyntaxError, ValueError, RecursionError, MemoryError)  # what parsing and compiling may raise
KINDS: Final = (
    inspect.CO_VARARGS
    | inspect.CO_VARKEYWORDS
    | inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
)
THIRD: Final = operator.itemgetter(2)  # of what `co_lines` gives: the line, or None
# What compilers of some versions add to a code object's names, where others do not.
COMPILERS_OWN: Final = {
    *("__name__", "__module__", "__qualname__", "__firstlineno__", "__static_attributes__", "__classcell__"),
    *("__annotations__", "__type_params__", "__classdict__", "__classdictcell__", ".generic_base", ".type_params"),
}


class About(NamedTuple):
    """What errors say of code."""

    name: str
    file: str
    line: int
    python: str  # the version that wrote it


class Source(NamedTuple):
    """How a code object is had from its text."""

    line: int  # the first of the text
    text: str  # a whole definition, or the logical line of a lambda
    name: str  # qualified: the scopes that it is in
    number: int  # which of the lambdas that begin on its line; -1 where there is only one
    future: int  # flags of `from __future__`
    shape: tuple[Any, ...]  # see `shape`


_travelling: dict[int, tuple[weakref.ref[types.CodeType], tuple[Any, ...]]] = {}


def reduce_code(code: types.CodeType, pickler: Any) -> tuple[Any, ...]:
    """Bytecode and source; see `prepare` for what is found only with a function's globals."""
    reduced = prepare(code, {})
    if reduced[0] is not rebuild_code or reduced[1][-1] is None:
        pickler.bound.append(code.co_name)
    return reduced


def prepare(code: types.CodeType, namespace: dict[str, Any]) -> tuple[Any, ...]:
    """What a code object travels as, worked out once as long as it lives. `namespace` is its function's globals."""
    known = _travelling.get(id(code))
    if known is not None and known[0]() is code:
        return known[1]
    reduced = _reduced(code, namespace)
    _travelling[id(code)] = weakref.ref(code, lambda _, key=id(code): _travelling.pop(key, None)), reduced  # type: ignore[misc]
    return reduced


def _reduced(code: types.CodeType, namespace: dict[str, Any]) -> tuple[Any, ...]:
    source = source_of(code, namespace)
    about = (code.co_name, code.co_filename, code.co_firstlineno, VERSION)
    try:
        data = marshal.dumps(code)
    except ValueError:  # constants that no compiler makes
        from cloudpickle import cloudpickle

        return rebuild_exactly, (MAGIC, cloudpickle._code_reduce(code)[1], about)
    return rebuild_code, (MAGIC, data, about, None if source is None else tuple(source))


def rebuild_code(magic: bytes, data: bytes, about: tuple[Any, ...], source: tuple[Any, ...] | None) -> types.CodeType:
    """The code object, by its bytecode where this Python reads it, else from its source. Raises CodeError."""
    if magic == MAGIC:
        code: types.CodeType = marshal.loads(data)
    elif source is None:
        raise refusal(
            About(*about),
            "its source is not known there (made by exec from a text that is gone: "
            "RAISIN_KEEP_EXEC=1 keeps such; or its file changed since)",
        )
    else:
        code = compiled(Source(*source), About(*about))
    if source is not None:
        code = arrived.note(code, source[0], source[1])
    return code


def rebuild_exactly(magic: bytes, arguments: tuple[Any, ...], about: tuple[Any, ...]) -> types.CodeType:
    """The code object field by field; for the same Python only. Raises CodeError."""
    if magic != MAGIC:
        raise refusal(About(*about), "it was changed after it was compiled")
    return types.CodeType(*arguments)


def refusal(about: About, why: str) -> CodeError:
    where = f"{about.name} ({about.file}:{about.line})"
    return CodeError(
        f"{where} was written by Python {about.python} and cannot run in Python {VERSION}: {why};"
        f" define it in a file or cell, in syntax that both know, or use Python {about.python}"
    )


# -- the writing side ---------------------------------------------------------------------------------------------


def source_of(code: types.CodeType, namespace: dict[str, Any]) -> Source | None:
    """The text of a function's code and where it stands in it, if that is known for sure."""
    if code.co_name.startswith("<") and code.co_name != "<lambda>":
        return None  # a module, a comprehension
    found = texts.find(code, namespace)
    return None if found is None else source_in(found, code)


def source_in(found: Lines, code: types.CodeType) -> Source | None:
    """The part of a text that this code was compiled from; None if that cannot be told."""
    is_lambda = code.co_name == "<lambda>"
    piece = found.statement(code.co_firstlineno) if is_lambda else found.definition(code.co_firstlineno)
    if piece is None or last_line(code) >= piece.line + piece.text.count("\n"):
        return None  # or a piece of it only
    future, described = code.co_flags & texts.FUTURE, shape(code)
    sources = [Source(piece.line, piece.text, name, -1, future, described) for name in possible_names(code)]
    if len(sources) == 1 and not (is_lambda and piece.text.count("lambda") > 1):
        return sources[0]
    try:
        numbers = ((each, scopes.number_of(code, each)) for each in sources)
        return next((each._replace(number=number) for each, number in numbers if number is not None), None)
    except UNREADABLE:
        return None


def last_line(code: types.CodeType) -> int:
    """The last line of which code, or the code inside it, has instructions."""
    own = max(filter(None, map(THIRD, code.co_lines())), default=code.co_firstlineno)
    return max([own, *[last_line(each) for each in code.co_consts if isinstance(each, types.CodeType)]])


def possible_names(code: types.CodeType) -> list[str]:
    """The qualified name that a code object was compiled with; before Python 3.11 as far as it can matter.

    There it is known if anything inside is named after it; else names that look private tell which class it may be in.
    """
    if sys.version_info >= (3, 11):
        return [code.co_qualname]
    for each in (one for one in code.co_consts if isinstance(one, types.CodeType)):
        for constant in (*code.co_consts, *each.co_consts):  # a class has its name among its own
            if isinstance(constant, str) and constant.endswith(f"{code.co_name}.<locals>.{each.co_name}"):
                return [constant[: constant.rindex(".<locals>.")]]
    names = every_name(code).union(code.co_varnames, code.co_freevars, code.co_cellvars)
    mangled = [name for name in sorted(names) if name[:1] == "_" != name[1:2] and not name.endswith("__")]
    owners = dict.fromkeys(name[1 : each.start()] for name in mangled for each in re.finditer("(?=__)", name))
    return [*(f"{owner}.{code.co_name}" for owner in owners), code.co_name]


def shape(code: types.CodeType) -> tuple[Any, ...]:
    """What code compiled elsewhere has to agree in: arguments, kind, free variables, and a digest of the names used."""
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & KINDS)
    digest = zlib.crc32(" ".join(sorted(every_name(code))).encode())
    return (*counts, code.co_varnames[:count], code.co_freevars, code.co_flags & inspect.CO_ITERABLE_COROUTINE, digest)


def every_name(code: types.CodeType) -> set[str]:
    """The globals and attributes that code and the code inside it uses, but for what compilers add."""
    names = set(code.co_names)
    for each in inner(code):
        names.update(each.co_names)
    return names - COMPILERS_OWN


def inner(code: types.CodeType) -> Iterator[types.CodeType]:
    """The code objects inside one, at any depth."""
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield each
            yield from inner(each)


# -- the reading side ---------------------------------------------------------------------------------------------


def compiled(source: Source, about: About) -> types.CodeType:
    """The code object compiled from its source by this Python. Raises CodeError."""
    try:
        found = list(scopes.candidates(source, about.name, about.file, about.line))
    except SyntaxError as error:
        raise refusal(about, f"line {error.lineno} is no syntax here ({error.msg})") from error
    except UNREADABLE as error:
        raise refusal(about, f"its source does not compile here ({error})") from error
    fitting = [code for code in found if shape(code) == _plain(source.shape)]
    if not fitting:
        raise refusal(about, "its source gives other code here")
    if any(not scopes.same(fitting[0], other) for other in fitting[1:]):
        raise refusal(about, "several functions in its source fit")
    flag = source.shape[-2]
    return fitting[0].replace(co_flags=fitting[0].co_flags | flag) if flag else fitting[0]


def _plain(expected: tuple[Any, ...]) -> tuple[Any, ...]:
    """A shape without the mark that `types.coroutine` adds to code after it was compiled."""
    return (*expected[:-2], 0, expected[-1])


REDUCERS: Final[dict[type, Any]] = {types.CodeType: reduce_code}
