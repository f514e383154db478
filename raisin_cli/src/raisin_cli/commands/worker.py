"""`raisin worker ...`."""

from __future__ import annotations

import click

from raisin_cli.commands.parts import needed

EPILOG = """\b
Examples:
  raisin worker                     for the active cluster, in the foreground
  raisin worker allow anna
  raisin worker run --broker 192.168.1.20:5757 --broker-key 'KEY'
"""
ALLOW_EPILOG = """\b
Examples:
  raisin worker allow anna
  raisin worker allow anna sam
"""
DENY_EPILOG = """\b
Example:
  raisin worker deny sam
"""
LIST_EPILOG = """\b
Examples:
  raisin worker list
  raisin worker list --json
"""


@click.group(epilog=EPILOG, invoke_without_command=True)
@click.pass_context
def worker(context: click.Context) -> int:
    """A machine that computes. Without a command: compute for the active cluster, until Ctrl-C."""
    if context.invoked_subcommand is not None:
        return 0
    from raisin_cli import background, programs
    from raisin_core.identity.profile import Profile

    name = Profile.load().name
    if (pid := background.running(programs.worker_of(name))) is not None:
        raise click.ClickException(f"it runs in the background already (pid {pid}): raisin cluster stop ends it")
    with needed("raisin-worker"):
        from raisin_worker.main import main

        return main(["--cluster", name])


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


@worker.command(epilog=ALLOW_EPILOG)
@click.argument("accounts", metavar="ACCOUNT...", nargs=-1, required=True)
def allow(accounts: tuple[str, ...]) -> None:
    """Let code of these accounts run here. No sandbox isolates it yet: it can do whatever you can."""
    from raisin_core.identity.profile import Profile

    profile = Profile.load()
    there = sorted({each.account for each in profile.standing.members.values()})
    for each in accounts:
        if each not in there:
            known = ", ".join(there)
            raise click.ClickException(f"no member of {profile.name} is of account {each[:80]!r}; there are {known}")
    _set(profile.name, sorted({*profile.runs, *accounts}))


@worker.command(epilog=DENY_EPILOG)
@click.argument("accounts", metavar="ACCOUNT...", nargs=-1, required=True)
def deny(accounts: tuple[str, ...]) -> None:
    """Run no code of these accounts here (any more)."""
    from raisin_core.identity.profile import Profile

    profile = Profile.load()
    for each in accounts:
        if each not in profile.runs:
            raise click.ClickException(f"account {each[:80]!r} was not allowed: raisin worker list shows who is")
    _set(profile.name, sorted({*profile.runs} - {*accounts}))


@worker.command("list", epilog=LIST_EPILOG)
@click.option("--json", "as_json", is_flag=True, help="A list for programs.")
def list_(as_json: bool) -> None:
    """Show whose code runs here."""
    from raisin_cli.said import dumps
    from raisin_core.identity.profile import Profile

    profile = Profile.load()
    click.echo(dumps(list(profile.runs)) if as_json else _words(list(profile.runs)))


def _set(cluster: str, accounts: list[str]) -> None:
    from raisin_cli import active
    from raisin_core.identity.profile import Profile

    again = active.allow(Profile.load(cluster), accounts)
    click.echo(_words(accounts) + ("; the worker was started anew with that" if again else ""))


def _words(accounts: list[str]) -> str:
    return "code of your own machines runs here" + (f", and of {', '.join(accounts)}" if accounts else ", no other")
