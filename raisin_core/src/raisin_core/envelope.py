"""Frames to messages and back.

A message is two or three frames: the version (`rsn` and one byte), the header (msgpack), and the payload where there
is one. Several to the same peer may go as a bundle: the version once, then header and payload of each (empty where it
has none), in order; that costs one send instead of many.

A malformed message is a value, never an exception: whoever reads from a network decides what to do with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol, Union

import msgspec

from raisin_core.messages import MESSAGES, VERSION, Message

MAGIC: Final = b"rsn"
FIRST: Final = MAGIC + bytes([VERSION])
BUNDLE: Final = 64
BUNDLE_BYTES: Final = 256 * 1024
MAX_HEADER: Final = 4 * 1024 * 1024
MAX_PAYLOAD: Final = 16 * 1024 * 1024
MAX_RECEIVED: Final = MAX_PAYLOAD + MAX_HEADER + BUNDLE_BYTES + BUNDLE * 1024
"""Bytes of all frames together: a bundle is sent as soon as it is full, so only its last message can be large."""

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


class Bundle:
    """Gathers messages for one peer."""

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._size = 0

    def add(self, message: Message, payload: bytes = b"") -> None:
        """Add a message behind those that are there."""
        self._frames += (_encoder.encode(message), payload)
        self._size += len(payload)

    @property
    def full(self) -> bool:
        """Whether it should be sent before more is added."""
        return self._size >= BUNDLE_BYTES or len(self._frames) >= 2 * BUNDLE

    def take(self) -> list[bytes]:
        """The frames of what was added, none if that is nothing; the bundle is empty then."""
        frames, self._frames, self._size = self._frames, [], 0
        if len(frames) == 2 and not frames[1]:
            frames.pop()
        return [FIRST, *frames] if frames else []


class Frame(Protocol):
    """A frame as a socket gives it, before its bytes are copied."""

    def __len__(self) -> int: ...

    @property
    def bytes(self) -> Any: ...


def decode_frames(frames: Sequence[Frame]) -> Iterator[tuple[Message, bytes] | Malformed]:
    """As `decode_all`, for what was received; what is too much to be a bundle is not even copied."""
    if len(frames) > 1 + 2 * BUNDLE or (len(frames) > 3 and sum(map(len, frames)) > MAX_RECEIVED):
        return iter((Malformed(f"{len(frames)} frames with {sum(map(len, frames))} bytes"),))
    return decode_all([frame.bytes for frame in frames])


def decode_all(frames: Sequence[bytes | memoryview]) -> Iterator[tuple[Message, bytes] | Malformed]:
    """The messages of a bundle, or of a single message's frames; one that is malformed spoils no other."""
    if len(frames) <= 3 or len(frames) % 2 == 0 or len(frames) > 1 + 2 * BUNDLE:
        yield decode(frames)
        return
    for at in range(1, len(frames), 2):
        yield decode((frames[0], frames[at], frames[at + 1]))
