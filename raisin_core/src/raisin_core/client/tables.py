"""Texts and tables for people: what others named cannot move a cursor, break a line or a page.

Rules of this file: pure; what comes in may hold any character.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence
from typing import Final

GAP: Final = "  "
STYLE: Final = "text-align:left"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lines with aligned columns.

    >>> print(table(("id", "name"), [("3f2a", "fit")]))
    id    name
    3f2a  fit
    """
    lines = [head, *rows]
    widths = [max(_width(line[at]) for line in lines) for at in range(len(head))]
    return "\n".join(
        GAP.join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths)).rstrip() for line in lines
    )


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]], after: str = "") -> str:
    """The same for a notebook; nothing in it is taken for markup."""
    top = "".join(f'<th style="{STYLE}">{html.escape(cell)}</th>' for cell in head)
    body = "".join(
        "<tr>" + "".join(f'<td style="{STYLE}">{html.escape(cell)}</td>' for cell in row) + "</tr>" for row in rows
    )
    below = f"<p>{html.escape(after)}</p>" if after else ""
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>{below}"


def duration(seconds: float) -> str:
    """A span of time in words of about two units.

    >>> duration(3725)
    '1 h 2 min'
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _width(text: str) -> int:
    """Columns that a terminal gives it."""
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text
    )
