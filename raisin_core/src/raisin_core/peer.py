"""A peer's end of its line to the broker: what the machines of clients and workers have in common.

A line begins with Hello and stands when Welcome has come. Any traffic is a heartbeat; who has nothing to say says Beat.
A connection on which nobody answers for the broker's `silence` is thrown away. A gap in one's own life (sleep, SIGSTOP)
is nobody's silence.

Rules of this file: pure.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from raisin_core.messages import Hello, Message, Welcome

GAP_SECONDS: Final = 2.0
LOOK_SECONDS: Final = 1.0
HELLO_SECONDS: Final = 1.0
SILENCE_SECONDS: Final = 15.0

# -- events ----------------------------------------------------------------------------------------------------------


class Connected(msgspec.Struct, frozen=True):
    """A connection to the broker stands: it has proved its key and admitted ours."""


class Disconnected(msgspec.Struct, frozen=True):
    """The connection is gone, with all that was not sent."""


class Received(msgspec.Struct, frozen=True):
    """The broker said this."""

    message: Message
    payload: bytes = b""


class BlobThere(msgspec.Struct, frozen=True):
    """A blob of ours is with the broker."""

    digest: bytes


class Tick(msgspec.Struct, frozen=True):
    """Time has passed."""


# -- commands --------------------------------------------------------------------------------------------------------


class Say(msgspec.Struct, frozen=True):
    """Send this to the broker."""

    message: Message
    payload: bytes = b""


class SendBlob(msgspec.Struct, frozen=True):
    """Bring a blob to the broker."""

    digest: bytes


class Reconnect(msgspec.Struct, frozen=True):
    """The broker is silent: throw the sockets away and make others."""


class Exit(msgspec.Struct, frozen=True):
    """The program ends; with an error if `reason` is not empty."""

    reason: str = ""


class Line:
    """The line to the broker, as far as it needs no socket. `welcome` is what the broker said of this session."""

    def __init__(self) -> None:
        self.welcome: Welcome | None = None
        self._connected = False
        self._silence = SILENCE_SECONDS
        self._heard = self._said = self._looked = 0.0
        self._hello_at = -HELLO_SECONDS

    def connect(self, now: float) -> None:
        """A connection stands; the next thing to say is Hello."""
        self._connected, self._heard = True, now

    def drop(self) -> None:
        """There is no connection."""
        self._connected, self.welcome = False, None

    def hear(self, now: float) -> None:
        """The broker said something."""
        self._heard = now

    def greet(self, hello: Hello, payload: bytes, now: float) -> Say:
        """Begin a session."""
        self._hello_at, self.welcome = now, None
        return Say(hello, payload)

    def must_greet(self, now: float) -> bool:
        """Whether WhoAreYou is to be answered: not if a Hello is on its way."""
        return now - self._hello_at >= HELLO_SECONDS or self.welcome is not None

    def stand(self, welcome: Welcome) -> None:
        """The session stands."""
        self.welcome, self._silence = welcome, welcome.silence

    def end(self) -> None:
        """The session is over; the connection may be used for another."""
        self.welcome = None

    def spoke(self, now: float) -> None:
        """Something was said: no heartbeat is needed for a while."""
        self._said = now

    def look(self, now: float) -> Literal["silent", "beat", ""]:
        """What the time asks for: to throw a silent connection away, or a heartbeat."""
        if now - self._looked > GAP_SECONDS:
            self._heard = now  # we slept: the broker's silence is our own
        self._looked = now
        if self._connected and now - self._heard >= self._silence:
            self.drop()
            return "silent"
        return "beat" if self.welcome is not None and now - self._said >= self.welcome.beat else ""

    def deadline(self) -> float | None:
        """When to look at the latest."""
        if not self._connected:
            return None
        times = [self._looked + LOOK_SECONDS, self._heard + self._silence]
        if self.welcome is not None:
            times.append(self._said + self.welcome.beat)
        return min(times)
