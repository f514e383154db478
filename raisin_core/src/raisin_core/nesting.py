"""Whether this process is a task process: inside a task, raisin's verbs run serially, here.

Rules of this file: the standard library only; a task process sets both names before it runs anything.
"""

from __future__ import annotations

from collections.abc import Callable

inside: bool = False


def _nowhere() -> int:
    return -1


index: Callable[[], int] = _nowhere
"""The index of the task that is being run; negative where none is."""
