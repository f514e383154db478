"""Texts that were executed rather than imported: by `exec` and `eval`, `python -c`, on standard input, at the prompt.

Python keeps none of them. `remember_executed_text` does, from then on; without it they are looked for where they may
still be: among constants and globals of what runs now, in the command line and the prompt's history.
Whoever gets these texts compares them with the code in question.

Rules of this file: the standard library only; the hook is called for every audit event of the interpreter, so it does
nothing before it knows which; it never raises.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import threading
import types
from collections.abc import Iterator
from typing import Any, Final

LARGEST: Final = 1 << 20  # bytes of one text
MOST: Final = 16 << 20  # bytes of all
HISTORY: Final = 500  # lines of the prompt's that are looked at

_kept: dict[tuple[str, bytes], None] = {}  # by file name and text, the oldest first
_size = 0
_lock = threading.Lock()
_remembering = False


def remember_executed_text() -> None:
    """Keep the texts that are executed from now on, 16 MiB of them; raisin does so where RAISIN_KEEP_EXEC is 1.

    Functions made by `exec` and `eval` from a text that is gone can then travel to other versions of Python. It is an
    audit hook, which cannot be taken away again: each audited call, also `id`, takes about 0.1 us longer.
    """
    global _remembering
    if not _remembering:
        _remembering = True
        sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "compile" and type(arguments[0]) is bytes:
        text, file = arguments
        named = type(file) is str and file[:1] == "<" and file != "<unknown>"
        if named and len(text) <= LARGEST and (b"def " in text or b"lambda" in text) and (file, text) not in _kept:
            _keep(file, text)


def _keep(file: str, text: bytes) -> None:
    global _size
    if not _lock.acquire(
        blocking=False
    ):  # busy in another thread, or below in this one: rather nothing than a deadlock
        return
    try:
        _kept[file, text] = None
        _size += len(text)
        while _size > MOST:
            oldest = next(iter(_kept))
            del _kept[oldest]
            _size -= len(oldest[1])
    finally:
        _lock.release()


def texts(code: types.CodeType, namespace: dict[str, Any]) -> Iterator[str]:
    """Texts that may have given this code, the likeliest first."""
    file = code.co_filename
    name = "lambda" if code.co_name == "<lambda>" else code.co_name
    begins = re.compile(r"\blambda\b" if name == "lambda" else rf"\bdef\s+{re.escape(name)}\b")
    for kept, data in reversed(list(_kept)):
        if kept == file and begins.search(text := data.decode("utf-8", "replace")):
            yield text
    if file == "<string>":
        yield from _command_line()
    if file == "<stdin>":
        yield from _standard_input()
        yield from _history(name, code.co_firstlineno)
    strings = {text: None for text in _living(namespace) if len(text) <= LARGEST and begins.search(text)}
    for text in strings:
        yield text
        yield text.lstrip()


def _command_line() -> Iterator[str]:
    arguments = list(sys.orig_argv)
    if "-c" in arguments[:-1]:
        yield arguments[arguments.index("-c") + 1]


def _standard_input() -> Iterator[str]:
    """What was piped in is gone; a file that standard input is can be read again."""
    try:
        status = os.fstat(0)
        if stat.S_ISREG(status.st_mode) and status.st_size <= LARGEST and hasattr(os, "pread"):
            yield os.pread(0, status.st_size, 0).decode("utf-8", "replace")
    except OSError:
        return


def _history(name: str, line: int) -> Iterator[str]:
    """Each statement at the prompt begins at line 1."""
    readline: Any = sys.modules.get("readline")
    if readline is None:
        return
    count = readline.get_current_history_length()
    lines = [readline.get_history_item(number + 1) or "" for number in range(max(0, count - HISTORY), count)]
    for number in reversed(range(len(lines))):
        begin = number - line + 1
        if name in lines[number] and begin >= 0:
            more = [index for index in range(begin + 1, len(lines)) if lines[index][:1] not in ("", *" \t@)")]
            for end in (*more[:3], len(lines)):
                yield "\n".join(lines[begin:end]) + "\n"


def _living(namespace: dict[str, Any]) -> Iterator[str]:
    """Strings among the constants and globals of what is running; asking for its variables would keep them alive."""
    frame: types.FrameType | None = sys._getframe(1)
    seen: set[int] = set()
    spaces = {id(namespace): namespace}
    while frame is not None:
        spaces[id(frame.f_globals)] = frame.f_globals
        waiting: list[types.CodeType] = [frame.f_code]
        while waiting:
            code = waiting.pop()
            if id(code) not in seen:
                seen.add(id(code))
                yield from (each for each in code.co_consts if type(each) is str)
                waiting += [each for each in code.co_consts if isinstance(each, types.CodeType)]
        frame = frame.f_back
    for space in spaces.values():
        yield from (value for value in list(space.values()) if type(value) is str)
