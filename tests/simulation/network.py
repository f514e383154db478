"""Connections between peers and the broker.

Within one connection order holds, and what is lost is lost from some point on: because it was cut, because it fell
silent without anybody being told (half open), or because the broker's queue to it was full. Across connections
anything goes: what an old one still carries may arrive after what a new one brought.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from raisin_broker.state import Member
from raisin_core.messages import Message
from tests.simulation.world import World
from tests.support import wire

SLOW_CLOSE = 20.0


class Listening(Protocol):
    """The broker's end."""

    name: str
    alive: bool
    routes: dict[bytes, Wire]
    members: dict[str, Member]

    @property
    def awake(self) -> bool: ...

    def arrive(self, route: bytes, key: str, frames: list[bytes]) -> None: ...


class Speaking(Protocol):
    """A peer's end."""

    name: str
    alive: bool

    def connected(self) -> None: ...

    def disconnected(self) -> None: ...

    def receive(self, frames: list[bytes]) -> None: ...


class Wire:
    """One connection. `full_until`: sends of the broker fail until then; `up_stalled`, `down_stalled`: what is said
    this way waits until then. `brittle`: so many messages more and it is cut, the last one on its way."""

    def __init__(self, world: World, link: Link, broker: Listening, route: bytes) -> None:
        self.world, self.link, self.broker, self.route = world, link, broker, route
        self.up_open = self.down_open = True
        self.up_mute = self.down_mute = False
        self.full_until = self.up_stalled = self.down_stalled = 0.0
        self.brittle = 0
        self._last_up = self._last_down = 0.0

    def up(self, frames: list[bytes]) -> None:
        """From the peer to the broker."""
        if self.up_open and not self.up_mute:
            self._last_up = self._arrival(max(self._last_up, self.up_stalled))
            self.world.after(self._last_up - self.world.now, lambda: self._come_up(frames))
        self._wear()

    def down(self, frames: list[bytes]) -> bool:
        """From the broker to the peer; False if it cannot be sent."""
        if self.world.now < self.full_until:
            return False
        if self.down_open and not self.down_mute:
            self._last_down = self._arrival(max(self._last_down, self.down_stalled))
            self.world.after(self._last_down - self.world.now, lambda: self._come_down(frames))
        self._wear()
        return True

    @property
    def deaf(self) -> bool:
        """Whether what the broker says here is lost."""
        return self.down_mute or not self.down_open

    def stall(self, up: bool, down: bool, until: float) -> None:
        """What is said in these directions comes late."""
        self.up_stalled = max(self.up_stalled, until) if up else self.up_stalled
        self.down_stalled = max(self.down_stalled, until) if down else self.down_stalled

    def cut(self) -> None:
        """Both ends lose what was on its way; the peer notices soon, the broker when it sends."""
        self.up_open = self.down_open = False
        self.world.after(self.world.some(0.01, 3.0), lambda: self.link.lost(self))
        self._forget_route(self.world.some(0.01, SLOW_CLOSE))

    def close(self) -> None:
        """The peer throws it away; what it has said may still arrive."""
        self.down_open = False
        if not self.up_mute:
            self.up_open = self.world.chance(0.5)
            self._forget_route(self.world.some(0.01, SLOW_CLOSE))

    def break_off(self) -> None:
        """The broker's process has ended; what it has said may still arrive."""
        self.up_open = False
        self.down_open = self.world.chance(0.5)
        if not self.down_mute:
            self.world.after(max(0.0, self._last_down - self.world.now) + 0.01, lambda: self.link.lost(self))

    def _wear(self) -> None:
        if self.brittle:
            self.brittle -= 1
            if not self.brittle:
                self.world.note(self.link.peer.name, "is cut off in the middle of a word")
                self.cut()

    def _forget_route(self, delay: float) -> None:
        def forget() -> None:
            self.broker.routes.pop(self.route, None)

        self.world.after(delay, forget)

    def _arrival(self, last: float) -> float:
        return max(last, self.world.now + self.world.some(0.0002, 0.05)) + 1e-6

    def _come_up(self, frames: list[bytes]) -> None:
        if self.up_open and self.broker.alive:
            self.broker.arrive(self.route, self.link.key, frames)

    def _come_down(self, frames: list[bytes]) -> None:
        if self.down_open and self.link.wire is self:
            self.link.peer.receive(frames)


class Link:
    """A peer's way to the broker: it connects by itself, again and again. `parted_until`: no connection can be made
    until then."""

    def __init__(self, world: World, peer: Speaking, broker: Callable[[], Listening], key: str) -> None:
        self.world, self.peer, self.key = world, peer, key
        self.wire: Wire | None = None
        self.parted_until = 0.0
        self._broker = broker
        self._attempt = 0
        self.connect(0.01)

    def send(self, message: Message, payload: bytes) -> None:
        """Say it, if there is a connection."""
        if self.wire is not None:
            frames = wire.frames(message, payload)
            self.world.messages += 1
            self.world.note(f"{self.peer.name} >", message, frames)
            self.wire.up(frames)

    def reset(self) -> None:
        """Throw the connection away and make another."""
        if self.wire is not None:
            self.wire.close()
        self.wire = None
        self.connect(self.world.some(0.01, 0.5))

    def shut(self) -> None:
        """The peer's process has ended."""
        self._attempt += 1
        if self.wire is not None:
            self.wire.close()
        self.wire = None

    def lost(self, lost: Wire) -> None:
        """This connection has ended."""
        if self.wire is lost and self.peer.alive:
            self.wire = None
            self.peer.disconnected()
            self.connect(self.world.some(0.05, 1.0))

    def connect(self, delay: float) -> None:
        """Try after a while; only the newest attempt counts."""
        self._attempt += 1
        attempt = self._attempt
        self.world.after(delay, lambda: self._try(attempt))

    def _try(self, attempt: int) -> None:
        if attempt != self._attempt or not self.peer.alive:
            return
        broker = self._broker()
        if not (broker.alive and broker.awake and self.key in broker.members) or self.world.now < self.parted_until:
            # its gate must answer, and lets no others in
            self.connect(self.world.some(0.05, 1.0))
            return
        route = self.world.random.getrandbits(40).to_bytes(5, "big")
        self.wire = broker.routes[route] = Wire(self.world, self, broker, route)
        self.peer.connected()
