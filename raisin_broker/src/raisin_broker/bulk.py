"""The second socket pair: blobs in pieces, asked for and acknowledged one by one, so that no transfer delays a
heartbeat.

Every message can be understood by itself, and said again: there is no session here. How much is under way is up to the
peer.

Rules of this file: it reads nothing of what it carries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import zmq

from raisin_broker.store.blobs import Blobs
from raisin_core import envelope
from raisin_core.errors import StoreError
from raisin_core.messages import CHUNK, Chunk, Get, Have, Message, Put

TURN: Final = 64


class Bulk:
    """Serves blobs to members."""

    def __init__(self, socket: zmq.Socket[bytes], blobs: Blobs, admits: Callable[[str], bool]) -> None:
        self.socket = socket
        self._blobs = blobs
        self._admits = admits

    def handle(self) -> None:
        """Answer what has arrived, up to a limit, so that the broker's other socket gets its turn."""
        for _ in range(TURN):
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            if not self._admits(str(frames[-1].get("User-Id"))) or frames[-1].get("Identity"):
                continue
            found = envelope.decode([frame.bytes for frame in frames[1:]])
            if not isinstance(found, envelope.Malformed):
                self._answer(frames[0].bytes, *found)

    def _answer(self, route: bytes, message: Message, payload: bytes) -> None:
        match message:
            case Put():
                try:
                    offset, complete = self._blobs.put(message.digest, message.offset, message.size, payload)
                except StoreError:
                    return  # the disk is full: no answer, the peer tries again
                self._send(route, Have(message.digest, offset, complete))
            case Get():
                try:
                    piece = self._blobs.get(message.digest, message.offset, CHUNK)
                except StoreError:
                    return  # it cannot be read now: no answer, the peer asks again
                data, size = (b"", -1) if piece is None else piece
                self._send(route, Chunk(message.digest, message.offset, size), data)
            case _:
                pass

    def _send(self, route: bytes, message: Message, payload: bytes = b"") -> None:
        try:
            self.socket.send_multipart([route, *envelope.encode(message, payload)], zmq.NOBLOCK)
        except zmq.ZMQError:
            pass  # gone: it will ask again
