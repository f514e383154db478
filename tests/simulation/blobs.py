"""The second connection, for blobs: a transfer takes a while, and begins anew when the connection does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tests.simulation.host import Host
from tests.simulation.network import Link


class Connected(Protocol):
    """A host with a link."""

    link: Link


class Bulk:
    """Transfers of one peer. The broker always has what it was given: its files are not what is tested here."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._open: dict[tuple[str, bytes], Callable[[], None]] = {}
        self._round = 0

    def fetch(self, digest: bytes, done: Callable[[], None]) -> None:
        self._begin(("fetch", digest), done)

    def send(self, digest: bytes, done: Callable[[], None]) -> None:
        self._begin(("send", digest), done)

    def restart(self) -> None:
        """There is a new connection."""
        self._round += 1
        for key in self._open:
            self._go(key)

    def _begin(self, key: tuple[str, bytes], done: Callable[[], None]) -> None:
        self._open[key] = done
        self._go(key)

    def _go(self, key: tuple[str, bytes]) -> None:
        mine, world = self._round, self._host.world
        self._host.later(world.some(0.001, 0.5), lambda: self._finish(key, mine))

    def _finish(self, key: tuple[str, bytes], mine: int) -> None:
        link: Link = self._host.link  # type: ignore[attr-defined]
        if mine == self._round and link.wire is not None and link.wire.up_open and not link.wire.up_mute:
            done = self._open.pop(key, None)
            if done is not None:
                done()
