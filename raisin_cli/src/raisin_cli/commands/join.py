"""`raisin join`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from raisin_core.identity.profile import Profile

TEST_SECONDS: Final = 40.0

EPILOG = """\b
Examples:
  raisin join rsn1-...
  raisin join rsn1-... --yes           take the defaults, ask nothing
  pbpaste | raisin join - --yes        the invitation from standard input: it stays out of the shell's history
"""


@click.command(epilog=EPILOG)
@click.argument("invitation")
@click.option("--yes", is_flag=True, help="Take the defaults, and ask nothing.")
@click.option("--no-worker", is_flag=True, help="Do not compute on this machine.")
def join(invitation: str, yes: bool, no_worker: bool) -> None:
    """Become a member of a cluster, by the line that `raisin cluster invite` printed.

    If the answer gets lost on its way, type the same line again.
    """
    from raisin_cli import active, joining
    from raisin_cli.commands.asking import someone
    from raisin_cli.commands.parts import check_parts
    from raisin_core.identity.invitations import parse

    parsed = parse(sys.stdin.readline() if invitation == "-" else invitation)
    check_parts(worker=not no_worker)
    if not yes:
        someone()
    guest = joining.begin(parsed)
    book = joining.enter(guest)
    if wrong := joining.wrong_clock(guest, book):
        click.echo(f"raisin: {wrong}", err=True)
    profile = joining.finish(guest, book)
    computes = not no_worker and "worker" in profile.me.roles
    if computes:
        _choose(profile, yes)
    stopped = active.activate(profile)
    if stopped:
        click.echo(f"the worker for {stopped} was stopped; to go back: raisin cluster use {stopped}")
    if computes:
        active.start(profile)
    _say(profile, computes)


def _choose(profile: Profile, yes: bool) -> None:
    """Whose code may run here, beside that of this account's own confirmed machines."""
    from raisin_core.texts import plain

    default = sorted({each.account for each in profile.standing.members.values() if "admin" in each.roles})
    named = ", ".join(plain(each, 64) for each in default) or "nobody else"
    click.echo(f"this machine will compute for itself, and for the account that created the cluster: {named}.")
    click.echo(
        "No sandbox isolates their code yet: it can do on this computer whatever you can. Change it at any time: "
        "raisin worker allow | deny | list"
    )
    if yes or click.confirm(f"Run the code of {named} here?", default=True):
        profile.set_runs(default)
    else:
        profile.set_runs([])
        click.echo("only code of your own machines runs here")


def _say(profile: Profile, computes: bool) -> None:
    from raisin_core.texts import plain

    name = plain(profile.name, 64)
    if not computes:
        click.echo(f"joined {name} as {plain(profile.me.name, 64)}")
    elif "client" not in profile.me.roles:
        click.echo(f"joined {name} as {plain(profile.me.name, 64)}; a worker runs in the background")
    else:
        _test(profile)
        click.echo(f"joined {name}; a test task ran here")


def _test(profile: Profile) -> None:
    """One task, from here to here through the broker. Raises RaisinError."""
    import platform

    import raisin
    from raisin_core.errors import ClusterError, RaisinError

    try:
        with raisin.connect():
            raisin.Process(platform.node, where=[profile.me.name]).start().get(timeout=TEST_SECONDS)
    except RaisinError as error:
        raise ClusterError(
            f"joined {profile.name}, but a test task did not run here: {error}. Diagnose: raisin doctor"
        ) from None
