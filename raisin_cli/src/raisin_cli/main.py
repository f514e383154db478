"""The command `raisin`.

Rules of this file: it starts fast: what a command needs is imported in the command's body. A user's mistake gives one
line, never a traceback.
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

import click

from raisin_cli.commands.broker import broker
from raisin_cli.commands.cancel import cancel
from raisin_cli.commands.cluster import cluster
from raisin_cli.commands.demo import demo
from raisin_cli.commands.doctor import doctor
from raisin_cli.commands.explain import explain
from raisin_cli.commands.jobs import job, jobs
from raisin_cli.commands.join import join
from raisin_cli.commands.results import results
from raisin_cli.commands.trust import trust
from raisin_cli.commands.worker import worker
from raisin_core import __version__, limits
from raisin_core.errors import RaisinError
from raisin_core.texts import shown

EPILOG = """\b
Examples:
  raisin demo
  raisin cluster create lab
  raisin jobs
  raisin results 3f2a
\b
Completion in the shell, for bash (zsh and fish: put their name in place of bash):
  eval "$(_RAISIN_COMPLETE=bash_source raisin)"
"""
INTERRUPTED = 130


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="raisin %(version)s")
def cli() -> None:
    """A group's laptops as one computer."""


for command in (broker, cancel, cluster, demo, doctor, explain, job, jobs, join, results, trust, worker):
    cli.add_command(command)


def main() -> int:
    """Run the command line; gives the exit code: 0, 1 (it failed), 2 (wrong usage) or 130 (Ctrl-C)."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a letter that the terminal lacks is no reason to fail
    limits.leave_no_core_file()  # many a command reads keys
    try:
        return int(cli.main(prog_name="raisin", standalone_mode=False) or 0)
    except click.UsageError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _say(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the output (head, less) has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in its buffer goes nowhere
        return 1
    except (RaisinError, OSError) as error:
        return _say(str(error), 1)


def _say(problem: str, code: int) -> int:
    click.echo(f"raisin: {shown(problem)}", err=True)  # in part it may be what a broker or another member said
    return code


if __name__ == "__main__":
    sys.exit(main())
