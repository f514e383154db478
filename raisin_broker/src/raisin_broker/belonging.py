"""Who belongs here, as the machine knows it: what is said outside of sessions, and what follows when it changes.

What a document means is judged outside (`membership`), which answers with RosterChanged when it is durable, or with
Answered. Then everybody hears of it before anything else is said: what is sealed with a new key finds readers who know
it. Whoever is out is out at once: sessions, leases and active jobs end, and what waited to be told is not.

Rules of this file: pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from raisin_broker.outbox import Ask, Outbox
from raisin_broker.peers import Peers
from raisin_broker.state import Instant, Member, Session, State
from raisin_broker.submissions import Submissions
from raisin_core import messages as m

GUESTS_SAY: Final[dict[str, type[m.Message]]] = {"join": m.Join, "found": m.Publish}
NO_MEMBER: Final = m.Refused("member", "this key is in no roster", fatal=True)


class RosterChanged(msgspec.Struct, frozen=True):
    """These are the members now, by public key, and the guests, with what they may do ("join", "found"). In a closed
    cluster, `book` is what proves it, with the roster's `version` and `epoch`; `extended` if more was added to it than
    it says. Whoever is at the route `asked` hears of it in any case."""

    members: Mapping[str, Member]
    guests: Mapping[str, str] = {}
    cluster: str = ""
    version: int = 0
    epoch: int = 0
    extended: bool = False
    book: bytes = b""
    asked: bytes = b""


class Answered(msgspec.Struct, frozen=True):
    """What was asked at this route changes nothing: it is so already, or it was `refused`."""

    route: bytes
    refused: m.Refused | None = None


class Belonging:
    """Handlers of who is a member."""

    def __init__(self, state: State, out: Outbox, peers: Peers, submissions: Submissions) -> None:
        self.state = state
        self.out = out
        self.peers = peers
        self.submissions = submissions

    def admits(self, route: bytes, key: str, message: m.Message) -> bool:
        """Whether the holder of this key may say that; otherwise it is told."""
        if key in self.state.members:
            return True
        may = GUESTS_SAY.get(self.state.guests.get(key, ""))
        if may is not None and isinstance(message, may):
            return True
        if may is not None:
            reason = f"a guest does not say {type(message).__name__}: it may only say {may.__name__}"
            self.out.send(route, m.Refused("role", reason, fatal=True))
        elif not isinstance(message, m.Goodbye):
            self.out.send(route, NO_MEMBER)
        return False

    def on_asked(self, route: bytes, key: str, message: m.Publish | m.Join | m.Resign, payload: bytes) -> None:
        self.out.ask(Ask(route, key, message, payload))

    def on_list(self, route: bytes, at: Instant) -> None:
        lines = [_line(session, at) for session in self.state.sessions.values()]
        self.out.send(route, m.Members(sorted(lines, key=lambda line: (line.member, line.role))))

    def answer(self, event: Answered) -> None:
        self.out.send(event.route, *((event.refused,) if event.refused else self.peers.roster()))

    def change(self, event: RosterChanged) -> None:
        """The roster has changed."""
        state = self.state
        news = event.book != state.book
        state.guests, state.cluster = dict(event.guests), event.cluster
        state.version, state.epoch = event.version, event.epoch
        state.extended, state.book = event.extended, event.book
        if news or event.asked:
            said = self.peers.roster()
            routes = [route for route, session in state.sessions.items() if session.key in event.members]
            for route in dict.fromkeys([*(routes if news else ()), *([event.asked] if event.asked else ())]):
                self.out.send(route, *said)
        self.peers.check_members(event.members)
        if event.book:
            self._end_jobs()

    def _end_jobs(self) -> None:
        """Nothing more is run for whoever is no member; what is done stays."""
        for job in list(self.state.active.values()):
            if job.opened.owner_key and job.opened.owner_key not in self.state.members:
                self.submissions.end(job, "cancelled")


def _line(session: Session, at: Instant) -> m.MemberLine:
    busy = min(len(session.leases), session.slots)
    return m.MemberLine(session.member, session.role, session.host, at.mono - session.began, session.slots, busy)
