"""`raisin cluster`: this machine in it, and its programs in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from raisin_core.identity.profile import Profile

STATUS_EPILOG = """\b
Examples:
  raisin cluster status
  raisin cluster status --json
"""
START_EPILOG = """\b
Examples:
  raisin cluster start
  raisin cluster start --no-worker
"""
STOP_EPILOG = """\b
Example:
  raisin cluster stop
"""
USE_EPILOG = """\b
Example:
  raisin cluster use lab
"""
LEAVE_EPILOG = """\b
Examples:
  raisin cluster leave
  raisin cluster leave --yes --unheard     although the broker cannot be told
"""


@click.command(epilog=STATUS_EPILOG)
@click.option("--json", "as_json", is_flag=True, help="An object for programs.")
def status(as_json: bool) -> int:
    """Say how the cluster is, seen from this machine. The exit code is 1 if its broker cannot be reached."""
    from raisin_cli.said import dumps
    from raisin_core.identity.profile import Profile

    profile = Profile.load()
    record = _status(profile)
    click.echo(dumps(record) if as_json else "\n".join(_lines(record)))
    return 0 if record["reachable"] else 1


def _status(profile: Profile) -> dict[str, Any]:
    from raisin_cli import background, programs, rosters
    from raisin_core.errors import ClusterError
    from raisin_core.identity.profile import Profile

    problem, present = "", []
    try:
        rosters.refresh(profile)
        present = rosters.present(profile)
    except ClusterError as error:
        problem = str(error)
    return {
        "cluster": profile.name,
        "me": profile.me.name,
        "account": profile.me.account,
        "addresses": list(profile.standing.broker.addresses),
        "reachable": not problem,
        "problem": problem,
        "version": profile.standing.version,
        "epoch": profile.standing.epoch,
        "members": len(profile.standing.members),
        "connected": sorted({each.member for each in present}),
        "workers": sum(each.role == "worker" for each in present),
        "slots": sum(each.slots for each in present),
        "busy": sum(each.busy for each in present),
        "programs": {each.name: background.running(each) for each in programs.programs_of(profile.name)},
        "runs": list(profile.runs),
        "root": profile.root is not None,
        "others": sorted(set(Profile.names()) - {profile.name}),
    }


def _lines(record: dict[str, Any]) -> list[str]:
    from raisin_core.texts import plain

    there = "answers" if record["reachable"] else f"cannot be used: {plain(record['problem'])}"
    connected = ", ".join(plain(each, 64) for each in record["connected"]) or "nobody"
    running = [f"{name} ({f'pid {pid}' if pid else 'not running'})" for name, pid in record["programs"].items()]
    allowed = f", and of {', '.join(record['runs'])}" if record["runs"] else ""
    rows = [
        ("cluster", f"{record['cluster']}; this machine is {record['me']}, of account {record['account']}"),
        ("broker", f"{', '.join(record['addresses'])}: {there}"),
        ("roster", f"version {record['version']}, epoch {record['epoch']}, {record['members']} members"),
        ("connected", connected if record["reachable"] else "not known"),
        ("slots", f"{record['slots']} of {record['workers']} workers, {record['busy']} busy"),
        ("here", f"{', '.join(running)}; runs code of your own machines{allowed}"),
    ]
    if record["root"]:
        rows.append(("root key", "on this machine: keep a copy elsewhere"))
    if record["others"]:
        rows.append(("others", f"{', '.join(record['others'])} (raisin cluster use NAME)"))
    return [f"  {label:<11}{text}" for label, text in rows]


@click.command(epilog=START_EPILOG)
@click.option("--no-worker", is_flag=True, help="Do not compute on this machine.")
def start(no_worker: bool) -> None:
    """Start the cluster's programs on this machine in the background: its worker, and its broker if that is here."""
    from raisin_cli import active
    from raisin_core.identity.profile import Profile

    profile = Profile.load()
    started = active.start(profile, worker=not no_worker)
    click.echo(f"{profile.name}: started {' and '.join(started)}" if started else f"{profile.name}: all runs already")


@click.command(epilog=STOP_EPILOG)
def stop() -> None:
    """Stop the cluster's programs on this machine. Nothing is lost: work goes to others, or waits."""
    from raisin_cli import programs
    from raisin_core.identity.profile import Profile

    profile = Profile.load()
    stopped = programs.stop_all(profile.name)
    click.echo(f"{profile.name}: stopped {' and '.join(stopped)}" if stopped else f"{profile.name}: nothing ran here")


@click.command(epilog=USE_EPILOG)
@click.argument("name")
@click.option("--no-worker", is_flag=True, help="Do not compute on this machine.")
def use(name: str, no_worker: bool) -> None:
    """Work with another cluster that this machine belongs to; the worker of the one before is stopped."""
    from raisin_cli import active
    from raisin_core.identity.profile import Profile

    profile = Profile.load(name)
    stopped = active.activate(profile)
    started = active.start(profile, worker=not no_worker)
    click.echo(f"this machine works with {profile.name} now, as {profile.me.name}")
    if stopped:
        click.echo(f"stopped the worker for {stopped}")
    if started:
        click.echo(f"started {' and '.join(started)}")


@click.command(epilog=LEAVE_EPILOG)
@click.option("--yes", is_flag=True, help="Do not ask first.")
@click.option("--unheard", is_flag=True, help="Leave although the broker cannot be told: its members still list you.")
def leave(yes: bool, unheard: bool) -> None:
    """Leave the cluster for good: to come back takes a new invitation.

    What runs in the background here is ended; keys and settings stay, unused.
    """
    from raisin_cli import active, programs
    from raisin_cli.commands.asking import confirm
    from raisin_core.errors import ClusterError
    from raisin_core.identity.profile import Profile

    profile = Profile.load()
    confirm(_question(profile), yes)
    try:
        active.resign(profile)
    except ClusterError as error:
        if not unheard:
            raise type(error)(f"{error}; to leave although it cannot be told: raisin cluster leave --unheard") from None
        click.echo(f"raisin: the broker was not told: {error}", err=True)
    stopped = programs.stop_all(profile.name)
    Profile.use(None)
    click.echo(f"left {profile.name}" + (f"; stopped {' and '.join(stopped)}" if stopped else ""))
    if profile.root is not None:
        click.echo(f"its root key is still in {profile.directory}")


def _question(profile: Profile) -> str:
    from raisin_cli import programs

    more = ""
    if programs.broker_of(profile.name) is not None:
        more = " Its broker runs on this machine: it ends for everybody."
    elif profile.root is not None:
        more = " Its root key is on this machine: without it nobody can be invited or removed."
    return f"Leave {profile.name}?{more}"


COMMANDS: Final = (status, start, stop, use, leave)
