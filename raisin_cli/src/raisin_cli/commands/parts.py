"""Parts that may not be on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click


def check_parts(broker: bool = False, worker: bool = False) -> None:
    """Before anything is done: are the programs there that will be started? Raises ClickException."""
    if broker:
        with needed("raisin-broker"):
            import raisin_broker.main  # noqa: F401
    if worker:
        with needed("raisin-worker"):
            import raisin_worker.main  # noqa: F401


@contextmanager
def needed(distribution: str) -> Iterator[None]:
    """Imports inside may fail: then one line says what to install. Raises ClickException."""
    try:
        yield
    except ModuleNotFoundError as missing:
        package = distribution.replace("-", "_")
        if (missing.name or "").split(".")[0] == package:
            problem = f"{distribution} is not installed"
        else:
            problem = f"{distribution} lacks the module {missing.name!r}"
        raise click.ClickException(f"{problem}. Install it: pip install {distribution}") from None
