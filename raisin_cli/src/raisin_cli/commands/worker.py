"""`raisin worker ...`."""

from __future__ import annotations

import click

from raisin_cli.commands.parts import needed

EPILOG = """\b
Example:
  raisin worker run --broker 192.168.1.20:5757 --broker-key 'KEY'
"""


@click.group(epilog=EPILOG)
def worker() -> None:
    """A machine that computes."""


@worker.command(
    add_help_option=False,  # its own --help says more
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(arguments: tuple[str, ...]) -> int:
    """Run tasks of a cluster on this machine.

    The same as raisin-worker; --help lists its options.
    """
    with needed("raisin-worker"):
        from raisin_worker.main import main

        return main(arguments)  # it imports the rest
