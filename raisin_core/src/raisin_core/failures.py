"""A task's exception on its way to whoever waits for it.

An exception is rebuilt on trial where it was raised; if that does not give the same type, or takes too many bytes,
its name, text and traceback travel instead and become `TaskFailed`. Causes are kept; the remote traceback comes last
in the chain. From a host whose pickles are not loaded, listed types of Python's own are made anew from name and text,
and others become `RemoteError`.

Rules of this file: the standard library and cloudpickle only.
"""

from __future__ import annotations

import builtins
import re
import traceback
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple

from raisin_core.errors import InstallationError, RemoteError, RemoteTraceback, StreamError, TaskFailed, UsageError
from raisin_core.serialization import objects
from raisin_core.texts import plain, shown

MAX_PICKLE: Final = 64 * 1024
MAX_TEXT: Final = 16 * 1024
MAX_CHAIN: Final = 8
MAX_NAME: Final = 300

# Exceptions that a text makes; none that ends whoever meets it.
LISTED: Final[dict[str, type[Exception]]] = {
    name: getattr(builtins, name)
    for name in (
        *("ArithmeticError", "AssertionError", "AttributeError", "BufferError", "EOFError", "Exception"),
        *("FloatingPointError", "ImportError", "IndexError", "KeyError", "LookupError", "MemoryError"),
        *("ModuleNotFoundError", "NameError", "NotImplementedError", "OverflowError", "RecursionError"),
        *("ReferenceError", "RuntimeError", "SyntaxError", "SystemError", "TypeError", "UnboundLocalError"),
        *("UnicodeError", "ValueError", "ZeroDivisionError"),
        *("OSError", "BlockingIOError", "BrokenPipeError", "ChildProcessError", "ConnectionAbortedError"),
        *("ConnectionError", "ConnectionRefusedError", "ConnectionResetError", "FileExistsError"),
        *("FileNotFoundError", "InterruptedError", "IsADirectoryError", "NotADirectoryError", "PermissionError"),
        *("ProcessLookupError", "TimeoutError"),
        *("Warning", "DeprecationWarning", "FutureWarning", "ResourceWarning", "RuntimeWarning", "UserWarning"),
    )
}
LISTED.update((f"{kind.__module__}.{kind.__name__}", kind) for kind in (InstallationError, StreamError, UsageError))
ENDING: Final = {"StopIteration", "StopAsyncIteration", "SystemExit", "KeyboardInterrupt", "GeneratorExit"}
_OS_TEXT: Final = re.compile(r"\[Errno (\d{1,6})\] ([^'\"]*?)(?:: '([^'\\]*)')?")
_QUOTED: Final = re.compile(r"'([^'\\]*)'")


class Link(NamedTuple):
    """One exception of a chain; `data` is empty where it cannot travel."""

    data: bytes
    type: str
    text: str


class Failure(NamedTuple):
    """A task's exception: the chain from the exception to its first cause, and the traceback as text."""

    chain: tuple[Link, ...]
    traceback: str

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Take an exception apart; never raises."""
        links = tuple(_link(each) for each in _chain(error))
        try:
            text = "".join(traceback.format_exception(type(error), error, _user_frames(error)))
        except Exception as broken:  # noqa: BLE001 - __str__ of an exception may raise
            text = f"{_type_name(error)} (its text cannot be made: {_type_name(broken)})"
        return cls(links, _cut(text))

    def error(self, where: str = "", trusted: bool = True) -> BaseException:
        """The exception, rebuilt, with its causes and a RemoteTraceback at the end of the chain.

        If its host is not `trusted`, nothing of it is unpickled.
        """
        links = [Link(*link) for link in self.chain]
        rebuilt = [_rebuild(link) if trusted else _from_text(link) for link in links]
        for outer, inner in pairwise(rebuilt):
            outer.__cause__ = inner
        there = f"{where}\n{self.traceback}" if where else self.traceback
        rebuilt[-1].__cause__ = RemoteTraceback(f"\n\n{shown(there)}")
        return rebuilt[0]


class _Said(str):
    """A text that stands for itself where `KeyError` shows its repr."""

    def __repr__(self) -> str:
        return str(self)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen and len(seen) < MAX_CHAIN:
        seen.add(id(each))
        yield each
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


def _link(error: BaseException) -> Link:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - __str__ of an exception may raise
        text = "(no text)"
    return Link(_data(error), _type_name(error), _cut(text))


def _data(error: BaseException) -> bytes:
    """The exception's pickle if it comes back as the same type with the same text, else nothing."""
    if not isinstance(error, Exception) or isinstance(error, (StopIteration, StopAsyncIteration)):
        return b""
    try:
        data = objects.dumps(error, copy_file=False, texts={}, chains=False)  # whoever called has the modules
        again = objects.loads(data)
        same = type(again).__qualname__ == type(error).__qualname__ and str(again) == str(error)
    except BaseException:  # noqa: BLE001 - its own code may raise anything, SystemExit included
        return b""
    return data if same and len(data) <= MAX_PICKLE else b""


def _rebuild(link: Link) -> BaseException:
    if link.data:
        try:
            error: Any = objects.loads(link.data)
        except Exception:  # noqa: BLE001 - what was possible there may be impossible here
            error = None
        if isinstance(error, Exception):
            return error
    return TaskFailed(shown(f"{link.type}: {link.text}" if link.text else link.type))


def _from_text(link: Link) -> BaseException:
    """An exception of the same type if that is a listed one, else one that says its type and text."""
    name, text = plain(link.type, MAX_NAME), shown(_cut(link.text))
    said = f"{name}: {text}" if text else name
    if name in ENDING:
        return TaskFailed(said)
    kind = LISTED.get(name)
    if kind is None:
        return RemoteError(said)
    if issubclass(kind, OSError) and (found := _OS_TEXT.fullmatch(text)):
        number, reason, file = found.groups()
        return kind(int(number), reason, file) if file is not None else kind(int(number), reason)
    if kind is KeyError and text:
        quoted = _QUOTED.fullmatch(text)
        return kind(quoted[1] if quoted else _Said(text))
    return kind(text) if text else kind()


def _user_frames(error: BaseException) -> Any:
    """The traceback without raisin's own frames at its top."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals.get("__name__", "").startswith("raisin_worker."):
        frames = frames.tb_next
    return frames


def _type_name(error: BaseException) -> str:
    kind = type(error)
    return (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )


def _cut(text: str) -> str:
    return (
        text
        if len(text) <= MAX_TEXT
        else f"{text[: MAX_TEXT // 2]}\n... ({len(text)} characters)\n{text[-MAX_TEXT // 2 :]}"
    )
