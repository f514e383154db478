"""`raisin broker ...`."""

from __future__ import annotations

import click

from raisin_cli.commands.parts import needed

EPILOG = """\b
Example:
  raisin broker run --listen 192.168.1.20:5757
"""


@click.group(epilog=EPILOG)
def broker() -> None:
    """The machine that keeps a cluster's jobs."""


@broker.command(
    add_help_option=False,  # its own --help says more
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(arguments: tuple[str, ...]) -> int:
    """Keep the jobs of a cluster, give them to its workers, record their results.

    The same as raisin-broker; --help lists its options.
    """
    with needed("raisin-broker"):
        from raisin_broker.main import main

        return main(arguments)  # it imports the rest
