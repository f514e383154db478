"""`raisin demo`."""

from __future__ import annotations

from pathlib import Path

import click

from raisin_cli.commands.parts import needed

EPILOG = """\b
Examples:
  raisin demo
  raisin demo --files 300       a shorter one
  raisin demo | tee demo.log    without colours, as lines
"""


@click.command(epilog=EPILOG)
@click.option("--files", type=click.IntRange(min=1), help="So many of the standard library's files; default: all.")
@click.option("--keep", is_flag=True, help="Keep the private directory (state, keys, logs), and say where it is.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), hidden=True)
def demo(files: int | None, keep: bool, picture: Path | None) -> int:
    """A real job on a private cluster of this machine, with kill -9 in the middle.

    One broker and two workers, as processes with their own keys, analyse every file of Python's standard library and
    sweep two parameters. Meanwhile a task process, a worker and the broker are killed. It takes less than a minute;
    nothing is left behind. The exit code is 0 if all results are right.
    """
    with needed("raisin-broker"):
        import raisin_broker.main  # noqa: F401
    with needed("raisin-worker"):
        import raisin_worker.main  # noqa: F401
    from raisin_cli.demo.run import run

    return run(files, keep, picture)
