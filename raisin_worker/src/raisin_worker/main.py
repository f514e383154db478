"""`raisin-worker`: the command line of the worker."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from raisin_core import __version__, home, limits, stdin_life
from raisin_core.addresses import endpoints
from raisin_core.errors import RaisinError
from raisin_core.identity.keys import check_key
from raisin_core.texts import plain

if TYPE_CHECKING:
    from raisin_worker.settings import Settings

EXAMPLES = """examples:
  raisin-worker                                         for the cluster that this machine has joined
  raisin-worker --cluster lab --slots 2                 for another one of those
  raisin-worker --broker 192.168.1.20:5757 --broker-key='KEY'
  raisin-worker --broker lab:5757 --broker-key='KEY' --slots 2 --python ~/venv/bin/python

In a cluster a worker runs only code that its members have signed, and of them only those that its owner allows.
With --broker it belongs to whoever runs that broker, and runs all that it is given: ADDRESS and KEY stand in the line
that raisin-broker prints when it starts (quote the key: it has strange characters). At its first start such a worker
makes a key of its own, prints the lines to add to the broker's roster.toml, and waits.
SIGTERM or Ctrl-C: finishes what runs (10 s at most), gives back the rest. Again: ends at once. Nothing is lost.
"""


def parser() -> argparse.ArgumentParser:
    """The options."""
    parse = argparse.ArgumentParser(
        prog="raisin-worker",
        description="Run tasks of a cluster on this machine.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parse.add_argument("--cluster", metavar="NAME", help="a cluster that this machine has joined; default: the active")
    parse.add_argument("--broker", metavar="ADDRESS", help="HOST:PORT of a broker without members")
    parse.add_argument("--broker-key", metavar="KEY", help="its public key (40 characters)")
    parse.add_argument(
        "--slots", metavar="N", type=int, help="task processes; default: all cores but one, at least one"
    )
    parse.add_argument("--python", metavar="PATH", help="interpreter that runs the tasks; default: this one")
    parse.add_argument(
        "--data", metavar="DIRECTORY", type=Path, help="default: worker/ in the user's or cluster's directory"
    )
    parse.add_argument("--verbose", action="store_true", help="log to the terminal, too")
    parse.add_argument("--end-with-stdin", action="store_true", help="end when standard input ends (for supervisors)")
    parse.add_argument("--contexts", action="store_true", help=argparse.SUPPRESS)  # the embedded cluster's
    parse.add_argument("--version", action="version", version=f"raisin-worker {__version__}")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run a worker until it is told to stop; the exit code is 0, or 1 with one line that says what is wrong."""
    parse = parser()
    options = parse.parse_args(argv)
    limits.no_core_files()  # before a secret is read
    if (options.broker is None) != (options.broker_key is None):
        parse.error("--broker and --broker-key belong together")
    if options.cluster is not None and options.broker is not None:
        parse.error("--cluster says where the broker is: leave out --broker and --broker-key")
    if options.contexts and options.broker is None:
        parse.error("--contexts is for embedded clusters")
    if options.slots is not None and options.slots < 1:
        parse.error("--slots must be at least 1")
    try:
        settings = _settings(options)
    except (RaisinError, OSError) as error:  # some of them are ValueErrors, too
        return _say(str(error))
    except ValueError as error:
        parse.error(str(error))
    return _run(settings, options.end_with_stdin)


def _settings(options: argparse.Namespace) -> Settings:
    """What was asked for. Raises ValueError (an option that cannot mean anything), RaisinError (no such cluster)."""
    from raisin_worker.settings import Settings

    python = _interpreter(options.python)
    slots = options.slots if options.slots is not None else max(1, (os.cpu_count() or 2) - 1)
    if options.broker is None:
        from raisin_core.identity.profile import Profile

        settings = Settings.of(Profile.load(options.cluster), slots, python, options.verbose)
        return settings if options.data is None else msgspec.structs.replace(settings, directory=options.data)
    endpoints(options.broker)
    broker_key = check_key(options.broker_key)
    data = options.data or home.home() / "worker"
    return Settings(options.broker, broker_key, data, slots, python, options.contexts, options.verbose)


def _run(settings: Settings, end_with_stdin: bool) -> int:
    from raisin_worker.agent import Agent

    try:
        agent = Agent(settings)
    except (RaisinError, OSError) as error:
        return _say(str(error))
    agent.catch_signals()  # whoever reads the line may send one
    count = f"{settings.slots} slot{'s' if settings.slots > 1 else ''}"
    whom = settings.broker if settings.profile is None else f"cluster {settings.profile.name}"
    said = f"raisin-worker: {count} for {whom}, data {settings.directory}, pid {os.getpid()}"
    print(said, flush=True)  # noqa: T201
    if end_with_stdin:
        stdin_life.end_with_stdin()
    reason = agent.run()
    return _say(plain(reason, 2000)) if reason else 0


def _interpreter(given: str | None) -> str:
    """The path of the interpreter. Raises ValueError if there is none."""
    if given is None:
        return sys.executable
    found = shutil.which(str(Path(given).expanduser()))
    if found is None:
        raise ValueError(f"--python: {given} is no program that can be run")
    return found


def _say(problem: str) -> int:
    print(f"raisin-worker: {problem}", file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
