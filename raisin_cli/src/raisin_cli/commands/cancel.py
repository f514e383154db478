"""`raisin cancel`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from raisin_cli.commands.clusters import about_a_cluster, connected, digits_of

if TYPE_CHECKING:
    from raisin_core.client.handles import Handle

EPILOG = """\b
Examples:
  raisin cancel 3f2a
  raisin cancel 3f2a 90b1 --yes       without being asked
"""


@click.command(epilog=EPILOG)
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask first.")
@about_a_cluster
def cancel(ids: tuple[str, ...], yes: bool, broker: str | None, broker_key: str | None, key_file: Path | None) -> int:
    """Stop jobs for good: what is not done never will be. Results that are there stay.

    Of each ID the first digits will do, four or more. The exit code is 0 when all of them are over.
    """
    digits = digits_of(*ids)
    with connected(broker, broker_key, key_file):
        from raisin_core.client.attach import attach

        handles = {handle.id: handle for handle in map(attach, digits)}
        alive = [handle for handle in handles.values() if not handle.done()]
        for handle in handles.values():
            if handle not in alive:
                click.echo(f"{_named(handle)} is over already: {handle.state}")
        if alive and not yes:
            _confirm(alive)
        return max([_cancelled(handle) for handle in alive], default=0)


def _confirm(handles: list[Handle]) -> None:
    """Raises Abort, or UsageError where nobody can be asked."""
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here (standard input is no terminal): say --yes")
    for handle in handles:
        said = handle.progress()
        of = f" of {said.total}" if said.total >= 0 else ""
        click.echo(f"{_named(handle)}: {said.done}{of} done")
    click.confirm(f"Cancel {'it' if len(handles) == 1 else f'these {len(handles)}'}?", abort=True)


def _cancelled(handle: Handle) -> int:
    handle.cancel()
    if not handle.done():
        click.echo(f"{_named(handle)}: the broker was asked, but has not said yet that it is over", err=True)
        return 1
    said = handle.progress()
    of = f" of {said.total}" if said.total >= 0 else ""
    click.echo(f"{_named(handle)} is {handle.state}, {said.done}{of} done")
    return 0


def _named(handle: Handle) -> str:
    from raisin_core.texts import plain

    return f"{plain(handle.name)} (job {handle.id[:8]})"
