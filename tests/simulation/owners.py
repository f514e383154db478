"""Who may do what: whose code a worker runs, whose results a job takes, who is a member.

What the broker leases is compared with what it was told, by rules that are much simpler than its own.
Rules of this file: it looks at one broker process from outside, before and after each event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from raisin_broker.belonging import RosterChanged
from raisin_broker.machine import Arrived, Broker, Event
from raisin_broker.outbox import Command, Send
from raisin_core import messages as m
from tests.simulation.ledger import Wrong


class Owners:
    """Watches what one broker process gives to whom."""

    def __init__(self, saw: Callable[[str], None], machine: Broker) -> None:
        self._saw, self._state = saw, machine.state
        self._runs: dict[bytes, frozenset[str]] = {}  # what the worker at this route said last
        self._tasted: set[tuple[bytes, str]] = set()
        self.held: set[bytes] = set()
        self._missing: set[int] = set()

    def before(self, event: Event) -> None:
        """The machine is about to take this."""
        if isinstance(event, RosterChanged):
            self._before_roster(event)
        elif isinstance(event, Arrived):
            self._before_message(event.route, event.key, event.message)

    def after(self, event: Event, commands: Iterable[Command]) -> None:
        """The machine has taken it, and says this."""
        if isinstance(event, Arrived) and isinstance(event.message, m.Results):
            self._after_results(event.route, event.message)
        for command in commands:
            if isinstance(command, Send) and isinstance(command.message, m.Lease):
                self._on_lease(command.route, command.message)

    def check(self) -> None:
        """Whoever is no member has nothing here. Raises Wrong."""
        members = self._state.members
        for session in self._state.sessions.values():
            if session.key not in members:
                raise Wrong(f"{session.key} is no member, and has a session")
        for job in self._state.active.values():
            if job.opened.owner_key not in members:
                raise Wrong(f"it goes on although {job.opened.owner_key} is no member", job.id)

    def _before_roster(self, event: RosterChanged) -> None:
        for session in self._state.sessions.values():
            if session.key not in event.members and session.leases:
                self._saw("a worker is removed with leases")
        for job in self._state.active.values():
            if job.opened.owner_key not in event.members:
                self._saw(f"a job of a removed client ends {'at a restart' if not self._state.members else 'at once'}")

    def _before_message(self, route: bytes, key: str, message: m.Message) -> None:
        if key not in self._state.members:
            self._saw("a removed member speaks")
            return
        job = self._state.jobs.get(getattr(message, "job", b""))
        session = self._state.sessions.get(route)
        match message:
            case m.Hello(role="worker"):
                self._runs[route] = frozenset(message.runs)
                old = self._state.instances.get(message.instance)
                theirs = {self._state.jobs[lease.job].opened.account for lease in old.leases.values()} if old else set()
                if message.runs and theirs - set(message.runs):
                    self._saw("a worker is closed to a job that it runs")
            case m.Results():
                missing = job.done.missing(message.start, message.stop) if job is not None else ()
                self._missing = {index for start, stop in missing for index in range(start, stop)}
                self._missing.difference_update(index for index, _ in message.unfit)  # the broker's own results
            case m.Release() if job is not None and session is not None:
                self._saw("a held job is released" if job.id in self.held else "a job is released that is not held")
                self.held.discard(job.id)

    def _after_results(self, route: bytes, message: m.Results) -> None:
        job, session = self._state.jobs.get(message.job), self._state.sessions.get(route)
        if job is None or session is None or not any(index in job.done for index in self._missing):
            return
        self._tasted.add((job.id, session.member))
        pickles = job.opened.options.pickles
        if message.opaque and pickles is not None and session.member not in pickles:
            if job.leases:
                self._saw("a job is held while others run some of it")
            self.held.add(job.id)

    def _on_lease(self, route: bytes, message: m.Lease) -> None:
        job, session = self._state.jobs[message.job], self._state.sessions[route]
        runs, pickles = self._runs[route], job.opened.options.pickles
        if runs and job.opened.account not in runs:
            raise Wrong(f"{session.member} runs {sorted(runs)} only, not {job.opened.account}", job.id, message.start)
        if job.id in self.held:
            raise Wrong("it is held, and leased", job.id, message.start)
        if pickles is None or session.member in pickles or (job.id, session.member) in self._tasted:
            return
        leases = [each for each in job.leases.values() if self._state.sessions[each.route].member == session.member]
        if len(leases) > 1 or message.stop - message.start > 1:
            raise Wrong(f"{session.member} has no result yet, and more than a task", job.id, message.start)
