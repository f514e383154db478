"""`raisin doctor`."""

from __future__ import annotations

import click

EPILOG = """\b
Examples:
  raisin doctor
  raisin doctor --json
"""


@click.command(epilog=EPILOG)
@click.option("--json", "as_json", is_flag=True, help="A list for programs.")
def doctor(as_json: bool) -> int:
    """Look at keys, permissions, clock, reachability, versions, interpreter, sandbox and disk of this machine.

    Each line is ok, a warning or wrong, with what to do about it. The exit code is 1 if something is wrong.
    """
    from raisin_cli.doctor.examine import examine
    from raisin_cli.doctor.findings import worst
    from raisin_cli.said import dumps
    from raisin_core.texts import plain

    found = []
    for each in examine():
        found.append(each)
        if not as_json:
            click.echo(f"{each.state:<8} {each.area:<13} {plain(each.text, 300)}")
            if each.advice:
                click.echo(f"{'':<22} {plain(each.advice, 400)}")
    if as_json:
        click.echo(dumps([each._asdict() for each in found]))
    return 1 if worst(found) == "wrong" else 0
