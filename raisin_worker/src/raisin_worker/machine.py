"""The worker as a machine: what the broker says and what the task processes do come in, commands go out.

It says Hello when a connection stands, then the results that have no verdict yet, then what it holds. It runs what it
was leased in the order it came, one range per slot, and gives back what it is asked for, or all of it when it drains.

A member of a cluster (`membership`) takes functions and arguments only as they were opened (`Unsealed`), and runs no
lease that was not vetted in the same turn. That is decided at its making, and by nothing that the broker says.

Rules of this file: pure. The agent carries out commands in their order.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from raisin_core import digests
from raisin_core import messages as m
from raisin_core.messages import Message
from raisin_core.peer import BlobThere, Connected, Disconnected, Exit, Line, Received, Reconnect, Say, SendBlob, Tick
from raisin_worker import commands as c
from raisin_worker.delivery import Delivery
from raisin_worker.events import Died, Outcome, RangeEnded, Ready, Wrote
from raisin_worker.membership import Membership
from raisin_worker.scheduler import end, fill, start
from raisin_worker.state import Slot, State, WorkLease
from raisin_worker.vetting import vet

DRAIN_SECONDS: Final = 10.0
START_SECONDS: Final = 30.0
MOST_REFUSED: Final = 1024
"""Tasks of a refused lease that are answered with the reason; the others are given back."""


class Me(msgspec.Struct, frozen=True):
    """What a worker says of itself; `eager` starts its task processes before anybody needs them."""

    instance: bytes
    host: str
    pid: int
    environment: str
    slots: int
    replaces: list[bytes] = []
    eager: bool = True


class Worker:
    """The worker's machine; without a `membership` it takes whatever the broker gives it, as it is."""

    def __init__(self, me: Me, membership: Membership | None = None) -> None:
        self.me = me
        self.membership = membership
        self.state = State(me.slots, me.eager)
        self.out: list[c.Command] = []
        self.line = Line()
        self.delivery = Delivery(self.state, self._say)
        self.problem = ""
        self.draining_since: float | None = None
        self._seen = 0
        self._run = 0
        self._wall = math.inf
        self._ended = False

    def handle(self, event: c.Event, now: float, wall: float = math.inf) -> list[c.Command]:
        """Take one event at `now` (seconds, monotonic); the commands are to be carried out in their order. `wall`
        (seconds since the epoch) is what warrants are held against."""
        self._wall = wall
        match event:
            case Outcome():
                self._on_outcome(event)
            case RangeEnded():
                self._on_range_ended(event)
            case Ready():
                self._on_ready(self.state.slots[event.slot])
            case Died():
                self._on_died(event, now)
            case Wrote():
                self._on_wrote(event)
            case c.SlotTrimmed():
                self._on_slot_trimmed(event)
            case Received():
                self.line.hear(now)
                self._on_received(event.message, event.payload, now)
            case Connected():
                self.line.connect(now)
                self._hello(now)
            case Disconnected():
                self.line.drop()
            case c.BlobHere():
                self._on_blob_here(event)
            case BlobThere():
                self.delivery.blob_there(event.digest)
            case Tick():
                pass
            case c.Unsealed():
                self.line.hear(now)
                self.state.keep_opened(event.message, event.opened, event.problem)
            case c.Refusal():
                self.delivery.refused(event.message, event.payload)
            case c.Renewed():
                self._on_renewed(event.membership, now)
            case c.Removed():
                self._end_all()
            case c.Drain():
                self._on_drain(event, now)
        self._on_time(now)
        if not self._ended:
            commands = fill(self.state, now, None if self.membership is None else self._admits)
            self.out += commands
        self._end_if_drained(now)
        commands, self.out = self.out, []
        if any(isinstance(command, Say) for command in commands):
            self.line.spoke(now)
        return commands

    def next_deadline(self) -> float | None:
        """When a Tick is needed at the latest."""
        times = [slot.not_before for slot in self.state.slots if slot.state == "down" and slot.not_before < math.inf]
        if self.draining_since is not None:
            times.append(self.draining_since + DRAIN_SECONDS)
        line = self.line.deadline()
        return min([*times, line] if line is not None else times, default=None)

    def check(self) -> None:
        """Invariants. Raises AssertionError."""
        self.state.check()

    # -- the broker ----------------------------------------------------------------------------------------------

    def _hello(self, now: float) -> None:
        me, member = self.me, self.membership
        hello = m.Hello(me.instance, "worker", me.host, me.pid, me.environment, me.slots, b"", me.replaces)
        if member is not None:
            hello = msgspec.structs.replace(hello, roster=member.version, runs=member.accounts())
        self.out.append(self.line.greet(hello, b"", now))

    def _on_received(self, message: Message, payload: bytes, now: float) -> None:
        match message:
            case m.Lease():
                self._on_lease(message)
            case m.Judged():
                self.delivery.judged(message)
            case m.Argument() | m.Function() | m.Context():
                if self.membership is None:
                    self.state.keep(message, payload)
            case m.Trim():
                self._on_trim(message)
            case m.Drop():
                self._on_drop(message)
            case m.Over():
                for job in message.jobs:
                    self._on_over(job)
                for digest in message.functions:
                    self.state.functions.pop(digest, None)
            case m.Welcome():
                self._on_welcome(message)
            case m.ListLeases():
                self._list_leases()
            case m.WhoAreYou():
                if self.line.must_greet(now):
                    self._hello(now)
            case m.Refused():
                self._on_refused(message)
            case m.Farewell():
                self.line.end()
                if message.final and self.membership is None:
                    self._exit()
            case _:
                pass  # BeatBack: any traffic is a heartbeat

    def _on_welcome(self, message: m.Welcome) -> None:
        self.line.stand(message)
        self.problem = ""
        if self.membership is not None and message.roster < self.membership.version:
            self._say(m.Publish(), self.membership.book)
        if message.run != self._run:
            self._run, self._seen = message.run, 0
        self.state.forget_pages()
        self.delivery.repeat()
        self._list_leases()  # after the results, which may be all that was left of a lease
        if self.draining_since is not None:
            self._say(m.Draining())

    def _on_refused(self, message: m.Refused) -> None:
        if message.fatal and message.code != "replaced":
            self.problem = message.reason
            self.line.end()
            if message.code != "member":
                self._exit(message.reason)
            elif self.membership is not None:
                self._end_all()

    def _list_leases(self) -> None:
        self._say(m.Held(self.delivery.held(), self._seen))

    # -- leases --------------------------------------------------------------------------------------------------

    def _on_lease(self, message: m.Lease) -> None:
        if message.lease.run == self._run:
            self._seen = max(self._seen, message.lease.number)
        if message.lease in self.state.leases or message.start >= message.stop:
            return  # no broker in its right mind says so: what runs is not to be changed by it
        self.state.leases[message.lease] = WorkLease(
            message.lease,
            message.job,
            message.start,
            message.stop,
            message.function,
            message.context,
            message.task_timeout,
        )
        if self.draining_since is not None:
            self._give_back(self.state.leases[message.lease])

    def _admits(self, lease: WorkLease) -> bool:
        """Vet a lease; refuse it if it does not stand the test."""
        function, pages = self.state.functions[lease.function], self.state.pieces(lease)
        assert self.membership is not None
        verdict = vet(lease, function, pages, self.membership, self._wall)
        if not isinstance(verdict, str):
            lease.submitter, lease.fingerprint = verdict
            return True
        del self.state.leases[lease.id]
        stop = min(lease.stop, lease.start + MOST_REFUSED)
        if stop < lease.stop:
            self._say(m.Trimmed(lease.id, stop))
        self.out.append(c.Refuse(lease.id, lease.job, lease.start, stop, verdict))
        return False

    def _end_all(self) -> None:
        """This machine is no member any more: it runs nothing for anybody. Results that were made are kept."""
        self.line.end()
        self.state.leases.clear()
        self.state.pages.clear()
        self.state.functions.clear()
        self.out += [end(self.state, slot) for slot in self.state.slots if slot.state != "down"]

    def _on_renewed(self, membership: Membership, now: float) -> None:
        before, self.membership = self.membership, membership
        assert before is not None, "a worker that is no member does not become one"
        for slot in self.state.slots:
            if slot.context and not membership.takes(slot.context):
                if (lease := self._running(slot.number)) is not None:
                    del self.state.leases[lease.id]
                    self._say(m.Trimmed(lease.id, lease.start))
                self.out.append(end(self.state, slot))
        if membership.accounts() != before.accounts() and self.line.welcome is not None:
            self._hello(now)

    def _on_trim(self, message: m.Trim) -> None:
        lease = self.state.leases.get(message.lease)
        if lease is None:
            waiting = (held.stop for held in self.delivery.held() if held.lease == message.lease)
            self._say(m.Trimmed(message.lease, next(waiting, 0)))
        elif lease.slot is None:
            lease.stop = max(lease.start, min(lease.stop, message.stop))
            self._say(m.Trimmed(lease.id, lease.stop))
            if lease.start >= lease.stop:
                del self.state.leases[lease.id]
        else:
            self.out.append(c.TrimSlot(lease.slot, lease.id, message.stop))

    def _on_slot_trimmed(self, event: c.SlotTrimmed) -> None:
        lease = self.state.leases.get(event.lease)
        if lease is not None:
            lease.stop = min(lease.stop, event.stop)
            self._say(m.Trimmed(lease.id, lease.stop))

    def _give_back(self, lease: WorkLease) -> None:
        """Draining: what has not begun goes back at once, what runs ends soon."""
        if lease.slot is None:
            del self.state.leases[lease.id]
            self._say(m.Trimmed(lease.id, lease.start))
        else:
            self.out.append(c.TrimSlot(lease.slot, lease.id, 0))

    def _on_drop(self, message: m.Drop) -> None:
        """Pages whose tasks are all done; whoever still waits to run some of them need not."""
        for number in message.pages:
            self.state.pages.get(message.job, {}).pop(number, None)
        for lease in self.state.queue():
            if lease.job == message.job and not self.state.has_pages(lease):
                self._give_back(lease)

    def _on_over(self, job: bytes) -> None:
        self.state.pages.pop(job, None)
        self.delivery.over(job)
        for lease in [lease for lease in self.state.leases.values() if lease.job == job]:
            if lease.slot is None:
                del self.state.leases[lease.id]
            elif lease.start < lease.stop:  # the job is over before its tasks: end them
                del self.state.leases[lease.id]
                self.out.append(start(self.state, self.state.slots[lease.slot]))

    # -- slots ---------------------------------------------------------------------------------------------------

    def _on_ready(self, slot: Slot) -> None:
        if slot.state == "starting":
            slot.state, slot.failures = "idle", 0

    def _on_outcome(self, event: Outcome) -> None:
        lease = self._running(event.slot)
        if lease is None:
            return
        message = m.Results(
            *(lease.id, lease.job, event.start, event.stop, event.seconds),
            *(event.failed, event.unfit, event.blobs, event.opaque),
        )
        self.state.here.update(event.blobs)
        lease.start = max(lease.start, event.stop)
        for digest in event.blobs:
            self.out.append(SendBlob(digest))
        self.delivery.add(message, event.payload)

    def _on_range_ended(self, event: RangeEnded) -> None:
        lease = self._running(event.slot)
        slot = self.state.slots[event.slot]
        slot.state, slot.lease = "idle", None
        if lease is not None:
            del self.state.leases[lease.id]
            if lease.start < lease.stop:  # it ended early, and nobody asked for that
                self._say(m.Trimmed(lease.id, lease.start))

    def _on_died(self, event: Died, now: float) -> None:
        slot = self.state.slots[event.slot]
        lease = self._running(event.slot)
        if lease is not None:
            del self.state.leases[lease.id]
            self.delivery.blame(lease, event)
        elif slot.state == "starting":
            slot.failures += 1
            self.delivery.blame_start(slot, event)
        slot.state, slot.lease = "down", None
        slot.not_before = now + min(START_SECONDS, 0.1 * 2**slot.failures) if slot.failures else now

    def _on_wrote(self, event: Wrote) -> None:
        lease = self._running(event.slot)
        if lease is not None and self.line.welcome is not None:
            self._say(m.Wrote(lease.job, event.index), event.text)

    def _running(self, slot: int) -> WorkLease | None:
        lease = self.state.slots[slot].lease
        return None if lease is None else self.state.leases.get(lease)

    # -- blobs ---------------------------------------------------------------------------------------------------

    def _on_blob_here(self, event: c.BlobHere) -> None:
        name = event.name or event.digest
        self.state.wanted.discard((name, event.digest))
        if event.found:
            self.state.here.add(name)
            return
        for lease in self.state.queue():  # the broker does not have it: nobody can run this
            if self.state.blobs(lease).get(name) == event.digest:
                del self.state.leases[lease.id]
                self.delivery.crashed(
                    m.Crashed(lease.id, lease.job, lease.start, "crash", "a blob of it is missing", 0)
                )

    # -- time ----------------------------------------------------------------------------------------------------

    def _on_time(self, now: float) -> None:
        asked = self.line.look(now)
        if asked == "silent":
            self.out.append(Reconnect())
        elif asked == "beat" and not self._ended:
            self._say(m.Beat(self._seen, digests.held(held.lease for held in self.delivery.held())))

    def _on_drain(self, event: c.Drain, now: float) -> None:
        if event.at_once:
            self._say(m.Goodbye())
            self._exit()
            return
        if self.draining_since is None:
            self.draining_since = now
            self._say(m.Draining())
            for lease in list(self.state.leases.values()):
                self._give_back(lease)

    def _end_if_drained(self, now: float) -> None:
        if self.draining_since is None or self._ended:
            return
        over = now >= self.draining_since + DRAIN_SECONDS
        if over or not (self.state.leases or self.state.unjudged):
            self._say(m.Goodbye())
            self._exit()

    def _exit(self, reason: str = "") -> None:
        if not self._ended:
            self._ended = True
            self.out.append(Exit(reason))

    def _say(self, message: Message, payload: bytes = b"") -> None:
        if self.line.welcome is not None:
            self.out.append(Say(message, payload))
