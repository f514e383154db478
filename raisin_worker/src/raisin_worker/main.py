"""`raisin-worker`: the command line of the worker."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from raisin_core import __version__, home, stdin_life
from raisin_core.addresses import endpoints
from raisin_core.errors import RaisinError
from raisin_core.identity.keys import check_key

EXAMPLES = """examples:
  raisin-worker --broker 192.168.1.20:5757 --broker-key='KEY'
  raisin-worker --broker lab:5757 --broker-key='KEY' --slots 2 --python ~/venv/bin/python

ADDRESS and KEY stand in the line that raisin-broker prints when it starts (quote the key: it has strange characters).
At its first start a worker makes a key of its own, prints the lines to add to the broker's roster.toml, and waits.
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
    parse.add_argument("--broker", metavar="ADDRESS", required=True, help="HOST:PORT of the broker")
    parse.add_argument("--broker-key", metavar="KEY", required=True, help="its public key (40 characters)")
    parse.add_argument(
        "--slots", metavar="N", type=int, help="task processes; default: all cores but one, at least one"
    )
    parse.add_argument("--python", metavar="PATH", help="interpreter that runs the tasks; default: this one")
    parse.add_argument("--data", metavar="DIRECTORY", type=Path, help="default: worker/ in the user's raisin directory")
    parse.add_argument("--verbose", action="store_true", help="log to the terminal, too")
    parse.add_argument("--end-with-stdin", action="store_true", help="end when standard input ends (for supervisors)")
    parse.add_argument("--contexts", action="store_true", help=argparse.SUPPRESS)  # the embedded cluster's
    parse.add_argument("--version", action="version", version=f"raisin-worker {__version__}")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run a worker until it is told to stop; the exit code is 0, or 1 with one line that says what is wrong."""
    parse = parser()
    options = parse.parse_args(argv)
    try:
        endpoints(options.broker)
        broker_key = check_key(options.broker_key)
        python = _interpreter(options.python)
    except ValueError as error:
        parse.error(str(error))
    slots = options.slots if options.slots is not None else max(1, (os.cpu_count() or 2) - 1)
    if slots < 1:
        parse.error("--slots must be at least 1")
    from raisin_worker.agent import Agent, Settings

    data = options.data or home.home() / "worker"
    settings = Settings(options.broker, broker_key, data, slots, python, options.contexts, options.verbose)
    try:
        agent = Agent(settings)
    except (RaisinError, OSError) as error:
        return _say(str(error))
    agent.catch_signals()  # whoever reads the line may send one
    count = f"{slots} slot{'s' if slots > 1 else ''}"
    print(f"raisin-worker: {count} for {options.broker}, data {data}, pid {os.getpid()}", flush=True)  # noqa: T201
    if options.end_with_stdin:
        stdin_life.end_with_stdin()
    reason = agent.run()
    return _say(reason) if reason else 0


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
