"""The text that code was compiled from: found, compiled again and compared, so that it is that text and no other.

A file may have changed since it was imported, several texts share the name "<string>", a test runner rewrites what it
imports. So a text counts only where it compiles to the very code that is there; each is compiled once.

Rules of this file: reads source files and `linecache`; runs nothing of them.
"""

from __future__ import annotations

import linecache
import os
import time
import tokenize
import types
import warnings
import weakref
from collections.abc import Iterator
from typing import Any, Final

from raisin_core.serialization.families import executed, scopes
from raisin_core.serialization.families.lines import Lines

FUTURE: Final = 0x1FE0000  # the flags of `from __future__` in a code object's flags
TOP_LEVEL_AWAIT: Final = 0x2000  # cells may have it
LARGEST: Final = 4 << 20  # bytes of a file
MOST: Final = 256  # texts that are remembered
STARTED: Final = time.time()


class Text(Lines):
    """A whole text, compiled when it is first asked for."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._codes: dict[int, dict[tuple[str, int], list[types.CodeType]]] = {}

    def has(self, code: types.CodeType) -> bool:
        """Whether this text gives this code."""
        future = code.co_flags & FUTURE
        if future not in self._codes:
            names = (name for name in code.co_varnames if not name.startswith(("_", ".", "@")))
            if self.text.isascii() and not all(name in self.text for name in names):
                return False  # not worth compiling
            self._codes[future] = _codes(self.text, future)
        found = self._codes[future].get((code.co_name, code.co_firstlineno), ())
        return any(each == code or scopes.same(each, code) for each in found)


def find(code: types.CodeType, namespace: dict[str, Any]) -> Lines | None:
    """The text of a function's code, if it is known for sure. `namespace`: its globals.

    Warns where that is not what its file says now.
    """
    known = _inside.get(id(code))
    if known is not None and known[0]() is code:
        return known[1]
    current = _on_disk(code.co_filename)
    if current is not None and current.has(code):
        return current
    for text in _others(code, namespace):
        if text is not current and text.has(code):
            _warn(code, current, "what was imported travels")
            return text
    if current is not None and _files[code.co_filename][0][0] > STARTED * 1e9:
        _warn(code, current, "what was imported is not known, so its bytecode travels, for this version of Python only")
    return None


def inside(code: types.CodeType, text: Lines) -> None:
    """Says where code stands that came without its file."""
    _inside[id(code)] = weakref.ref(code, lambda _, key=id(code): _inside.pop(key, None)), text  # type: ignore[misc]


_inside: dict[int, tuple[weakref.ref[types.CodeType], Lines]] = {}
_files: dict[str, tuple[tuple[int, int], Text | None]] = {}  # by name: time and size of the file, and its text
_texts: dict[tuple[str, str], Text] = {}  # by file name and text; the oldest go first


def _on_disk(file: str) -> Text | None:
    """The text that a file has now."""
    try:
        status = os.stat(file)
    except (OSError, ValueError):
        return None
    stamp = status.st_mtime_ns, status.st_size
    known = _files.get(file)
    if known is None or known[0] != stamp:
        known = _files[file] = stamp, _read(file) if status.st_size <= LARGEST else None
    return known[1]


def _read(file: str) -> Text | None:
    try:
        with tokenize.open(file) as stream:
            return _text(file, stream.read())
    except (OSError, SyntaxError, UnicodeError):
        return None


def _text(file: str, text: str, new: Text | None = None) -> Text:
    key = file, text
    found = _texts.get(key)
    if found is None:
        while len(_texts) >= MOST:
            _texts.pop(next(iter(_texts)), None)
        found = _texts[key] = new or Text(text)
    return found


def _others(code: types.CodeType, namespace: dict[str, Any]) -> Iterator[Text]:
    """What the file said when it was read before; what was registered under its name; what was executed."""
    file = code.co_filename
    entry = linecache.cache.get(file)
    lines = entry[2] if entry is not None and len(entry) == 4 else linecache.getlines(file, namespace)
    if lines:
        yield _text(file, "".join(lines))
    yield from [text for (name, _), text in list(_texts.items()) if name == file]
    if not os.path.exists(file):
        for text in executed.texts(code, namespace):
            candidate = _texts.get((file, text)) or Text(text)
            if candidate.has(code):
                yield _text(file, text, candidate)


def _warn(code: types.CodeType, current: Text | None, what: str) -> None:
    if current is not None:
        which = f"{code.co_name} (line {code.co_firstlineno})"
        text = f"{code.co_filename} has changed since it was imported, or {which} was changed in memory: {what}"
        warnings.warn(text, UserWarning, stacklevel=2)


def _codes(text: str, future: int) -> dict[tuple[str, int], list[types.CodeType]]:
    """The functions of a text by name and line."""
    found: dict[tuple[str, int], list[types.CodeType]] = {}
    top = _compiled(text, future)
    waiting = [] if top is None else [top]
    while waiting:
        code = waiting.pop()
        found.setdefault((code.co_name, code.co_firstlineno), []).append(code)
        waiting += [each for each in code.co_consts if isinstance(each, types.CodeType)]
    return found


def _compiled(text: str, future: int) -> types.CodeType | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has warned when it was compiled for the first time
        for flags in (future, future | TOP_LEVEL_AWAIT):
            try:
                code: types.CodeType = compile(text, "<unknown>", "exec", flags, dont_inherit=True)
                return code
            except SyntaxError:
                continue
            except (ValueError, RecursionError, MemoryError):
                break
    return None
