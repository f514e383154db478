"""One seed from its beginning to its end: harm for a while, then healing, then everything must have come out right."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from unittest import mock

from raisin_broker import submissions
from raisin_broker.records import ResultAdded
from raisin_broker.state import Member
from raisin_broker.store.base import Store
from raisin_broker.store.memory import MemoryStore
from raisin_broker.store.sql import SqlStore
from raisin_core import messages as m
from tests.simulation.broker import BrokerHost
from tests.simulation.client import ClientHost
from tests.simulation.faults import Faults
from tests.simulation.ledger import Wrong
from tests.simulation.plan import SHARE, JobPlan
from tests.simulation.submission import Observer, Submission
from tests.simulation.worker import WorkerHost
from tests.simulation.world import EPOCH, World

HARM: Final = 240.0
HEALING: Final = 1500.0
REST: Final = 200.0
WATCHED: Final = 40.0
QUIET: Final = (m.Beat, m.BeatBack)
"""What may be said when nothing is to be done."""


class Simulation:
    """The world of one seed."""

    def __init__(self, seed: int, path: Path | None) -> None:
        self.seed = seed
        self.world = world = World(seed)
        pick = world.random
        names = [f"worker{number}" for number in range(pick.randint(1, 4))]
        mischief = [kind for kind in SHARE if world.chance(0.4)]
        deadline = EPOCH + world.some(20.0, 300.0) if world.chance(0.15) else 0.0
        self.plans = [JobPlan(world, names, mischief, deadline) for _ in range(pick.randint(3, 14))]
        jobs = {plan.id: plan for plan in self.plans}
        clients = [f"client{number}" for number in range(pick.randint(1, 2))]
        roles = frozenset(("worker", "client"))
        members = {name: Member(name, roles, "everybody") for name in (*names, *clients)}
        store, revive = _store(path)
        self.broker = BrokerHost(world, store, revive, members, self._judge)
        self.workers = [WorkerHost(world, name, pick.randint(1, 3), lambda: self.broker, jobs) for name in names]
        self.submissions = [Submission(world, plan) for plan in self.plans]
        shares = [self.submissions[number :: len(clients)] for number in range(len(clients))]
        for job in self.submissions if len(clients) > 1 else ():
            other = next(share for share in shares if job not in share)
            if world.chance(0.6):
                job.plan.observed = True
                other.append(Observer(world, job.plan))
        self.submissions = [job for share in shares for job in share]
        self.clients = [
            ClientHost(world, name, lambda: self.broker, share) for name, share in zip(clients, shares, strict=True)
        ]
        self.faults = Faults(world, self.broker, self.workers, self.clients)

    def run(self) -> None:
        """Raises AssertionError where something is wrong."""
        world = self.world
        world.run(lambda: False, HARM)
        self._heal()
        if not world.run(self._over, world.now + HEALING):
            late = next(each for each in self.submissions if not each.over)
            raise Wrong(f"never over: {late.progress}", late.plan.id)
        for each in self.submissions:
            each.check()
        awake = max(host.asleep_until for host in (self.broker, *self.workers, *self.clients))
        world.run(lambda: False, max(world.now, awake) + REST)
        self._check_rest()
        self._check_quiet()
        for client in self.clients:
            client.forget()
        world.run(lambda: False, world.now + 20.0)
        if self.broker.machine.state.jobs or self.broker.ledger.jobs:
            raise Wrong("a job was not forgotten", next(iter(self.broker.machine.state.jobs)))

    def _heal(self) -> None:
        self.world.note("faults", "are over")
        self.world.harmful = False
        self.broker.ledger.failing = 0
        for worker in self.workers:
            worker.failing_starts = 0.0

    def _over(self) -> bool:
        started = sum(len(client.started) for client in self.clients)
        return started == len(self.submissions) and all(each.over for each in self.submissions)

    def _check_rest(self) -> None:
        """Nothing is left over anywhere."""
        state = self.broker.machine.state
        assert self.broker.machine.out.idle, "the outbox is not empty"
        assert not any(session.leases for session in state.sessions.values()), "leases at rest"
        # Opened by the last words of the dead, or not cancelled because those were lost.
        unknown = {each.plan.id for each in self.submissions if each.unknown or each.abandoned}
        dropped = {each.plan.id for each in self.submissions if each.dropped}
        assert not state.jobs.keys() & dropped, "a job was not forgotten"
        assert state.active.keys() <= unknown, "a job is active"
        assert not state.awaited, "a worker is awaited"
        assert len(state.sessions) == len(self.workers) + len(self.clients), f"sessions: {list(state.sessions)}"
        for worker in self.workers:
            left = worker.machine.state
            assert not left.leases, f"{worker.name} holds {left.leases}"
            assert not left.unjudged, f"{worker.name} waits for verdicts on {left.unjudged}"
            assert not any(left.pages.values()), f"{worker.name} keeps pages"
            assert not left.wanted, f"{worker.name} waits for blobs"
            assert all(slot.state == "idle" for slot in left.slots), f"{worker.name} has {left.slots}"

    def _check_quiet(self) -> None:
        """Nothing is said but that one is alive, and no more often than needed."""
        before = len(self.world.trace)
        self.world.run(lambda: False, self.world.now + WATCHED)
        said = self.world.trace[before:]
        loud = [str(entry) for entry in said if not isinstance(entry.what, QUIET)]
        assert not loud, f"said at rest: {loud[:5]}"
        peers = len(self.workers) + len(self.clients)
        assert len(said) <= 2 * peers * (WATCHED / 5.0 + 1), f"{len(said)} messages at rest"

    def _judge(self, record: ResultAdded, ruling: m.Ruling) -> None:
        """The broker gives a task up because no host can run it: is there really none?"""
        if ruling.kind != "unfit":
            return
        plan = next(plan for plan in self.plans if plan.id == record.job)
        for host in plan.hosts:
            if host not in plan.tasks[record.start].unfit and not self.broker.silent(host):
                raise Wrong(f"{host} could have run task {record.start}", record.job)


def _store(path: Path | None) -> tuple[Store, Callable[[Store], Store]]:
    """A store, and what a broker finds after a crash; in a file if there is a path."""
    if path is None:

        def found(store: Store) -> Store:
            assert isinstance(store, MemoryStore)
            return store.crash()

        return MemoryStore(), found

    def opened(store: Store) -> Store:
        store.close()
        return SqlStore(path)

    return SqlStore(path), opened


@contextmanager
def small_credit(seed: int) -> Iterator[None]:
    """Some seeds let clients send only a few pages ahead."""
    with mock.patch.object(submissions, "CREDIT", 2) if seed % 3 == 0 else mock.patch.object(os, "sep", os.sep):
        yield


def simulate(seed: int, path: Path | None = None) -> str:
    """Run a seed; gives the digest of its trace. Raises AssertionError: the end of the trace, how to repeat it."""
    simulation = Simulation(seed, path)
    try:
        with small_credit(seed):
            simulation.run()
    except AssertionError as error:
        raise AssertionError(explained(simulation, error)) from error
    finally:
        simulation.broker.ledger.store.close()
    return simulation.world.digest


def explained(simulation: Simulation, error: AssertionError) -> str:
    """What went wrong, what happened before, and how to see it again."""
    job = getattr(error, "job", None)
    return (
        f"{error}\n\n{simulation.world.last_lines(job)}\n\n"
        f"job {job.hex()[:6] if job else '?'}, faults: {', '.join(simulation.faults.drawn)}\n"
        f"again: RAISIN_SEEDS={simulation.seed} pytest tests/simulation -k seed{simulation.seed}"
    )
