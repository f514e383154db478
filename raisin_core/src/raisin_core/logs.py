"""Log files beside the state: one per program, rotated, readable only by their owner.

Rules of this file: what others sent can neither forge a line nor move a terminal's cursor; processes may share a file.
"""

from __future__ import annotations

import logging
import os
import re
import time
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from raisin_core import home

SIZE: Final = 1024 * 1024
FILES: Final = 3
_TAIL: Final = 64 * 1024
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def setup(name: str, directory: Path, verbose: bool = False) -> logging.Logger:
    """The logger of a program, writing to `<directory>/<name>.log`; with `verbose` all details, and to stderr as well.

    Called again for the same name, it lets go of the former file. Raises OSError if the file cannot be written.
    """
    logger = logging.getLogger(f"raisin.{name}")
    handlers: list[logging.Handler] = [_File(home.private_directory(directory) / f"{name}.log")]
    if verbose:
        handlers.append(logging.StreamHandler())
    for old in logger.handlers[:]:
        logger.removeHandler(old)
        old.close()
    for handler in handlers:
        handler.setFormatter(_Lines("%(asctime)s %(process)d %(levelname)s %(message)s"))
        logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False
    return logger


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, for the text of an error; empty if it cannot be read."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(_CONTROL.sub("?", line) for line in text.splitlines()[-lines:])


class _Lines(logging.Formatter):
    """One record a line; further lines (tracebacks) are indented, control characters are written out."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record).replace("\n", "\n    ")
        return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.localtime(record.created))}.{int(record.msecs):03d}"


class _File(RotatingFileHandler):
    """A rotating file, 0600, that notices when another process has rotated it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=SIZE, backupCount=FILES - 1, encoding="utf-8", errors="backslashreplace")

    def _open(self) -> TextIOWrapper:
        return open(
            self.baseFilename,
            "a",
            encoding="utf-8",
            errors="backslashreplace",
            opener=lambda path, flags: os.open(path, flags, 0o600),
        )

    def shouldRollover(self, record: logging.LogRecord) -> int:
        if self.stream is not None and self._moved(self.stream):
            self.stream.close()
            self.stream = self._open()
        return int(super().shouldRollover(record))

    def _moved(self, stream: TextIOWrapper) -> bool:
        try:
            return not os.path.samestat(os.fstat(stream.fileno()), os.stat(self.baseFilename))
        except FileNotFoundError:
            return True
