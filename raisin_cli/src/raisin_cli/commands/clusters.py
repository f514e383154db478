"""Which cluster a command is about: the options, and the connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from raisin_core.client.connection import Connection

Command = TypeVar("Command", bound=Callable[..., Any])


def about_a_cluster(command: Command) -> Command:
    """The options that say which cluster, as the parameters `broker`, `broker_key` and `key_file`."""
    for option in (
        click.option(
            "--key-file",
            type=click.Path(dir_okay=False, path_type=Path),
            envvar="RAISIN_KEY_FILE",
            metavar="FILE",
            help="This machine's own key.  [env: RAISIN_KEY_FILE]",
        ),
        click.option(
            "--broker-key",
            envvar="RAISIN_BROKER_KEY",
            metavar="KEY",
            help="What the broker printed when it started.  [env: RAISIN_BROKER_KEY]",
        ),
        click.option(
            "--broker",
            envvar="RAISIN_BROKER",
            metavar="HOST:PORT",
            help="Its broker; default: the cluster that this machine joined, else its own.  [env: RAISIN_BROKER]",
        ),
    ):
        command = option(command)
    return command


def digits_of(*ids: str) -> list[str]:
    """Job ids as they were typed, looked at before any cluster is. Raises UsageError."""
    from raisin_core.client.attach import checked

    return [checked(each) for each in ids]


@contextmanager
def connected(broker: str | None, broker_key: str | None, key_file: Path | None) -> Iterator[Connection]:
    """The cluster, as the one that `raisin.attach` uses meanwhile: the active one, else this machine's own, which is
    started if need be.

    Raises click.UsageError, ClusterError.
    """
    if (broker is None) is not (broker_key is None):
        missing = "--broker-key" if broker else "--broker"
        raise click.UsageError(f"{missing} is missing: --broker and --broker-key belong together")
    import raisin
    from raisin_core.client import connection

    if broker is None or broker_key is None:
        yield connection.current("auto")
        return
    try:
        made = raisin.connect(broker, broker_key=broker_key, key_file=key_file)
    except ValueError as error:
        if isinstance(error, raisin.RaisinError):
            raise
        raise click.UsageError(str(error)) from None
    with made:
        yield made
