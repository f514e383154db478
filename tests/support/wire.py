"""Messages on their way through real frames, so that nothing passes in a test that could not pass on the wire."""

from __future__ import annotations

from collections.abc import Sequence

from raisin_core import envelope
from raisin_core.messages import Message


def frames(message: Message, payload: bytes = b"") -> list[bytes]:
    """What goes over the wire."""
    return envelope.encode(message, payload)


def opened(received: Sequence[bytes]) -> tuple[Message, bytes]:
    """What the other end makes of it; AssertionError where that is nothing."""
    found = envelope.decode(received)
    assert not isinstance(found, envelope.Malformed), found.reason
    return found


def passed(message: Message, payload: bytes = b"") -> tuple[Message, bytes]:
    """A message as it arrives."""
    return opened(frames(message, payload))
