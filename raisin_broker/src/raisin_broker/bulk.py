"""The second socket pair: blobs in pieces, asked for and acknowledged one by one, so that no transfer delays a
heartbeat.

Every message can be understood by itself, and said again: there is no session here. How much is under way is up to the
peer, but a turn is short, whoever sends how much.

A blob's name is a digest of 32 bytes that nobody guesses: who knows it was given it, with a job, an argument or a
result, or has the content itself. So it is all that is asked of a member that wants the blob, whoever's job it belongs
to; a worker needs those of all accounts anyway. What members keep from one another is sealed.

Rules of this file: it reads nothing of what it carries.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import zmq

from raisin_broker.store.blobs import Blobs
from raisin_core import envelope
from raisin_core.errors import StoreError
from raisin_core.messages import CHUNK, Chunk, Get, Have, Message, Put

TURN: Final = 64
TURN_SECONDS: Final = 0.004


class Bulk:
    """Serves blobs to members."""

    def __init__(self, socket: zmq.Socket[bytes], blobs: Blobs, admits: Callable[[str], bool]) -> None:
        self.socket = socket
        self._blobs = blobs
        self._admits = admits

    def handle(self) -> None:
        """Answer what has arrived, up to a limit, so that the broker's other socket gets its turn."""
        until = time.perf_counter() + TURN_SECONDS
        for _ in range(TURN):
            if time.perf_counter() > until:
                return
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            if not self._admits(str(frames[-1].get("User-Id"))) or frames[-1].get("Identity"):
                continue
            if len(frames) > 4 or len(frames[-1]) > CHUNK:
                continue  # no message of this socket
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
