"""Questions to the broker whose answer is no becomes the error that says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from raisin_core.errors import ClusterError, NotYourJob, RaisinError, UnknownJob, VersionMismatch
from raisin_core.messages import Explained, Jobs, Message, Refused
from raisin_core.texts import plain

SECONDS: Final = 10.0
HINT: Final = "`raisin jobs` lists those that there are"

_KINDS: Final[dict[str, type[RaisinError]]] = {
    "unknown job": UnknownJob,
    "not yours": NotYourJob,
    "version": VersionMismatch,
}


class Asks(Protocol):
    """What it takes to ask: see connection.Connection."""

    @property
    def address(self) -> str: ...

    def ask(self, message: Message, about: bytes = b"", seconds: float = SECONDS) -> Message: ...


def ask(cluster: Asks, message: Message, about: bytes = b"", seconds: float = SECONDS) -> Message:
    """The broker's answer. Raises UnknownJob, NotYourJob, BrokerUnreachable, ClusterError."""
    said = cluster.ask(message, about, seconds)
    if isinstance(said, Refused):
        kind = _KINDS.get(said.code, ClusterError)
        hint = f"; {HINT}" if kind is UnknownJob else ""
        raise kind(f"{plain(said.reason, 2000)} ({cluster.address}){hint}")
    return said


def readable(message: Message, reveal: Callable[[str], str]) -> Message:
    """An answer with all readable that members hid from the broker: names of jobs, reasons."""
    replace = msgspec.structs.replace
    if isinstance(message, Jobs):
        return replace(message, jobs=[replace(line, name=reveal(line.name)) for line in message.jobs])
    if isinstance(message, Explained):
        line = replace(message.line, name=reveal(message.line.name))
        workers = [replace(each, reason=reveal(each.reason)) for each in message.workers]
        return replace(message, line=line, reasons=[reveal(each) for each in message.reasons], workers=workers)
    return replace(message, reason=reveal(message.reason)) if isinstance(message, Refused) else message
