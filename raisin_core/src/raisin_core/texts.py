"""Text of others, for people: it cannot move a cursor, break out of a line, or turn what follows around.

Whatever a task printed or raised, whatever a member, host or job is called, and whatever a broker gives as a reason
passes here before it is shown. Rich, where it is used, is given `Text` objects: nothing in them is markup.

Rules of this file: pure, the standard library only; what comes in may hold any character.
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPES: Final = re.compile(
    r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)?|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]"
)
_TURNING: Final = re.compile("[\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")


def shown(text: str) -> str:
    """Text of several lines without escapes, control characters and marks that turn the direction of writing.

    >>> shown("a\\x1b[2Jb\\x07\\nc\\u202ed")
    'ab\\nc?d'
    """
    return _TURNING.sub("?", _ESCAPES.sub("", text))


def plain(text: str, most: int = 200) -> str:
    """Text as one printable line, cut where it is longer than `most` characters.

    >>> plain("a\\x1b[2Jb\\nc\\u202e")
    'ab c?'
    """
    line = " ".join(shown(text).split())
    readable = "".join(letter if letter.isprintable() else "?" for letter in line)
    return readable if len(readable) <= most else f"{readable[: most - 3]}..."
