"""`raisin jobs` and `raisin job`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from raisin_cli.commands.clusters import about_a_cluster, connected, digits_of

if TYPE_CHECKING:
    from raisin_core.client.connection import Connection
    from raisin_core.messages import Explained

FAILURES: Final = 5
LOOK_SECONDS: Final = 10.0

JOBS_EPILOG = """\b
Examples:
  raisin jobs
  raisin jobs --broker 192.168.1.20:5757 --broker-key 'KEY' --limit 10
  raisin jobs --json | python3 -m json.tool
"""
JOB_EPILOG = """\b
Examples:
  raisin job 3f2a
  raisin job 3f2a --json
"""


@click.command(epilog=JOBS_EPILOG)
@click.option("--limit", type=click.IntRange(1, 2**31), default=100, show_default=True, help="So many at most.")
@click.option("--json", "as_json", is_flag=True, help="A list for programs.")
@about_a_cluster
def jobs(limit: int, as_json: bool, broker: str | None, broker_key: str | None, key_file: Path | None) -> None:
    """List your jobs: those that run, and those whose results are kept; the newest first."""
    with connected(broker, broker_key, key_file) as cluster:
        from raisin_cli.said import dumps, job_record
        from raisin_core.client.jobs import listed

        found = listed(cluster, limit)
        click.echo(dumps([job_record(each) for each in found]) if as_json else repr(found))


@click.command(epilog=JOB_EPILOG)
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="An object for programs.")
@about_a_cluster
def job(id: str, as_json: bool, broker: str | None, broker_key: str | None, key_file: Path | None) -> None:
    """Tell all that is known of one job; of its ID the first digits will do, four or more."""
    (digits,) = digits_of(id)
    with connected(broker, broker_key, key_file) as cluster:
        from raisin_cli.said import dumps, explained_record
        from raisin_core.client.attach import found
        from raisin_core.client.explain import explained

        said = explained(found(digits, cluster), cluster)
        failures, note = _failures(said)
        if as_json:
            errors = [{"index": index, "error": text} for index, text in failures]
            click.echo(dumps({**explained_record(said), "errors": errors}))
        else:
            click.echo("\n".join(_lines(said, failures, note, cluster)))


def _lines(said: Explained, failures: list[tuple[Any, str]], note: str, cluster: Connection) -> Iterator[str]:
    from raisin_core.client.jobs import info
    from raisin_core.client.tables import duration
    from raisin_core.texts import plain

    job = info(said.line)
    yield f"{plain(job.name)} ({job.form}) {job.id}"
    yield _row("state", job.words)
    of = "of those submitted so far" if job.total is None else f"of {job.total}"
    yield _row("tasks", f"{job.done} done {of}, {job.failed} failed, {job.running} with workers")
    whose = f" (account {plain(job.account, 64)})" if job.account != job.member else ""
    there = "connected" if job.attended else "not connected any more"
    yield _row("submitted", f"{job.opened.astimezone():%Y-%m-%d %H:%M:%S} by {plain(job.member, 64)}{whose}")
    yield _row("", f"its client is {there}")
    if job.ended:
        took = duration(max(0.0, (job.ended - job.opened).total_seconds()))
        yield _row("ended", f"{job.ended.astimezone():%Y-%m-%d %H:%M:%S}, after {took}")
    if job.resume:
        yield _row("key", f"resume={plain(job.resume)!r}")
    if not job.ended:
        yield from (_row("held up by" if not at else "", plain(each)) for at, each in enumerate(said.reasons))
    yield from (_row("errors" if not at else "", f"task {f[0]}: {f[1]}") for at, f in enumerate(failures))
    yield from (_row("", each) for each in (note,) if each)
    yield _row("at", plain(cluster.address))


def _row(label: str, text: str) -> str:
    return f"  {label:<11}{text}"


def _failures(said: Explained) -> tuple[list[tuple[Any, str]], str]:
    """The first failed tasks that are found in some seconds, and what to say of the others."""
    if not said.line.failed:
        return [], ""
    from raisin_cli.said import error_line
    from raisin_core.client.attach import attach
    from raisin_core.client.collecting import arrived
    from raisin_core.errors import TimeoutError as RaisinTimeout

    failures: list[tuple[Any, str]] = []
    try:
        for each in arrived(attach(said.line.job.hex()), LOOK_SECONDS):
            if each.failed:
                failures.append((each.index, error_line(each.value)))
            if len(failures) == FAILURES:
                break
    except RaisinTimeout:
        pass  # there are many results: those found so far, and their number, must do
    more = said.line.failed - len(failures)
    return sorted(failures), f"and {more} more: raisin results {said.line.job.hex()[:8]}" if more > 0 else ""
