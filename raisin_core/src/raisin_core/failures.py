"""A task's exception on its way to whoever waits for it.

An exception is rebuilt on trial where it was raised; if that does not give the same type, or takes too many bytes,
its name, text and traceback travel instead and become `TaskFailed`. Causes are kept; the remote traceback comes last
in the chain.

Rules of this file: the standard library and cloudpickle only.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple

from raisin_core.errors import RemoteTraceback, TaskFailed
from raisin_core.serialization import objects

MAX_PICKLE: Final = 64 * 1024
MAX_TEXT: Final = 16 * 1024
MAX_CHAIN: Final = 8


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

    def error(self, where: str = "") -> BaseException:
        """The exception, rebuilt, with its causes and a RemoteTraceback at the end of the chain."""
        links = [Link(*link) for link in self.chain]
        rebuilt = [_rebuild(link) for link in links]
        for outer, inner in pairwise(rebuilt):
            outer.__cause__ = inner
        rebuilt[-1].__cause__ = RemoteTraceback(f"\n\n{where}\n{self.traceback}" if where else f"\n\n{self.traceback}")
        return rebuilt[0]


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
    return TaskFailed(f"{link.type}: {link.text}" if link.text else link.type)


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
