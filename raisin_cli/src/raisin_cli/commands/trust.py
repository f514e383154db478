"""`raisin trust`."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from raisin_core.identity.documents import Member

EPILOG = """\b
Examples:
  raisin trust zoe-laptop
  raisin trust zoe-laptop --remove
  raisin trust                     the machines that are yours, with their fingerprints
"""


@click.command(epilog=EPILOG)
@click.argument("name", required=False)
@click.option("--remove", is_flag=True, help="It is not mine (any more).")
@click.option("--yes", is_flag=True, help="Do not ask first.")
@click.option("--json", "as_json", is_flag=True, help="For programs: the list of your machines.")
def trust(name: str | None, remove: bool, yes: bool, as_json: bool) -> None:
    """Confirm another machine of the cluster as mine: its results load like your own, and its code runs here.

    Compare the fingerprint with the one that `raisin trust` shows on that machine.
    """
    from raisin_cli import rosters
    from raisin_cli.commands.asking import confirm
    from raisin_cli.said import dumps
    from raisin_core.errors import ClusterError
    from raisin_core.identity.profile import Profile

    profile = Profile.load()
    if name is None:
        mine = [each for each in profile.standing.members.values() if each.publics.ed25519 in profile.mine]
        lines = [{"name": each.name, "fingerprint": fingerprint(each)} for each in mine]
        click.echo(dumps(lines) if as_json else "\n".join(f"{each['name']}  {each['fingerprint']}" for each in lines))
        return
    try:
        rosters.refresh(profile)
    except ClusterError as error:
        click.echo(f"raisin: the newest roster could not be asked for: {error}", err=True)
    member = profile.standing.members.get(name)
    if member is None:
        there = ", ".join(sorted(profile.standing.members))
        raise click.ClickException(f"no member of {profile.name} is called {name[:80]!r}; there are {there}")
    if member.publics == profile.me.publics:
        raise click.ClickException(f"{name} is this machine; its fingerprint is {fingerprint(member)}")
    click.echo(f"{name} (account {member.account}): {fingerprint(member)}")
    if remove:
        profile.confirm(member, False)
        click.echo(f"{name} is not one of your machines any more")
        return
    confirm("Does that machine show the same fingerprint (raisin trust, typed there), and is it yours?", yes)
    profile.confirm(member)
    click.echo(f"{name} is one of your machines: its results load like those of this one, and its code may run here")


def fingerprint(member: Member) -> str:
    """A short form of all its keys that people can compare: 32 hexadecimal digits, in groups.

    >>> from raisin_core.identity.documents import Member
    >>> from raisin_core.identity.secrets import Publics
    >>> fingerprint(Member("zoe", "zoe", ["client"], Publics(bytes(32), bytes(32), bytes(32))))[:19]
    '2ea9-ab91-98d1-638f'
    """
    publics = member.publics
    digest = hashlib.sha256(b"raisin member\0" + publics.curve + publics.x25519 + publics.ed25519).hexdigest()[:32]
    return "-".join(digest[at : at + 4] for at in range(0, 32, 4))
