"""Names: of clusters, machines and accounts, as they are typed, or taken from the system.

Rules of this file: a name is short, printable, and can be typed without quotes.
"""

from __future__ import annotations

import getpass
import re
from typing import Final

import click

from raisin_core import home

MOST: Final = 64
ROLES: Final = ("client", "worker")

_NAME: Final = re.compile(r"\w[\w.-]*")


def checked(name: str) -> str:
    """The name of a machine or account, if it is one. Raises click.UsageError.

    >>> checked("my-laptop.2")
    'my-laptop.2'
    """
    if not _NAME.fullmatch(name) or len(name) > MOST:
        raise click.UsageError(
            f"{name[:80]!r} is no name: letters, digits, '-', '_' and '.', beginning with a letter or digit, "
            f"{MOST} at most"
        )
    return name


def checked_cluster(name: str) -> str:
    """The name of a cluster, if it is one: it is that of a folder, too. Raises click.UsageError."""
    from raisin_core.identity.checking import check_cluster_name

    try:
        return check_cluster_name(name)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def checked_roles(text: str) -> list[str]:
    """Roles as they are typed, sorted. Raises click.UsageError.

    >>> checked_roles("worker, client")
    ['client', 'worker']
    """
    found = sorted({each.strip() for each in text.split(",") if each.strip()})
    wrong = [each for each in found if each not in ROLES]
    if wrong or not found:
        raise click.UsageError(f"--roles: {text[:80]!r} must name some of {', '.join(ROLES)}, with commas between")
    return found


def machine_name() -> str:
    """A name for this machine: its host name, as far as that is one."""
    return _made(home.host_name()) or "machine"


def account_name() -> str:
    """A name for whoever is at work: the user name, as far as that is one."""
    try:
        return _made(getpass.getuser()) or "me"
    except (OSError, KeyError, ImportError):  # no such user, or a system without
        return "me"


def _made(text: str) -> str:
    kept = re.sub(r"[^\w.-]+", "-", text).strip("-._")
    return kept[:MOST]
