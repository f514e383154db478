"""Why a job does not run, or not faster: where its tasks are, what holds them up, and worker by worker.

Rules of this file: all that the broker knows comes in one answer (messages.Explained); here it becomes one screen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from raisin_core.client.asking import SECONDS, Asks, ask
from raisin_core.client.jobs import state
from raisin_core.client.runs import RemoteRun
from raisin_core.client.tables import table
from raisin_core.errors import ClusterError, UnknownJob
from raisin_core.messages import ENDED, Explain, Explained, WorkerLine
from raisin_core.texts import plain

WORKERS: Final = 16
REASONS: Final = 5
PATIENCE: Final = 3.0


def explained(key: bytes, cluster: Asks, seconds: float = SECONDS) -> Explained:
    """What the broker knows of a job. Raises UnknownJob, NotYourJob, BrokerUnreachable, ClusterError."""
    said = ask(cluster, Explain(key), key, seconds)
    if not isinstance(said, Explained):
        raise ClusterError(f"{cluster.address} did not explain job {key.hex()[:8]}")
    return said


def screen(said: Explained) -> str:
    """One screen about it: a line that says how it stands, and while it is not over, what follows from that."""
    line = said.line
    over = line.state in ENDED
    waits = "" if over or line.running or not said.reasons else said.reasons[0]
    counts = line.done, line.total, line.failed, line.running
    first = sentence(line.name, line.job.hex(), state(line), counts, waits)
    if over:
        return first
    return "\n".join(["; ".join([first, *_tasks(said)]), *_reasons(said, bool(waits)), *_workers(said)])


def told(run: RemoteRun, total: int) -> str:
    """The screen about a job with a handle here, which may know its `total` before the broker does; empty where the
    broker cannot say."""
    cluster = run._connection
    if cluster.session.lost_at is not None:
        return ""
    try:
        said = explained(run.id, cluster, PATIENCE)
    except (UnknownJob, ClusterError):
        return ""  # not there yet, or not any more
    line = msgspec.structs.replace(said.line, total=max(total, said.line.total))
    return screen(msgspec.structs.replace(said, line=line))


def sentence(name: str, id: str, state: str, counts: tuple[int, int, int, int], waits: str) -> str:
    """How a job stands in one line; `counts` are done, total (-1: not known), failed and running tasks."""
    done, total, failed, running = counts
    of = f" of {total}" if total >= 0 else ""
    text = f"{plain(name)} (job {id[:8]}) is {state}: {done}{of} done, {failed} failed"
    text += f", {running} with workers" if running else ""
    return f"{text}; nothing of it runs: {plain(waits)}" if waits else text


def _tasks(said: Explained) -> Iterator[str]:
    """Where those are that are neither done nor with workers."""
    places = (
        (said.ready, "ready to run"),
        (said.picky, "ready, but not for every worker (they failed somewhere)"),
        (said.waiting, "waiting for workers that may still have them"),
    )
    there = [f"{count} {where}" for count, where in places if count]
    yield from (", ".join(there),) if there else ()


def _reasons(said: Explained, first_is_told: bool) -> Iterator[str]:
    rest = said.reasons[first_is_told:]
    yield from (f"  and: {plain(each)}" for each in rest[:REASONS])
    if len(rest) > REASONS:
        yield f"  and {len(rest) - REASONS} more reasons"


def _workers(said: Explained) -> Iterator[str]:
    if not said.workers:
        return
    yield "  workers:"
    ready = bool(said.ready + said.picky)
    shown = sorted(said.workers, key=lambda worker: -worker.running)[:WORKERS]
    head = ("member", "slots", "runs", "why no more")
    rows = [(_who(each), str(each.slots), str(each.running), _why(each, ready, said.reasons)) for each in shown]
    yield from (f"    {row}" for row in table(head, rows).splitlines())
    rest = len(said.workers) - len(shown)
    if rest:
        yield f"    and {rest} more, which run no more of it than these"


def _who(worker: WorkerLine) -> str:
    member, host = plain(worker.member, 40), plain(worker.host, 40)
    return member if member == host or not host else f"{member} ({host})"


def _why(worker: WorkerLine, ready: bool, reasons: list[str]) -> str:
    """In words, where the broker sees no obstacle on that host either."""
    if worker.reason:
        return plain(worker.reason)
    if not ready:
        return "no more is ready"
    if worker.running >= worker.slots:
        return "it has enough to do"
    return "held up as said above" if reasons else "it is about to get some"
