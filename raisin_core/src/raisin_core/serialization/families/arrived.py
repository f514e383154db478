"""Source lines of code that came from elsewhere, for tracebacks and for the next journey.

Rules of this file: the standard library only; shadows no file that is here. `linecache` looks for a real file first.
"""

from __future__ import annotations

import linecache
import types
import zlib
from typing import Final

from raisin_core.serialization.families import texts
from raisin_core.serialization.families.lines import Lines

MOST: Final = 1000  # files of which pieces are kept

_pieces: dict[str, dict[int, str]] = {}  # file -> first line -> text


def note(code: types.CodeType, line: int, text: str) -> types.CodeType:
    """Remembers the text of code that was loaded; gives the code, renamed if its file's name means nothing here."""
    file = code.co_filename
    if file.startswith("<") and not _shows(file, line, text):
        named = f"{file.rstrip('>')} {zlib.crc32(text.encode('utf-8', 'replace')):08x}>"
        if any(each.isdigit() for each in file) and file not in linecache.cache:
            named = file  # a cell's name is its own; "<string>" and "<stdin>" are everybody's
        code = renamed(code, named)
        file = named
    _keep(file, line, text)
    lines = Lines(text, line)
    waiting = [code]
    while waiting:
        each = waiting.pop()
        texts.inside(each, lines)
        waiting += [inner for inner in each.co_consts if isinstance(inner, types.CodeType)]
    return code


def renamed(code: types.CodeType, file: str) -> types.CodeType:
    """The same code, from a file of another name."""
    if code.co_filename == file:
        return code
    constants = (renamed(each, file) if isinstance(each, types.CodeType) else each for each in code.co_consts)
    return code.replace(co_filename=file, co_consts=tuple(constants))


def _shows(file: str, line: int, text: str) -> bool:
    """Whether `linecache` says the same already, as where the code was written."""
    entry = linecache.cache.get(file)
    return entry is not None and len(entry) == 4 and "".join(entry[2][line - 1 :]).startswith(text)


def _keep(file: str, line: int, text: str) -> None:
    entry = linecache.cache.get(file)
    if entry is not None and len(entry) == 4 and not (entry[1] is None and file in _pieces):
        return  # a file that is here, or a cell of this very interpreter
    pieces = _pieces.pop(file, {})
    pieces[line] = text
    _pieces[file] = pieces
    if file.startswith("<"):
        linecache.cache[file] = (len(text), None, _lines(file), file)
    else:
        linecache.cache[file] = (lambda: "".join(_lines(file)),)  # asked for only where there is no such file
    while len(_pieces) > MOST:
        oldest = next(iter(_pieces))
        del _pieces[oldest]
        linecache.cache.pop(oldest, None)


def _lines(file: str) -> list[str]:
    """The pieces of a file at their places, with nothing in between."""
    lines: list[str] = []
    for first, text in _pieces.get(file, {}).items():
        own = text.splitlines(keepends=True)
        lines += ["\n"] * (first - 1 + len(own) - len(lines))
        lines[first - 1 : first - 1 + len(own)] = own
    return lines
