"""A job under the id of one that is no more: what was to be seen of that one is not seen of it."""

from __future__ import annotations

from raisin_broker.machine import Committed
from raisin_core import digests
from raisin_core import messages as m
from tests.broker.keeping import ANN, WORKER, Kept


def test_what_waited_to_be_seen_of_a_forgotten_job_is_not_its_successors() -> None:
    kept = Kept()
    kept.here(ANN)
    kept.here(WORKER, "worker")
    job = kept.open(tasks=1)
    kept.turn()
    (lease,) = job.leases.values()
    kept.commits = False
    kept.say(WORKER, m.Results(lease.id, job.id, 0, 1, 0.1), b"r")
    kept.turn()
    kept.say(ANN, m.Forget(job.id))
    kept.say(ANN, m.Open(job.id, "map", "f", digests.content(b"f"), m.Options()), b"f")
    reborn = kept.jobs[job.id]
    assert reborn is not job
    kept.handle(Committed(kept.machine.out._staged[0]))
    assert (reborn.visible, reborn.shown_end) == (0, False)
    kept.machine.check()
