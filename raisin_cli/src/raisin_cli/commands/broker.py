"""`raisin broker ...`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from raisin_cli.commands.parts import needed

DATABASE: Final = "raisin.db"

EPILOG = """\b
Examples:
  raisin broker                                  the active cluster's, in the foreground
  raisin broker run --listen 192.168.1.20:5757   one of its own: a cluster elsewhere can be founded at it
  raisin broker backup saved.tar
"""
BACKUP_EPILOG = """\b
Examples:
  raisin broker backup saved.tar
  raisin broker backup saved.tar --data /srv/raisin
  raisin broker backup mine.tar --embedded
"""
RESTORE_EPILOG = """\b
Example:
  raisin broker restore saved.tar --data /srv/raisin
"""
CHECK_EPILOG = """\b
Example:
  raisin broker check --data /srv/raisin
"""

Command = TypeVar("Command", bound=Callable[..., Any])


@click.group(epilog=EPILOG, invoke_without_command=True)
@click.pass_context
def broker(context: click.Context) -> int:
    """The machine that keeps a cluster's jobs. Without a command: be that for the active cluster, until Ctrl-C."""
    if context.invoked_subcommand is not None:
        return 0
    from raisin_cli import background, programs
    from raisin_core.identity.profile import Profile

    name = Profile.load().name
    program, arguments = programs.broker_of(name), programs.broker_arguments(name)
    if program is None or arguments is None:
        raise click.ClickException(f"the broker of {name} is not on this machine; raisin broker run starts one without")
    if (pid := background.running(program)) is not None:
        raise click.ClickException(f"it runs in the background already (pid {pid}): raisin cluster stop ends it")
    with needed("raisin-broker"):
        from raisin_broker.main import main

        return main(arguments)


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


def of_a_broker(command: Command) -> Command:
    """The options that say which broker's directory, as the parameters `data` and `embedded`."""
    data = click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIRECTORY",
        help="The broker's; default: broker/ in your raisin directory.",
    )
    return data(click.option("--embedded", is_flag=True, help="That of this machine's own cluster.")(command))


@broker.command(epilog=BACKUP_EPILOG)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@of_a_broker
def backup(file: Path, data: Path | None, embedded: bool) -> None:
    """Save jobs, results, blobs and the cluster's roster in one new FILE; the broker may be running.

    It holds what the jobs' owners submitted and computed, readable for you only. The broker's key is not in it, nor is
    a roster.toml.
    """
    directory = _directory(data, embedded)
    with needed("raisin-broker"):
        from raisin_broker.store.backup import backup as save
    copied = save(directory, file)
    blobs = f" and {copied.blobs} blobs" if copied.blobs else ""
    click.echo(f"{file}: {copied.size:,} bytes, {_jobs(directory / DATABASE)}{blobs}, from {directory}")
    if copied.missing:
        click.echo(
            f"{copied.missing} blobs were not there (any more): their jobs went meanwhile, or lack them", err=True
        )
    click.echo(f"To restore: raisin broker restore {file} --data DIRECTORY")
    others = "" if (directory / "book").exists() else ", and roster.toml"
    click.echo(f"Not in it: broker.key, by which others know this broker{others} (in {directory})")


@broker.command(epilog=RESTORE_EPILOG)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@of_a_broker
def restore(file: Path, data: Path | None, embedded: bool) -> None:
    """Put what `raisin broker backup` saved into a directory where no broker runs and no database is.

    What came after the backup is gone: clients that wait for it are told so.
    """
    from raisin_core import home
    from raisin_core.errors import DirectoryBusy

    directory = _directory(data, embedded)
    with needed("raisin-broker"):
        from raisin_broker.store.backup import restore as put
    lock = home.Lock(home.private_directory(directory) / "broker.lock")
    if not lock.acquire(blocking=False):
        raise DirectoryBusy(f"a broker is running on {directory}; stop it, or choose another directory with --data")
    try:
        put(file, directory)
    finally:
        lock.release()
    click.echo(f"{directory}: {_jobs(directory / DATABASE)} restored")
    wanted = ("broker.key",) if (directory / "book").exists() else ("broker.key", "roster.toml")
    absent = [name for name in wanted if not (directory / name).exists()]
    if absent:
        what = " and ".join(absent)
        click.echo(
            f"Put {what} there too, if you have kept them: without, others will not know this broker, or it them"
        )


@broker.command(epilog=CHECK_EPILOG)
@of_a_broker
def check(data: Path | None, embedded: bool) -> int:
    """Look for damage in all that is stored; the broker may be running. The exit code is 1 if there is any."""
    from raisin_core.errors import RosterError

    path = _directory(data, embedded) / DATABASE
    with needed("raisin-broker"):
        from raisin_broker import charter
        from raisin_broker.store import integrity, opening
        from raisin_broker.store.version import VERSION
    if not path.is_file():
        raise click.ClickException(f"{path.parent}: there is no {DATABASE}; is this a broker's directory?")
    version = opening.version_of(path)
    if version == VERSION:
        complaints = integrity.check(path)
    else:  # of an older version: the broker brings it up to date when it starts
        integrity.look(path, limit=path.stat().st_size, budget=float("inf"))
        complaints = []
    complaints = [f"{path}: {each}" for each in complaints]
    try:
        charter.read(path.with_name(charter.BOOK))
    except RosterError as error:
        complaints.append(str(error))
    for each in complaints:
        click.echo(each, err=True)
    if complaints:
        click.echo("It was left as it is. Restore a backup into another directory, or stop the broker first", err=True)
        return 1
    click.echo(f"{path}: good, {_size(path):,} bytes, {_jobs(path) if version else 'nothing in it yet'}")
    return 0


def _directory(data: Path | None, embedded: bool) -> Path:
    """Raises UsageError if both are given."""
    from raisin_core import home

    if data is not None and embedded:
        raise click.UsageError("--data and --embedded name different directories: choose one")
    if embedded:
        from raisin_core.messages import VERSION

        return home.home() / f"embedded-{VERSION}-{home.host_name()}" / "broker"
    return data or home.home() / "broker"


def _size(path: Path) -> int:
    """Bytes of a database, with what is still in its log."""
    return sum(each.stat().st_size for each in (path, path.with_name(f"{path.name}-wal")) if each.exists())


def _jobs(path: Path) -> str:
    """How many jobs there are in a database."""
    from contextlib import closing

    from raisin_broker.store.integrity import reading

    with closing(reading(path)) as db:
        (count,) = db.execute("SELECT COUNT(*) FROM jobs WHERE job IS NOT NULL").fetchone()
    return f"{count} job{'' if count == 1 else 's'}"
