"""`raisin cluster`: who belongs to it, and changes of that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from raisin_core.identity.documents import Grant
    from raisin_core.identity.profile import Profile
    from raisin_core.messages import MemberLine

MEMBERS_EPILOG = """\b
Examples:
  raisin cluster members
  raisin cluster members --json | python3 -m json.tool
"""
REMOVE_EPILOG = """\b
Examples:
  raisin cluster remove zoe
  raisin cluster remove zoe sam --yes      without being asked
"""
RENAME_EPILOG = """\b
Example:
  raisin cluster rename zoe zoe-laptop
"""
ADDRESSES_EPILOG = """\b
Examples:
  raisin cluster addresses                                       those that the members know
  raisin cluster addresses 192.168.1.20:5757 lab.example.org:5757
"""


@click.command(epilog=MEMBERS_EPILOG)
@click.option("--json", "as_json", is_flag=True, help="A list for programs.")
def members(as_json: bool) -> None:
    """List who belongs to the cluster, and who is connected now."""
    from raisin_cli.said import dumps
    from raisin_core.client.tables import table
    from raisin_core.identity.profile import Profile

    profile = Profile.load()
    lines = _present(profile)
    found = [_record(profile, name, lines) for name in sorted(profile.standing.members)]
    if as_json:
        click.echo(dumps(found))
    else:
        click.echo(table(("name", "account", "roles", "whose", "connected"), [_row(each) for each in found]))
        for each in _invitations(profile):
            click.echo(each)


def _present(profile: Profile) -> list[MemberLine] | None:
    """Who is connected, by the broker; None where it cannot be asked, which is then said."""
    from raisin_cli import rosters
    from raisin_core.errors import ClusterError

    try:
        rosters.refresh(profile)
        return rosters.present(profile)
    except ClusterError as error:
        click.echo(f"raisin: who is connected is not known: {error}", err=True)
        return None


def _record(profile: Profile, name: str, lines: Sequence[MemberLine] | None) -> dict[str, Any]:
    member = profile.standing.members[name]
    sessions = [
        {"as": each.role, "host": each.host, "seconds": each.seconds, "slots": each.slots, "busy": each.busy}
        for each in lines or ()
        if each.member == name
    ]
    return {
        "name": name,
        "account": member.account,
        "roles": list(member.roles),
        "me": member.publics == profile.me.publics,
        "mine": member.publics.ed25519 in profile.mine,
        "connected": None if lines is None else bool(sessions),
        "sessions": sessions,
    }


def _invitations(profile: Profile) -> list[str]:
    """Those that can still be used; `remove` with their name withdraws them."""
    import time

    from raisin_core.texts import plain

    now = time.time()
    return [
        f"{plain(each.name, 64)} is invited until {time.strftime('%a %H:%M', time.localtime(each.join_before))}"
        for each in profile.standing.grants.values()
        if each.join_before > now and _left(profile, each) > 0
    ]


def _left(profile: Profile, grant: Grant) -> int:
    """How many may still join by it."""
    came = sum(each.grant == grant.publics.ed25519 for each in profile.standing.parts.admissions)
    return grant.uses - len(grant.joined) - came


def _row(record: dict[str, Any]) -> list[str]:
    from raisin_core.texts import plain

    whose = "this machine" if record["me"] else "mine" if record["mine"] else ""
    sessions = [_session(each) for each in record["sessions"]]
    there = "?" if record["connected"] is None else ", ".join(sessions) or "no"
    return [plain(record["name"], 64), plain(record["account"], 64), ",".join(record["roles"]), whose, there]


def _session(each: dict[str, Any]) -> str:
    from raisin_core.texts import plain

    slots = f", {each['busy']} of {each['slots']} slots busy" if each["as"] == "worker" else ""
    return f"{each['as']} on {plain(each['host'], 64)}{slots}"


@click.command(epilog=REMOVE_EPILOG)
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask first.")
def remove(names: tuple[str, ...], yes: bool) -> None:
    """Put machines out of the cluster, at once and for good; from then on everything is sealed with a new key.

    The NAME of an open invitation withdraws it.
    To be typed where the root key is.
    """
    import secrets
    import time

    from raisin_cli import rosters
    from raisin_cli.commands.asking import confirm
    from raisin_core.identity import founding
    from raisin_core.identity.founding import Root
    from raisin_core.identity.profile import Profile

    profile = Profile.load()
    rosters.root_of(profile)
    rosters.refresh(profile)
    _known(profile, names, [each.name for each in profile.standing.grants.values()])
    if profile.me.name in names:
        raise click.ClickException("this machine has the root key and cannot put itself out: raisin cluster leave")
    confirm(f"Put {' and '.join(names)} out of {profile.name}?", yes)
    before = profile.standing.epoch

    def make(root: Root, epochs: list[int]) -> tuple[bytes, None]:
        new = secrets.token_bytes(32)
        standing = profile.standing
        return founding.remove(standing.book, root.seed, names, profile.keys, epochs, new, time.time()), None

    rosters.change(profile, make)
    who = " and ".join(names)
    click.echo(f"{who}: out of {profile.name}. The broker has ended what they had open, and their jobs")
    click.echo(
        f"what they have read stays read, and what was sealed up to now (epoch {before}) they could open if they got "
        f"hold of it; from now on all is sealed with the key of epoch {profile.standing.epoch}, which they never get"
    )


@click.command(epilog=RENAME_EPILOG)
@click.argument("old")
@click.argument("new")
def rename(old: str, new: str) -> None:
    """Call a member otherwise. To be typed where the root key is."""
    import time

    from raisin_cli import rosters
    from raisin_cli.naming import checked
    from raisin_core.identity import founding
    from raisin_core.identity.founding import Root
    from raisin_core.identity.profile import Profile

    profile = Profile.load()
    rosters.root_of(profile)
    rosters.refresh(profile)
    _known(profile, [old])
    if checked(new) in profile.standing.members:
        raise click.ClickException(f"there is a member called {new} already")

    def make(root: Root, epochs: list[int]) -> tuple[bytes, None]:
        book = profile.standing.book
        return founding.rename(book, root.seed, old, new, profile.keys, epochs, time.time()), None

    rosters.change(profile, make)
    click.echo(f"{old} is called {new} now")


@click.command(epilog=ADDRESSES_EPILOG)
@click.argument("addresses", metavar="[ADDRESS]...", nargs=-1)
def addresses(addresses: tuple[str, ...]) -> None:
    """Tell the members where the broker is now; without an ADDRESS: what they know.

    To be typed where the root key is, while the broker can still be reached from there; the members learn it from the
    broker, and new invitations name them.
    """
    import time

    from raisin_cli import rosters
    from raisin_core.addresses import endpoints, parse_address
    from raisin_core.identity import founding
    from raisin_core.identity.documents import Broker
    from raisin_core.identity.founding import Root
    from raisin_core.identity.profile import Profile

    profile = Profile.load()
    if not addresses:
        click.echo("\n".join(profile.standing.broker.addresses))
        return
    try:
        for each in addresses:
            endpoints(each)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    chosen = [str(parse_address(each)) for each in addresses]

    def make(root: Root, epochs: list[int]) -> tuple[bytes, None]:
        broker = Broker(chosen, profile.broker_key)
        return founding.move(profile.standing.book, root.seed, broker, profile.keys, epochs, time.time()), None

    rosters.change(profile, make)
    click.echo(f"the members of {profile.name} now look for the broker at {', '.join(chosen)}")


def _known(profile: Profile, names: Sequence[str], more: Sequence[str] = ()) -> None:
    unknown = [each for each in names if each not in profile.standing.members and each not in more]
    if unknown:
        there = ", ".join(sorted(profile.standing.members))
        raise click.ClickException(f"no member of {profile.name} is called {unknown[0][:80]!r}; there are {there}")


COMMANDS: Final = (members, remove, rename, addresses)
