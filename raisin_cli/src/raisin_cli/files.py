"""A file that appears whole or not at all, for its owner only, and never in the place of another one unasked."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import click


def check_target(target: Path, force: bool) -> None:
    """Find out early what can be found out early. Raises ClickException."""
    if not force and os.path.lexists(target):
        raise click.ClickException(f"{target} exists already; choose another name, or overwrite it with --force")
    if not target.parent.is_dir():
        raise click.ClickException(f"there is no directory {target.parent}")


def write_whole(target: Path, write: Callable[[BinaryIO], None], force: bool) -> int:
    """Let `write` fill a file, then put it in place; gives its size in bytes. Raises ClickException, OSError."""
    temporary = target.with_name(f".{target.name[:100]}.{os.getpid()}.{secrets.token_hex(4)}")
    number = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with open(number, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        _place(temporary, target, force)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return size


def _place(temporary: Path, target: Path, force: bool) -> None:
    """A link cannot take another file's place; where there are none, looking first must do."""
    if not force:
        try:
            os.link(temporary, target)
        except FileExistsError:
            check_target(target, force)
        except OSError:
            check_target(target, force)
        else:
            temporary.unlink()
            return
    os.replace(temporary, target)
