"""A member's worker and a broker that may say anything, over real sockets, with real keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raisin_core import messages as m
from raisin_core import pages
from raisin_core.identity.profile import Profile
from raisin_core.identity.sealing import Context, Opened
from raisin_worker.agent import Agent, Settings
from tests.support.cluster import Cluster, Person, work
from tests.worker.brokers import FakeBroker, Running

ROLES = {
    "zoe": ("zoe", ["client", "worker"]),
    "ben": ("ben", ["client"]),
    "eve": ("eve", ["client"]),
}


class Scene:
    """Zoe's worker, which runs anna's code too; a broker that may say anything; ben, whose code does not run here."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.broker = FakeBroker(str(home / "b"))
        self.cluster = Cluster([self.broker.address], self.broker.keys.public, ROLES)
        self.zoe, self.anna, self.ben = (self.cluster[name] for name in ("zoe", "anna", "ben"))
        self.profile = self.zoe.profile()
        self.profile.set_runs(["anna"])
        self.broker.roster = self.cluster.version
        self.leases = 0

    def start(self, slots: int = 1) -> Running:
        return Running(Agent(Settings.of(Profile.load("lab"), slots)), self.broker)

    def run(self, person: Person, code: bytes, values: list[Any], **given: Any) -> tuple[m.Results, Opened]:
        """Have something run; the results, and what its submitter reads in them."""
        self.leases += 1
        given = {"number": self.leases, **given}
        made = work(person, code, values, **given)
        self.broker.give(made.said())
        return self.result(person, made.lease)

    def result(self, person: Person, lease: m.Lease) -> tuple[m.Results, Opened]:
        results, payload = self.broker.hear(m.Results, lambda each: each.lease == lease.lease)
        context = Context("results", lease.job, results.start, results.stop - results.start, lease=(1, self.leases))
        self.broker.say(m.Judged(lease.job, results.start, results.stop, "recorded"))
        return results, person.sealer.open(payload, context)

    def values(self, opened: Opened) -> list[Any]:
        def fetch(name: bytes) -> bytes:
            return self.anna.sealer.open_blob(self.broker.blobs[opened.parcel.blobs[name]])

        return pages.decode_outcomes(opened.payload, fetch).items


@pytest.fixture(name="scene")
def made_scene(home: Path) -> Iterator[Scene]:
    """A scene whose worker has not begun yet."""
    made = Scene(home)
    yield made
    made.broker.close()
