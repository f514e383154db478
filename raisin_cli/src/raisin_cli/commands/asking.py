"""Questions to whoever types a command."""

from __future__ import annotations

import sys

import click


def confirm(question: str, yes: bool) -> None:
    """Ask, unless `yes`. Raises Abort where the answer is no, UsageError where nobody can be asked."""
    if yes:
        return
    someone()
    click.confirm(question, abort=True)


def someone() -> None:
    """Raises UsageError where nobody can be asked."""
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here (standard input is no terminal): say --yes")
