"""Times and sizes as people write them on a command line.

Rules of this file: pure; raises ValueError that says what would be right.
"""

from __future__ import annotations

import re
from typing import Final

SECONDS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
BYTES: Final = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20}
MORE: Final = {"GIB": 2**30, "TIB": 2**40, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

_AMOUNT = re.compile(r"\s*(\d{1,18}(?:\.\d{1,18})?)\s*([A-Za-z]*)\s*", re.ASCII)


def seconds(text: str) -> float:
    """A time: "90", "30s", "15m", "2h", "30d", "4w".

    >>> seconds("2h")
    7200.0
    """
    found = _AMOUNT.fullmatch(text)
    if not found or found[2].lower() not in SECONDS:
        raise ValueError(f"{text!r} is no time; write for example 90s, 15m, 2h or 30d")
    return float(found[1]) * SECONDS[found[2].lower()]


def size(text: str) -> int:
    """A number of bytes: "0", "500MB", "10GB", "1.5GiB".

    >>> size("10GB")
    10000000000
    """
    found = _AMOUNT.fullmatch(text)
    units = {**BYTES, **MORE}
    if not found or found[2].upper() not in units:
        raise ValueError(f"{text!r} is no size; write for example 500MB or 10GB")
    whole, _, part = found[1].partition(".")
    number = int(whole + part) * units[found[2].upper()]
    return int(number // 10 ** len(part))
