"""Who is here: sessions begin, go silent, and end.

A lease lives as long as its worker's session. Any traffic is a heartbeat; silence makes a session suspect, and its
work may be
given to others; long silence ends it.

Rules of this file: pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

import msgspec

from raisin_broker import records
from raisin_broker.execution import Execution
from raisin_broker.outbox import Outbox
from raisin_broker.readers import Readers
from raisin_broker.state import Instant, Member, Session, State
from raisin_broker.submissions import OVER_SECONDS
from raisin_core import digests
from raisin_core import messages as m

GAP_SECONDS: Final = 2.0
LOOK_SECONDS: Final = 1.0
GRACE: Final = 10
MOST_GARBLED: Final = 20
MOST_ENDURED: Final = 2000
MOST_NOTED: Final = 1024
MOST_SESSIONS: Final = 2000
MOST_SLOTS: Final = 4096
MOST_REPLACED: Final = 10_000


class Timing(msgspec.Struct, frozen=True):
    """How often peers speak, and when silence means something, in seconds."""

    beat: float = 5.0
    silence: float = 15.0


class Peers:
    """Handlers of sessions."""

    def __init__(self, state: State, out: Outbox, execution: Execution, readers: Readers, timing: Timing) -> None:
        self.state = state
        self.out = out
        self.execution = execution
        self.readers = readers
        self.timing = timing
        self.limbo_until: float | None = None
        self._last = self._over_at = self._slept = 0.0
        self._garbled: dict[bytes, int] = {}
        self._of_member: Counter[str] = Counter()

    def on_hello(self, route: bytes, key: str, message: m.Hello, payload: bytes, at: Instant) -> None:
        member = self.state.members.get(key)
        if member is None or message.role not in member.roles:
            reason = f"{member.name} has no role {message.role}" if member else "this key is in no roster"
            self.out.send(route, m.Refused("role" if member else "member", reason, fatal=True))
            return
        if problem := _impossible(message, payload):
            self.out.send(route, m.Refused("malformed", problem, fatal=True))
            return
        old = self.state.instances.get(message.instance)
        if old is not None and old.key != key:
            self.out.send(route, m.Refused("not yours", "this instance belongs to another member", fatal=True))
            return
        if old is None and self._of_member[key] >= MOST_SESSIONS:
            reason = f"{member.name} has {MOST_SESSIONS} sessions already"
            self.out.send(route, m.Refused("busy", reason, fatal=True))
            return
        before = self.state.sessions.get(route)
        if before is not None and before.instance != message.instance:
            self.end(before, gone=True)
        self._garbled.pop(route, None)
        session = self._begin(route, key, member, message, old, at)
        self._replace(session, message.replaces)
        if message.role == "worker":
            self.execution.reconsider()
        if message.context:
            self.state.contexts[message.context] = payload
        cluster, version = self.state.cluster, self.state.version
        self.out.send(route, m.Welcome(self.state.run, self.timing.beat, self.timing.silence, cluster, version))
        if message.roster < version or (message.roster == version and self.state.extended):
            self.out.send(route, *self.roster())

    def roster(self) -> tuple[m.Roster, bytes]:
        """The newest roster, as it is told."""
        return m.Roster(self.state.version, self.state.epochs()), self.state.book

    def on_beat(self, session: Session, message: m.Beat) -> None:
        if session.role == "worker":
            mine = [lease for lease in session.leases if self.state.arrived(session, lease, message.seen)]
            if digests.held(mine) != message.held:
                self.out.send(session.route, m.ListLeases())
        self.out.send(session.route, m.BeatBack())

    def on_garbled(self, route: bytes, reason: str) -> None:
        """What is no message is counted and answered; whoever persists is dropped. Leases are not to blame: they may
        come back with the next session."""
        count = self._garbled[route] = self._garbled.pop(route, 0) + 1  # the latest is last
        if len(self._garbled) > MOST_NOTED:
            del self._garbled[next(iter(self._garbled))]
        if count <= MOST_GARBLED:
            self.out.send(route, m.Refused("malformed", reason))
        elif count == MOST_GARBLED + 1:
            reason = f"{count} messages could not be read, the last one: {reason}"
            self.out.send(route, m.Refused("malformed", reason, fatal=True))
            if (session := self.state.sessions.get(route)) is not None:
                self.end(session, gone=False)

    def dropped(self, route: bytes) -> bool:
        """Whether nobody listens to this route before it says Hello again."""
        return self._garbled.get(route, 0) > MOST_GARBLED

    def persists(self, route: bytes) -> bool:
        """Whether it goes on with what is no message although it was told that nobody listens."""
        return self._garbled.get(route, 0) > MOST_ENDURED

    def heard(self, session: Session, at: Instant) -> None:
        session.heard = at.mono
        if session.suspect:
            session.suspect = False
            self._attend(session.instance)

    def on_draining(self, session: Session) -> None:
        session.draining = True
        self.execution.reconsider()

    def end(self, session: Session, gone: bool) -> None:
        """A session is over; `gone` if its instance will not come back. What it held is ready again."""
        self._close(session)
        for lease in list(session.leases.values()):
            lease.route = session.route
            self.execution.release(lease)
        if self.state.instances.get(session.instance) is session:
            del self.state.instances[session.instance]
            if session.role == "worker" and gone:
                self.forget_worker(session.instance)
            elif session.role == "worker":
                self.state.awaited[session.instance] = self._last + self.timing.silence
            elif not gone:
                self.state.lost[session.instance] = self._last + 2 * self.timing.silence
        self.readers.leave(session.route)
        self._leave(session.instance, float("-inf") if gone else self._last)
        if session.context and not any(s.context == session.context for s in self.state.sessions.values()):
            self.state.contexts.pop(session.context, None)
        if session.role == "worker":
            self.execution.reconsider()

    def lose(self, session: Session, at: Instant) -> None:
        """It cannot be reached: its session is over. After a sleep of our own that is no wonder: for its silence the
        worker threw the connection away. On its next one it says what it holds, so that waits for a while."""
        if at.mono - self._last > GAP_SECONDS or at.mono < self._slept:
            self.limbo_until = max(self.limbo_until or 0.0, at.mono + self.timing.silence)
            for lease in list(session.leases.values()):
                self.execution.set_aside(lease)
        self.end(session, gone=False)

    def forget_worker(self, instance: bytes) -> None:
        """This worker will not come back with leases of before."""
        self.state.awaited.pop(instance, None)
        if instance not in self.state.instances:  # else it is here, and has not yet listed what it holds
            self.out.record(records.WorkerGone(instance))

    def check_members(self, members: Mapping[str, Member]) -> None:
        """The roster has changed: whoever is no longer in it is out."""
        self.state.members = dict(members)
        for session in list(self.state.sessions.values()):
            member = self.state.members.get(session.key)
            if member is None or session.role not in member.roles:
                self.out.forget(session.route)
                self.out.send(session.route, m.Refused("member", "removed from the roster", fatal=True))
                self.end(session, gone=True)
            else:
                session.member, session.account = member.name, member.account or member.name
                session.admin = "admin" in member.roles

    def check_silence(self, at: Instant) -> None:
        """Look for silent sessions; a gap in our own life (sleep, SIGSTOP) is nobody's silence."""
        if at.mono - self._last > GAP_SECONDS and self._last:
            self._slept = at.mono + self.timing.silence
            for session in self.state.sessions.values():
                session.heard = at.mono
            for instance in self.state.awaited:
                self.state.awaited[instance] = at.mono + self.timing.silence
            if self.limbo_until is not None:
                self.limbo_until = max(self.limbo_until, at.mono + self.timing.silence)
        self._last = at.mono
        for session in list(self.state.sessions.values()):
            silence = at.mono - session.heard
            if silence >= self.timing.silence * GRACE:
                self.end(session, gone=True)
            elif silence >= self.timing.silence and not session.suspect:
                self._suspect(session)
        if at.mono >= self._over_at:
            self._over_at = at.mono + OVER_SECONDS
            for session in self.state.sessions.values():
                self.execution.submissions.say_over(session)
        self._check_awaited(at)

    def _check_awaited(self, at: Instant) -> None:
        """Workers that were lost do not come back any more; nor do, after a restart, those that had some tasks."""
        given_up = [instance for instance, until in self.state.awaited.items() if at.mono >= until]
        for instance in given_up:
            self.forget_worker(instance)
        if self.limbo_until is not None and (at.mono >= self.limbo_until or not self.state.awaited):
            self.limbo_until = None
            self.execution.end_limbo()
            self.execution.reconsider()
        elif given_up:
            self.execution.reconsider()

    def deadline(self) -> float | None:
        """When the next silence is to be judged."""
        times = [s.heard + self.timing.silence * (GRACE if s.suspect else 1) for s in self.state.sessions.values()]
        if times:
            times.append(self._last + LOOK_SECONDS)
        times += self.state.awaited.values()
        if self.limbo_until is not None:
            times.append(self.limbo_until)
        return min(times, default=None)

    def _suspect(self, session: Session) -> None:
        session.suspect = True
        for lease in list(session.leases.values()):
            self.execution.release(lease)
        if session.role == "worker":
            self.execution.reconsider()
        else:
            self._leave(session.instance, session.heard)

    def _attend(self, instance: bytes) -> None:
        """A client is here (again) and sees to its jobs."""
        for job in self.state.active.values():
            if job.opened.instance == instance:
                job.left_at, job.told_abandoned, job.context = None, False, job.opened.context

    def _leave(self, instance: bytes, at: float) -> None:
        """A client has been away since then."""
        for job in self.state.active.values():
            if job.opened.instance == instance:
                job.left_at = at if job.left_at is None else min(at, job.left_at)

    def _begin(
        self, route: bytes, key: str, member: Member, message: m.Hello, old: Session | None, at: Instant
    ) -> Session:
        session = Session(
            route=route,
            key=key,
            member=member.name,
            account=member.account or member.name,
            admin="admin" in member.roles,
            instance=message.instance,
            role=message.role,
            host=message.host,
            environment=message.environment,
            slots=message.slots,
            context=message.context,
            heard=at.mono,
            listed=message.role == "client",
            runs=frozenset(message.runs),
            began=at.mono,
            since=old.since if old is not None and old.route == route else self.state.leases_given,
        )
        self._attend(message.instance)
        if old is not None:
            self._take_over(session, old)
        elif message.role == "worker":
            self.out.record(records.WorkerSeen(message.instance))
        self.state.lost.pop(message.instance, None)
        self._of_member[key] += 1
        self.state.sessions[route] = self.state.instances[message.instance] = session
        return session

    def _take_over(self, session: Session, old: Session) -> None:
        """An instance's newest session wins; its leases stay until it lists what it holds."""
        self._close(old)
        session.leases, session.pace, session.over = old.leases, old.pace, old.over
        session.pages = {job: set() for job in old.pages}  # what it still has of them is not known
        for lease in session.leases.values():
            lease.route, lease.trimming = session.route, False
        if old.route != session.route:
            self.out.send(old.route, m.Refused("replaced", "a newer connection of this instance took over", fatal=True))
            self.readers.leave(old.route)

    def _replace(self, session: Session, instances: list[bytes]) -> None:
        """The newcomer holds the lock of these instances, so they are dead."""
        for instance in instances:
            old = self.state.instances.get(instance)
            if old is None and session.role == "worker" and instance in self.state.awaited:
                self.forget_worker(instance)
            elif old is not None and old.key == session.key and old is not session:
                self.end(old, gone=True)
        dead = set(instances)
        for job in self.state.active.values() if dead else ():
            if job.opened.instance in dead and session.may(job):
                job.left_at = float("-inf")

    def _close(self, session: Session) -> None:
        """There is no such session any more."""
        if self.state.sessions.pop(session.route, None) is not None:
            self._of_member[session.key] -= 1
            if not self._of_member[session.key]:
                del self._of_member[session.key]


def _impossible(message: m.Hello, payload: bytes) -> str:
    """What is wrong with a greeting, if anything."""
    if message.role == "worker" and not 1 <= message.slots <= MOST_SLOTS:
        return f"a worker has 1 to {MOST_SLOTS} slots"
    if len(message.replaces) > MOST_REPLACED:
        return f"it replaces {len(message.replaces)} others, more than {MOST_REPLACED}"
    if message.context and message.context != digests.content(payload):
        return "the context is not what its digest says"
    return ""
