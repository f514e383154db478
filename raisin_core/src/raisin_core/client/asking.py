"""Questions to the broker whose answer is no becomes the error that says so."""

from __future__ import annotations

from typing import Final, Protocol

from raisin_core.errors import ClusterError, NotYourJob, RaisinError, UnknownJob, VersionMismatch
from raisin_core.messages import Message, Refused

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
        raise kind(f"{said.reason} ({cluster.address}){hint}")
    return said
