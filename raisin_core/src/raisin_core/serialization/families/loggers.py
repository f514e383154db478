"""Loggers, by name: the other side's logger of that name has its own level and handlers.

Rules of this file: the standard library only.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from raisin_core.serialization.pickling import Pickler


def reduce_logger(value: logging.Logger, pickler: Pickler) -> Any:
    """A logger as its name."""
    return rebuild_logger, (value.name,)


def reduce_root(value: logging.RootLogger, pickler: Pickler) -> Any:
    """The root logger."""
    return rebuild_logger, ("",)


def rebuild_logger(name: str) -> logging.Logger:
    """This interpreter's logger of a name; the root logger for an empty one."""
    return logging.getLogger(name or None)


REDUCERS: Final[dict[type, Any]] = {logging.Logger: reduce_logger, logging.RootLogger: reduce_root}
