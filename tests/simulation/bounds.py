"""What may be kept and said at most: memory at any time, and messages once everything works again.

Rules of this file: it only looks; each bound says what it depends on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from raisin_broker.machine import Broker
from raisin_broker.submissions import FUNCTIONS, OVER
from raisin_core import messages as m
from raisin_core.client.machine import LAST_WORDS, Client
from raisin_worker.machine import Worker
from tests.simulation.ledger import Ledger, Wrong
from tests.simulation.story import Line
from tests.simulation.submission import PAGES_AHEAD

LEASES: Final = 8
"""Leases per slot: two, as often as a worker may have lost its session before it has listed what it holds."""
QUIET: Final = (m.Beat, m.BeatBack)
"""What may be said when nothing is to be done."""


def check_broker(machine: Broker, tasks: int) -> None:
    """No more than the work there is asks for; nothing of sessions that are over."""
    state, out = machine.state, machine.out
    assert len(out._waiting) <= 4 * tasks + 100, f"{len(out._waiting)} messages wait for {tasks} tasks"
    assert len(out._staged) <= tasks + 100, f"{len(out._staged)} batches wait for {tasks} tasks"
    assert not machine.submissions._acknowledged, "acknowledgements are left over from a turn"
    for session in state.sessions.values():
        assert len(session.leases) <= LEASES * session.slots, f"{len(session.leases)} leases on {session.slots} slots"
        assert len(session.over) <= OVER, f"{len(session.over)} ended jobs are not told"
        assert len(session.functions) <= FUNCTIONS + 1, f"{len(session.functions)} functions"
        assert session.pages.keys() <= state.jobs.keys(), "a session is said to have pages of no job"
    for job in state.jobs.values():
        assert job.watchers.keys() <= state.sessions.keys(), "a session that is over watches a job"
        assert all(route in state.sessions for route, _ in job.followers), "a session that is over reads a job"
        assert not job.ended or not (job.picky or job.limbo or job.ready), "an ended job has tasks that wait"


def check_memory(machine: Broker, ledger: Ledger) -> None:
    """Where nothing waits to be written, the broker knows what the disk knows."""
    if not machine.out.idle:
        return
    assert machine.state.jobs.keys() == ledger.jobs.keys(), "jobs in memory are not those on the disk"
    for job in machine.state.jobs.values():
        facts = ledger.jobs[job.id]
        known = (
            len(job.pages),
            job.tasks,
            job.total,
            job.state,
            job.unwanted,
            job.leased_up_to,
            set(job.tried),
            job.opened.options.pickles,
        )
        kept = (
            facts.pages,
            facts.tasks,
            facts.total,
            facts.state,
            facts.unwanted,
            facts.leased,
            facts.tried,
            facts.pickles,
        )
        if known != kept or job.done != facts.done:
            raise Wrong(f"in memory it is {known}, on the disk {kept}", job.id)


def check_turn(machine: Broker, wall: float) -> None:
    """At the end of a turn nothing is late and runs on, and nothing that is leased waits for another lease."""
    for job in machine.state.active.values():
        deadline = job.opened.options.deadline
        if deadline and wall >= deadline:
            raise Wrong("it is late and runs on", job.id)
        for lease in job.leases.values():
            twice = job.ready.overlap(lease.start, lease.stop) or job.limbo.overlap(lease.start, lease.stop)
            if twice or any(lease.start <= index < lease.stop for index in job.picky):
                raise Wrong(f"{lease.start}..{lease.stop} is leased, and waits", job.id, lease.start)


def check_worker(machine: Worker, tasks: int) -> None:
    state = machine.state
    assert len(state.leases) <= LEASES * len(state.slots), f"{len(state.leases)} leases on {len(state.slots)} slots"
    assert len(state.unjudged) <= tasks, f"{len(state.unjudged)} results without a verdict"
    assert len(state.functions) <= FUNCTIONS + LEASES, f"{len(state.functions)} functions"


def check_client(machine: Client) -> None:
    assert len(machine._forgotten) <= LAST_WORDS, f"{len(machine._forgotten)} jobs are not forgotten"
    for job in machine.jobs.values():
        assert len(job.pages) <= PAGES_AHEAD, f"{len(job.pages)} pages are kept"


def check_talk(said: Sequence[Line], tasks: int, peers: int) -> None:
    """Since everything works again: so many messages per task, and some more per peer."""
    count = sum(not isinstance(line.what, (str, *QUIET)) for line in said)
    assert count <= 12 * tasks + 40 * peers + 200, f"{count} messages for {tasks} tasks and {peers} peers"
