"""A wire that keeps what goes over it: between members and broker, both socket pairs, everything in both directions.

Whoever asks for it has connections cut when the broker answers.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType


class Relay:
    """Listens on two ports in a row on loopback and passes bytes on to two others; `file` gets all of them."""

    def __init__(self, file: Path, port: int, cut: Callable[[], bool] = bool) -> None:
        """`port`: the broker's first one; `cut`: whether what the broker says now is lost, and its connection too."""
        self.cut, self.cuts = cut, 0
        self._file = open(file, "wb")  # noqa: SIM115 - closed in close
        self._selector = selectors.DefaultSelector()
        self._ends: dict[socket.socket, socket.socket] = {}
        self._far: set[socket.socket] = set()
        first, second = two_in_a_row()
        self.port = first.getsockname()[1]
        for listener, target in ((first, port), (second, port + 1)):
            listener.listen(64)
            self._selector.register(listener, selectors.EVENT_READ, target)
        self._stop, self._stopped = socket.socketpair()
        self._selector.register(self._stopped, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.send(b"\0")
        self._thread.join(10)
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()
        self._stop.close()
        self._file.close()

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                end = key.fileobj
                assert isinstance(end, socket.socket)
                if end is self._stopped:
                    return
                if isinstance(key.data, int):
                    self._accept(end, key.data)
                else:
                    self._pass_on(end)

    def _accept(self, listener: socket.socket, target: int) -> None:
        near, _ = listener.accept()
        try:
            far = socket.create_connection(("127.0.0.1", target), 5)
        except OSError:
            near.close()
            return
        self._far.add(far)
        for one, other in ((near, far), (far, near)):
            self._ends[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _pass_on(self, end: socket.socket) -> None:
        other = self._ends.get(end)
        if other is None:
            return
        data = b""
        with contextlib.suppress(OSError):
            data = end.recv(1 << 16)
        if data and end in self._far and self.cut():
            self.cuts, data = self.cuts + 1, b""
        if data:
            self._file.write(data)
            self._file.flush()
            with contextlib.suppress(OSError):
                other.sendall(data)
                return
        for each in (end, other):
            self._ends.pop(each, None)
            self._far.discard(each)
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(each)
            each.close()


def two_in_a_row() -> tuple[socket.socket, socket.socket]:
    """Two bound sockets on neighbouring ports of loopback."""
    for _ in range(50):
        first = socket.create_server(("127.0.0.1", 0))
        try:
            return first, socket.create_server(("127.0.0.1", first.getsockname()[1] + 1))
        except OSError:
            first.close()
    raise OSError("no two free ports in a row")
