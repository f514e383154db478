"""`raisin explain`."""

from __future__ import annotations

from pathlib import Path

import click

from raisin_cli.commands.clusters import about_a_cluster, connected, digits_of

EPILOG = """\b
Examples:
  raisin explain 3f2a
  raisin explain 3f2a --json
"""


@click.command(epilog=EPILOG)
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="An object for programs.")
@about_a_cluster
def explain(id: str, as_json: bool, broker: str | None, broker_key: str | None, key_file: Path | None) -> None:
    """Say why a job is not running, or not faster: in general, and worker by worker.

    Of its ID the first digits will do, four or more.
    """
    (digits,) = digits_of(id)
    with connected(broker, broker_key, key_file) as cluster:
        from raisin_cli.said import dumps, explained_record
        from raisin_core.client.attach import found
        from raisin_core.client.explain import explained, screen

        said = explained(found(digits, cluster), cluster)
        click.echo(dumps(explained_record(said)) if as_json else screen(said))
