"""Mutants of the broker's machine."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

OUTBOX, PEERS = "raisin_broker/outbox.py", "raisin_broker/peers.py"
SUBMISSIONS, EXECUTION = "raisin_broker/submissions.py", "raisin_broker/execution.py"
READERS, SCHEDULER = "raisin_broker/readers.py", "raisin_broker/scheduler.py"
STATE, MACHINE = "raisin_broker/state.py", "raisin_broker/machine.py"

MUTANTS: Final = (
    # -- persist, then speak
    Mutant(
        "speaks before it commits",
        OUTBOX,
        "        if (batch := self._pending()) is None:\n            self.send(",
        "        if (batch := self._pending()) is None or batch:\n            self.send(",
    ),
    Mutant(
        "acknowledges a duplicate before the first is durable",
        OUTBOX,
        "        return self._newest if self._staged else None",
        "        return None",
    ),
    Mutant(
        "says all that waits when any batch is durable",
        OUTBOX,
        "        first = self._staged[0] if self._staged else self._newest + 1",
        "        first = self._newest + 1",
    ),
    Mutant(
        "takes a commit that failed for one that worked",
        OUTBOX,
        "        self._retry_at = now + RETRY_SECONDS",
        "        self._staged.popleft()",
    ),
    Mutant(
        "never tries a commit again",
        OUTBOX,
        "        self._retry_at = now + RETRY_SECONDS",
        "        self._retry_at = now + 1e9",
    ),
    Mutant(
        "shows results before they are durable",
        READERS,
        "while follower.sent < min(job.visible, follower.limit):",
        "while follower.sent < min(len(job.results), follower.limit):",
    ),
    Mutant(
        "does not write down that a job is closed",
        SUBMISSIONS,
        "            self.out.record(records.JobClosed(job.id, total))\n",
        "",
    ),
    Mutant(
        "does not write down that nobody wants a job",
        SUBMISSIONS,
        "            self.out.record(records.JobUnwanted(job.id))\n",
        "",
    ),
    # -- restart
    Mutant(
        "forgets strikes and retries at a restart",
        MACHINE,
        "        job.tried.setdefault(tried.index, []).append(tried)\n",
        "        pass\n",
    ),
    Mutant("forgets limbo", MACHINE, "            job.limbo.add(start, min(stop, job.leased_up_to))\n", ""),
    Mutant("never ends limbo", PEERS, "            self.execution.end_limbo()\n", ""),
    Mutant(
        "names leases alike in all its runs",
        EXECUTION,
        "name = LeaseId(self.state.run, self.state.leases_given)",
        "name = LeaseId(1, self.state.leases_given)",
    ),
    Mutant(
        "waits for nobody after a restart",
        MACHINE,
        "dict.fromkeys(stored.workers, at.mono + self.timing.silence)",
        "{}",
    ),
    # -- leases
    Mutant(
        "forgets to make ready what a lease leaves",
        EXECUTION,
        "            self._give_back(job, lease.start, lease.stop)\n\n    def set_aside",
        "            pass\n\n    def set_aside",
    ),
    Mutant(
        "gives back one task too few after a trim",
        EXECUTION,
        "        self._give_back(job, lease.stop, old)",
        "        self._give_back(job, lease.stop + 1, old)",
    ),
    Mutant(
        "adopts a lease and leaves its tasks ready",
        EXECUTION,
        "        job.ready.remove(held.start, held.stop)\n        job.limbo",
        "        job.limbo",
    ),
    Mutant(
        "does not miss a lease that was lost on its way",
        EXECUTION,
        "                self.release(lease)\n        for held in message.leases:",
        "                pass\n        for held in message.leases:",
    ),
    Mutant(
        "does not compare what a worker holds",
        PEERS,
        "            if digests.held(mine) != message.held:",
        "            if message.held < 0:",
    ),
    Mutant(
        "makes ready what somebody else has on lease",
        STATE,
        "            for low, high in self._unleased(a, b):\n                self.ready",
        "            for low, high in [(a, b)]:\n                self.ready",
    ),
    Mutant(
        "believes that a worker keeps its pages over a reconnect",
        PEERS,
        "        session.pages = {job: set() for job in old.pages}",
        "        session.pages = old.pages",
    ),
    Mutant("never trusts again whom it suspected", PEERS, "        session.suspect = False\n", ""),
    Mutant(
        "does not await a worker whose session ended",
        PEERS,
        "                self.state.awaited[session.instance] = self._last + self.timing.silence",
        "                pass",
    ),
    Mutant(
        "does not tell workers that a job is over",
        SUBMISSIONS,
        "                session.over.append(job.id)\n",
        "",
    ),
    # -- results and attempts
    Mutant(
        "counts a result twice",
        EXECUTION,
        "        fresh = job.answerable(session.key, message.start, message.stop)\n"
        "        for start, stop in job.done.overlap(message.start, message.stop):",
        "        fresh = Ranges([(message.start, message.stop)])\n        for start, stop in ():",
    ),
    Mutant(
        "judges the wrong range",
        EXECUTION,
        "m.Judged(message.job, message.start, message.stop, verdict)",
        "m.Judged(message.job, message.start, message.stop + 1, verdict)",
    ),
    Mutant("allows a strike too many", EXECUTION, "+ 1 < STRIKES", "+ 1 <= STRIKES"),
    Mutant(
        "counts an attempt as often as it hears of it",
        EXECUTION,
        "        if any(t.attempt == tried.attempt for t in tries):",
        "        if not tried.attempt:",
    ),
    Mutant(
        "tries a task again where it cannot run",
        SCHEDULER,
        '    if any(t.kind == "unfit" and t.place == session.place for t in tries):',
        "    if not tries:",
    ),
    Mutant(
        "gives a task up while a worker that may run it is awaited",
        EXECUTION,
        "            again = bool(self.state.awaited) or scheduler",
        "            again = scheduler",
    ),
    Mutant(
        "waits for one result more than there are",
        SUBMISSIONS,
        "len(job.done) >= job.total",
        "len(job.done) > job.total",
    ),
    Mutant("takes deadlines for monotonic time", SUBMISSIONS, "at.wall >= deadline", "at.mono >= deadline"),
    # -- owners and members
    Mutant(
        "gives work to a worker whose owner does not allow it",
        SCHEDULER,
        "(not where or session.member in where) and session.serves(job)",
        "not where or session.member in where",
    ),
    Mutant(
        "leases a job that is held", STATE, " and not self.superseded and not self.held_by", " and not self.superseded"
    ),
    Mutant(
        "gives a member two tasks before its first result",
        SCHEDULER,
        "    if tasting and _runs_some(state, session.member, job):",
        "    if tasting and not _runs_some:",
    ),
    Mutant(
        "goes on with jobs of whoever was removed",
        "raisin_broker/belonging.py",
        "job.opened.owner_key not in self.state.members:",
        "job.opened.owner_key in self.state.guests:",
    ),
    # -- readers
    Mutant(
        "skips a page at the edge of a window",
        READERS,
        "            if stop > follower.after:",
        "            if start > follower.after:",
    ),
    Mutant(
        "sends one page more than a reader asked for",
        READERS,
        "follower.pending[0] >> ARRIVAL_BITS < follower.limit:",
        "follower.pending[0] >> ARRIVAL_BITS <= follower.limit:",
    ),
    Mutant(
        "skips a page for a reader that goes on by arrival",
        READERS,
        'follower.sent = message.after if message.order == "arrival" else 0',
        'follower.sent = message.after + (message.after > 0) if message.order == "arrival" else 0',
    ),
    Mutant(
        "reads on for sessions that are over",
        PEERS,
        "        self.readers.leave(session.route)\n        self._leave",
        "        self._leave",
    ),
    # -- results under a key, and power cuts
    Mutant(
        "records failures under a key",
        "raisin_broker/recording.py",
        "            kept.remove(index, index + 1)\n",
        "            pass\n",
    ),
    Mutant(
        "takes the result before the one that was recorded",
        "raisin_broker/resumption.py",
        "Source(first.job, first.arrival, first.index))",
        "Source(first.job, first.arrival, first.index - 1))",
    ),
    Mutant(
        "reads on although results that were given out are gone",
        READERS,
        "        if message.seen and job.run_of(message.seen) != message.run:",
        "        if message.seen and not job.run_of:",
    ),
)
