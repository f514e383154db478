"""One seed from its beginning to its end: harm for a while, then healing, then everything must have come out right."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from unittest import mock

from raisin_broker import submissions
from raisin_broker.records import ResultAdded
from raisin_broker.state import Member
from raisin_broker.store.base import Store
from raisin_broker.store.memory import MemoryStore
from raisin_broker.store.sql import SqlStore
from raisin_core import messages as m
from tests.simulation import bounds
from tests.simulation.broker import BrokerHost
from tests.simulation.client import ClientHost
from tests.simulation.faults import POWER_CUTS, Faults
from tests.simulation.ledger import Wrong
from tests.simulation.plan import SHARE, JobPlan
from tests.simulation.power import PowerStore
from tests.simulation.story import told
from tests.simulation.submission import Observer, Submission
from tests.simulation.worker import WorkerHost
from tests.simulation.world import EPOCH, World

HARM: Final = 240.0
HEALING: Final = 1500.0
REST: Final = 200.0
WATCHED: Final = 40.0


class Simulation:
    """The world of one seed."""

    def __init__(self, seed: int, path: Path | None) -> None:
        self.seed = seed
        self.world = world = World(seed)
        pick = world.random
        names = [f"worker{number}" for number in range(pick.choice((1, 1, 2, 3, 4)))]
        mischief = [kind for kind in SHARE if world.chance(0.4)]
        deadline = EPOCH + world.some(20.0, 300.0) if world.chance(0.15) else 0.0
        self.plans = [JobPlan(world, names, mischief, deadline) for _ in range(pick.randint(3, 14))]
        self.tasks = sum(plan.total for plan in self.plans)
        self._by_id = jobs = {plan.id: plan for plan in self.plans}
        clients = [f"client{number}" for number in range(pick.randint(1, 2))]
        roles = frozenset(("worker", "client"))
        apart = len(clients) > 1 and world.chance(0.4)
        members = {name: Member(name, roles, name if apart else "everybody") for name in (*names, *clients)}
        store, revive = _store(path)
        self.broker = BrokerHost(world, store, revive, members, self._judge)
        self.workers = [WorkerHost(world, name, pick.randint(1, 3), lambda: self.broker, jobs) for name in names]
        self.submissions = [Submission(world, plan) for plan in self.plans]
        shares = [self.submissions[number :: len(clients)] for number in range(len(clients))]
        for share, name in zip(shares, clients, strict=True):
            for job in share:
                job.plan.account = members[name].account
        for job in self.submissions if len(clients) > 1 and not apart else ():
            other = next(share for share in shares if job not in share)
            if world.chance(0.6):
                job.plan.observed = True
                other.append(Observer(world, job.plan))
        self.submissions = [job for share in shares for job in share]
        self.clients = [
            ClientHost(world, name, lambda: self.broker, share, self._add)
            for name, share in zip(clients, shares, strict=True)
        ]
        self.faults = Faults(world, self.broker, self.workers, self.clients)

    def _add(self, plan: JobPlan) -> None:
        """Another job, of a program that was started again."""
        self.plans.append(plan)
        self._by_id[plan.id] = plan
        self.tasks += plan.total

    def run(self) -> None:
        """Raises AssertionError where something is wrong."""
        world = self.world
        self._check_bounds()
        world.pass_by(HARM)
        calm, said = self.faults.end(), len(world.trace)
        if not world.run(self._over, calm + HEALING):
            late = next(job for client in self.clients for job in client.jobs if not self._is_over(client, job))
            raise Wrong(f"never over: {late.progress}", late.plan.id)
        for client in self.clients:
            for job in client.jobs if not client.gone else ():
                job.check()
        world.pass_by(max(0.0, calm - world.now) + REST)
        bounds.check_talk(world.trace[said:], self.tasks, len(self.workers) + len(self.clients))
        self._check_rest()
        self._check_quiet()
        for client in self.clients:
            client.forget()
        world.pass_by(20.0)
        kept = {plan.id for plan in self.plans if plan.resume}
        kept |= {job.plan.id for client in self.clients if client.gone and client.removed for job in client.jobs}
        for jobs in (self.broker.machine.state.jobs, self.broker.ledger.jobs):
            if left := jobs.keys() - kept:
                raise Wrong("a job was not forgotten", left.pop())

    def _over(self) -> bool:
        return all(self._is_over(client, job) for client in self.clients for job in client.jobs)

    def _is_over(self, client: ClientHost, job: Submission) -> bool:
        """A program is told; where nobody waits any more, the broker must have done all that it was given."""
        facts = self.broker.ledger.jobs.get(job.plan.id)
        if client.gone or (job.abandoned and not job.plan.cancelled):
            return facts is None or facts.finished or self._is_held(job)
        if job.plan.never_closed and facts is not None and facts.total is None and facts.finished:
            return job.over or job.has_all(facts.tasks)
        return job.over

    def _is_held(self, job: Submission) -> bool:
        """Whether it waits for somebody who takes pickles."""
        known = self.broker.machine.state.jobs.get(job.plan.id)
        return self.broker.alive and known is not None and bool(known.held_by)

    def _check_bounds(self) -> None:
        """Now, and once a second."""
        if self.broker.alive:
            bounds.check_broker(self.broker.machine, self.tasks)
            bounds.check_memory(self.broker.machine, self.broker.ledger)
        for worker in self.workers:
            bounds.check_worker(worker.machine, self.tasks)
        for client in self.clients:
            bounds.check_client(client.machine)
        self.world.after(1.0 if self.world.harmful else 20.0, self._check_bounds)

    def _check_rest(self) -> None:
        """Nothing is left over anywhere."""
        state = self.broker.machine.state
        assert self.broker.machine.out.idle, "the outbox is not empty"
        assert not any(session.leases for session in state.sessions.values()), "leases at rest"
        assert not any(session.suspect for session in state.sessions.values()), "somebody is suspect at rest"
        # Opened by the last words of the dead, or not cancelled because those were lost.
        unknown = {
            each.plan.id
            for each in self.submissions
            if each.unknown or each.abandoned or each.left_open or each.plan.never_closed or each.plan.lost
        }
        unknown |= {plan.id for plan in self.plans if plan.resume}
        unknown |= {job.plan.id for client in self.clients if client.gone for job in client.jobs}
        left = (each for each in self.submissions if each.dropped and not self._is_held(each))
        dropped = {each.plan.id for each in left if not each.plan.lost and not each.plan.resume}
        assert not state.jobs.keys() & dropped, "a job was not forgotten"
        assert state.active.keys() <= unknown, "a job is active"
        assert not state.awaited, "a worker is awaited"
        workers = [worker for worker in self.workers if not worker.gone]
        here = len(workers) + sum(not client.gone for client in self.clients)
        assert len(state.sessions) == here, f"sessions: {list(state.sessions)}"
        for worker in workers:
            left = worker.machine.state
            assert not left.leases, f"{worker.name} holds {left.leases}"
            assert not left.unjudged, f"{worker.name} waits for verdicts on {left.unjudged}"
            kept = {job for job, pages in left.pages.items() if pages}
            assert kept <= unknown, f"{worker.name} keeps pages"
            assert not left.wanted, f"{worker.name} waits for blobs"
            assert all(slot.state == "idle" for slot in left.slots), f"{worker.name} has {left.slots}"

    def _check_quiet(self) -> None:
        """Nothing is said but that one is alive, and no more often than needed."""
        before = len(self.world.trace)
        self.world.pass_by(WATCHED)
        said = self.world.trace[before:]
        loud = [str(line) for line in said if not isinstance(line.what, bounds.QUIET)]
        assert not loud, f"said at rest: {loud[:5]}"
        peers = len(self.workers) + len(self.clients)
        assert len(said) <= 2 * peers * (WATCHED / 5.0 + 1), f"{len(said)} messages at rest"

    def _judge(self, record: ResultAdded, ruling: m.Ruling) -> None:
        """The broker gives a task up because no host can run it: is there really none?"""
        if ruling.kind != "unfit":
            return
        plan = next(plan for plan in self.plans if plan.id == record.job)
        for host in plan.hosts:
            may = self.broker.runs(host, plan.account) and not self.broker.silent(host)
            if may and host not in plan.tasks[record.start].unfit:
                raise Wrong(f"{host} could have run task {record.start}", record.job, record.start)


def _store(path: Path | None) -> tuple[Store, Callable[[Store], Store]]:
    """A store, and what a broker finds after a crash; in a file if there is a path."""
    if path is None:

        def found(store: Store) -> Store:
            assert isinstance(store, MemoryStore)
            return store.crash()

        return PowerStore() if POWER_CUTS else MemoryStore(), found

    def opened(store: Store) -> Store:
        store.close()
        return SqlStore(path)

    return SqlStore(path), opened


@contextmanager
def small_credit(seed: int) -> Iterator[None]:
    """Some seeds let clients send only a few pages ahead."""
    with mock.patch.object(submissions, "CREDIT", 2) if seed % 3 == 0 else mock.patch.object(os, "sep", os.sep):
        yield


class Course(NamedTuple):
    """What came of a seed: a digest that names its trace, and the rare states it went through."""

    digest: str
    rare: Counter[str]


def simulate(seed: int, path: Path | None = None) -> Course:
    """Run a seed. Raises AssertionError: what is wrong, the story of the task concerned, how to repeat it."""
    simulation = Simulation(seed, path)
    try:
        with small_credit(seed):
            simulation.run()
    except AssertionError as error:
        raise AssertionError(explained(simulation, error)) from error
    finally:
        simulation.broker.ledger.store.close()
    return Course(simulation.world.digest, simulation.world.seen.counts)


def explained(simulation: Simulation, error: AssertionError) -> str:
    """What went wrong, what happened before, and how to see it again."""
    job, task = getattr(error, "job", None), getattr(error, "task", None)
    who = f"job {job.hex()[:6]}" + (f", task {task}" if task is not None else "") if job else "everything"
    return (
        f"{error}\n\nThe story of {who}:\n{told(simulation.world.trace, job, task)}\n\n"
        f"faults: {', '.join(simulation.faults.drawn)}\nwrong: {error}\nagain: make simulate SEED={simulation.seed}"
    )
