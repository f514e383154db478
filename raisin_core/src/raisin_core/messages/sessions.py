"""Sessions: said by and to every peer."""

from __future__ import annotations

from typing import Literal

from raisin_core.messages.base import Id, Index, Label, Message, NoDigest, RefusalCode, Text


class Hello(Message, frozen=True):
    """Begins a session. `replaces` names instances that the sender knows to be dead (it holds their lock). `roster` is
    the version that it holds (0: none). `runs` are the accounts whose code a worker runs (empty: everybody's)."""

    way = "peer>broker"
    payload = "the context named by `context`, if any: directory, environment, path, interpreter"
    instance: Id
    role: Literal["client", "worker"]
    host: Text
    pid: int
    environment: Text = ""
    slots: int = 0
    context: NoDigest = b""
    replaces: list[Id] = []
    roster: Index = 0
    runs: list[Label] = []


class Welcome(Message, frozen=True):
    """The session exists; say something every `beat` seconds, and mistrust a silence of `silence`. `roster` is the
    version that the broker holds: a peer with an older one is told next (`Roster`), one with a newer one says it
    (`Publish`)."""

    way = "broker>peer"
    run: Index
    beat: float
    silence: float
    cluster: str = ""
    roster: Index = 0


class WhoAreYou(Message, frozen=True):
    """The broker has no session for this connection: say Hello, then send again what was not acknowledged."""

    way = "broker>peer"


class Refused(Message, frozen=True):
    """Something was not accepted, and why; `code` is for programs. A fatal refusal ends the session. After "busy" (no
    room on the broker's disk) it may be said again after a while. "lost": something that was acknowledged is not
    there, "gone": results that were given out are not (after a power cut, or because an older copy was restored).
    "roster", "invitation": what was shown is none that counts here (older, forged, used up, after its time)."""

    way = "broker>peer"
    payload = "for `changed`: what is recorded under the key, as (results, parts of its function) in msgpack"
    code: RefusalCode
    reason: Text
    about: bytes = b""
    fatal: bool = False


class Beat(Message, frozen=True):
    """I am alive. A worker adds the number of the newest lease it has seen and a digest of those it holds."""

    way = "peer>broker"
    seen: Index = 0
    held: int = 0


class BeatBack(Message, frozen=True):
    """So am I."""

    way = "broker>peer"


class Goodbye(Message, frozen=True):
    """The sender ends its session in good order."""

    way = "peer>broker"


class Farewell(Message, frozen=True):
    """The broker ends in good order; with `final` it will not come back (an embedded cluster without clients)."""

    way = "broker>peer"
    final: bool = False
