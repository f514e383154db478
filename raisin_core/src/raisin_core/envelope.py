"""Frames to messages and back.

A message is two or three frames: the version (`rsn` and one byte), the header (msgpack), and the payload where there
is one.
A malformed message is a value, never an exception: whoever reads from a network decides what to do with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Union

import msgspec

from raisin_core.messages import MESSAGES, VERSION, Message

MAGIC: Final = b"rsn"
FIRST: Final = MAGIC + bytes([VERSION])
MAX_HEADER: Final = 4 * 1024 * 1024
MAX_PAYLOAD: Final = 16 * 1024 * 1024

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Union[MESSAGES])  # noqa: UP007


class Malformed(msgspec.Struct, frozen=True):
    """Frames that are no message of this version; `version` is the sender's where it could be read, else -1."""

    reason: str
    version: int = VERSION


def encode(message: Message, payload: bytes = b"") -> list[bytes]:
    """The frames of a message.

    >>> from raisin_core.messages import Beat
    >>> encode(Beat(3, 4))
    [b'rsn\\x01', b'\\x93\\xa4beat\\x03\\x04']
    """
    header = _encoder.encode(message)
    return [FIRST, header, payload] if payload else [FIRST, header]


def decode(frames: Sequence[bytes | memoryview]) -> tuple[Message, bytes] | Malformed:
    """The message and its payload (empty where there is none), or why it is none."""
    if not frames or len(frames[0]) != len(FIRST) or bytes(frames[0][:3]) != MAGIC:
        return Malformed("not a raisin message", -1)
    if frames[0] != FIRST:
        version = frames[0][3]
        return Malformed(f"protocol version {version}, this side speaks {VERSION}", version)
    if len(frames) not in (2, 3):
        return Malformed(f"{len(frames)} frames instead of 2 or 3")
    if len(frames[1]) > MAX_HEADER:
        return Malformed(f"a header of {len(frames[1])} bytes")
    try:
        message: Message = _decoder.decode(frames[1])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Malformed(f"bad header: {error}")
    payload = bytes(frames[2]) if len(frames) == 3 else b""
    if payload and not message.payload:
        return Malformed(f"{type(message).__name__} carries no payload")
    if len(payload) > MAX_PAYLOAD:
        return Malformed(f"a payload of {len(payload)} bytes")
    return message, payload
