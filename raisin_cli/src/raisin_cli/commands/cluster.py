"""`raisin cluster`: create and invite."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from raisin_cli.commands import cluster_here, cluster_members

if TYPE_CHECKING:
    from raisin_core.identity.profile import Profile

EPILOG = """\b
Examples:
  raisin cluster create lab
  raisin cluster invite --name zoe
  raisin cluster members
"""
CREATE_EPILOG = """\b
Examples:
  raisin cluster create lab
  raisin cluster create lab --name my-laptop --account anna --listen '*:5757'
  raisin cluster create lab --broker rsb1-...     a broker on another machine: what `raisin broker run` printed there
"""
INVITE_EPILOG = """\b
Examples:
  raisin cluster invite --name zoe
  raisin cluster invite --name pool --account class --roles client,worker --uses 20 --valid 2h
"""


@click.group(epilog=EPILOG)
def cluster() -> None:
    """The closed group that this machine belongs to."""


for command in (*cluster_members.COMMANDS, *cluster_here.COMMANDS):
    cluster.add_command(command)


@cluster.command(epilog=CREATE_EPILOG)
@click.argument("cluster_name", metavar="NAME")
@click.option("--name", help="What to call this machine; default: its host name.")
@click.option("--account", help="Whose it is; default: your user name.")
@click.option("--listen", metavar="ADDRESS", default="*:5757", show_default=True, help="Where its broker listens.")
@click.option("--broker", metavar="rsb1-...", help="A broker elsewhere, by the line that it printed ('-': read it).")
@click.option("--no-worker", is_flag=True, help="Do not compute on this machine.")
def create(
    cluster_name: str, name: str | None, account: str | None, listen: str, broker: str | None, no_worker: bool
) -> None:
    """Found a cluster, with this machine as its first member; its broker and a worker run in the background.

    The root key, which decides who belongs to it, stays on this machine.
    """
    from raisin_cli.commands.parts import check_parts
    from raisin_cli.naming import account_name, checked, checked_cluster, machine_name

    check_parts(broker=broker is None, worker=not no_worker)
    from raisin_cli import active, creating

    me = creating.Me(checked(name or machine_name()), checked(account or account_name()))
    if broker is None:
        profile = creating.here(checked_cluster(cluster_name), me, listen)
    else:
        from raisin_core.identity.invitations import parse_claim

        claim = parse_claim(sys.stdin.readline() if broker == "-" else broker)
        profile = creating.elsewhere(checked_cluster(cluster_name), me, claim)
    stopped = active.activate(profile)
    active.start(profile, worker=not no_worker)
    _created(profile, broker is None, stopped, no_worker)


def _created(profile: Profile, here: bool, stopped: str | None, no_worker: bool) -> None:
    click.echo(f"created {profile.name}; this machine is {profile.me.name}, of account {profile.me.account}")
    addresses = profile.standing.broker.addresses
    click.echo(f"others reach its broker at {', '.join(addresses)}")
    if here:
        for line in _network(addresses):
            click.echo(line)
    click.echo("in the background: " + ", ".join(_running(profile)))
    if stopped:
        click.echo(f"the worker for {stopped} was stopped; to go back: raisin cluster use {stopped}")
    if no_worker:
        click.echo("this machine does not compute; to let it: raisin cluster start")
    click.echo(
        f"keep a copy of {profile.directory / 'root.key'} where nobody else comes: whoever has it decides who belongs "
        "to the cluster; without it nobody can be invited or removed"
    )
    click.echo("next: raisin cluster invite --name FRIEND")


def _running(profile: Profile) -> list[str]:
    from raisin_cli import background, programs

    found = [(each, background.running(each)) for each in programs.programs_of(profile.name)]
    return [f"{each.name} (pid {pid})" for each, pid in found if pid is not None] or ["nothing"]


def _network(addresses: list[str]) -> list[str]:
    """What is known of whether others will get through."""
    from raisin_cli import network
    from raisin_core.addresses import parse_address

    parsed = [parse_address(each) for each in addresses]
    lines = [
        f"{each}: not even this machine gets through ({problem})"
        for each in parsed
        if (problem := network.answers(each))
    ]
    if _near_only(addresses):
        lines.append("nobody else can reach it there: choose an address of this machine in the network, with --listen")
    walls = network.firewalls(parsed[0].port)
    for wall in walls:
        lines.append(f"a firewall ({wall.name}) is active; if others do not get through: {wall.command}")
    if not lines:
        lines.append("this machine gets through to it, and no active firewall is known here (ufw, firewalld)")
    return lines


def _near_only(addresses: list[str]) -> bool:
    """Whether none of these leads to the broker from another machine."""
    from raisin_core.addresses import parse_address

    parsed = [parse_address(each) for each in addresses]
    return all(each.path or each.host in ("localhost", "::1") or each.host.startswith("127.") for each in parsed)


@cluster.command(epilog=INVITE_EPILOG)
@click.option("--name", required=True, help="What the guest's machine will be called.")
@click.option("--account", help="Whose it is; default: the same as --name. Your own account makes it one of yours.")
@click.option("--roles", default="client,worker", show_default=True, help="What it may be.")
@click.option("--uses", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many machines may join.")
@click.option("--valid", metavar="TIME", default="1h", show_default=True, help="How long: 30m, 2h, 7d.")
def invite(name: str, account: str | None, roles: str, uses: int, valid: str) -> None:
    """Print the line that a friend types to join. Whoever has it can join: send it to one person, privately.

    The line alone goes to standard output.
    """
    import time

    from zmq.utils import z85

    from raisin_cli import rosters
    from raisin_cli.naming import checked, checked_roles
    from raisin_core.amounts import seconds
    from raisin_core.identity import founding
    from raisin_core.identity.founding import Root
    from raisin_core.identity.invitations import Invitation, line
    from raisin_core.identity.profile import Profile

    try:
        until = time.time() + seconds(valid)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--valid") from None
    wanted, whose, chosen = checked(name), checked(account or name), checked_roles(roles)
    profile = Profile.load()

    def make(root: Root, epochs: list[int]) -> tuple[bytes, bytes]:
        return founding.invite(
            *(profile.standing.book, root.seed, profile.keys),
            name=wanted,
            account=whose,
            roles=chosen,
            uses=uses,
            join_before=until,
            in_use=epochs,
            now=time.time(),
        )

    seed = rosters.change(profile, make)
    raw = z85.decode(profile.broker_key)
    click.echo(f"raisin join {line(Invitation(profile.standing.broker.addresses, raw, profile.cluster, seed))}")
    machines = "one machine" if uses == 1 else f"{uses} machines"
    click.echo(
        f"To be typed on {wanted}'s machine before {time.strftime('%a %H:%M', time.localtime(until))}; good for "
        f"{machines}. Send it privately: whoever has it can join.",
        err=True,
    )
    if _near_only(profile.standing.broker.addresses):
        click.echo("raisin: only this machine can reach the broker: raisin cluster addresses HOST:PORT", err=True)
