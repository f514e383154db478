"""Logical lines of Python's text: where a definition ends, and which statement a line belongs to.

Only strings, comments, brackets and continued lines are told apart, so this is quick, works on text of which some part
is broken, and needs no parser: whoever uses a piece parses it.

Rules of this file: pure; the standard library only.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from typing import Final, NamedTuple

# Each alternative begins with one literal character, so that the search skips to these: twice as fast.
TOKEN: Final = re.compile(
    r"""\#[^\n]*
    |\"\"\"[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*\"{3}
    |'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'{3}
    |"[^"\\\n]*(?:\\.[^"\\\n]*)*"
    |'[^'\\\n]*(?:\\.[^'\\\n]*)*'
    |\(|\[|\{|\)|\]|\}|\\\n
    |\n[ \t\f]*(?=[^\s#])""",
    re.VERBOSE | re.DOTALL,
)
DEFINITION: Final = re.compile(r"[ \t\f]*(?:@|(?:async[ \t]+)?def\b)")
INDENT: Final = re.compile(r"[ \t\f]*")
DECORATOR: Final = re.compile(r"[ \t\f]*@")
BLOCK: Final = re.compile(r"(?:def|class|import)\b|@")  # what never stands at the start of a continued line


class Piece(NamedTuple):
    """Whole lines of a text, and the number of the first."""

    line: int
    text: str


class Lines:
    """A text, or a piece of one that begins at line `first`; what is in it is found by line number."""

    def __init__(self, text: str, first: int = 1) -> None:
        self.text = text.replace("\r\n", "\n").replace("\r", "\n")
        self.first = first

    @cached_property
    def _offsets(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    @cached_property
    def _starts(self) -> list[int]:
        """Where logical lines begin."""
        return [0, *_logical(self.text, 0)]

    def definition(self, line: int) -> Piece | None:
        """The function whose first line this is, its decorators included; None if none begins there.

        >>> Lines("x = 1\\ndef f():\\n    return 1\\ny = 2\\n").definition(2)
        Piece(line=2, text='def f():\\n    return 1\\n')
        """
        if not 0 <= line - self.first < len(self._offsets):
            return None
        start = here = self._offsets[line - self.first]
        if DEFINITION.match(self.text, start) is None:
            return None
        deep, end = _depth(self.text, start), len(self.text)
        for after in _logical(self.text, start):
            if DECORATOR.match(self.text, here) is not None:
                here = after
            elif _depth(self.text, after) <= deep:
                end = after
                break
        return Piece(line, self.text[start:end].rstrip() + "\n")

    def statement(self, line: int) -> Piece | None:
        """The logical line that a line is part of."""
        number = line - self.first
        if not 0 <= number < len(self._offsets):
            return None
        after = self._offsets[number + 1] if number + 1 < len(self._offsets) else len(self.text) + 1
        place = bisect_right(self._starts, after - 1)
        start = self._starts[place - 1]
        end = self._starts[place] if place < len(self._starts) else len(self.text)
        return Piece(self.first + bisect_right(self._offsets, start) - 1, self.text[start:end].rstrip() + "\n")


def _depth(text: str, start: int) -> int:
    """How far a line is indented."""
    return len(INDENT.match(text, start).group().expandtabs())  # type: ignore[union-attr]


def _logical(text: str, start: int) -> Iterator[int]:
    """The offsets (of their first columns) at which the logical lines after this one begin."""
    depth = 0
    for match in TOKEN.finditer(text, start):
        token = text[match.start()]
        if token == "\n":
            if depth == 0 or BLOCK.match(text, match.end()):
                depth = 0
                yield match.start() + 1
        elif token in "([{":
            depth += 1
        elif token in ")]}":
            depth = max(0, depth - 1)
