"""What a worker is told at its start.

Rules of this file: plain data; who may be a worker is looked at here, and nothing else.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from raisin_core.errors import UsageError

if TYPE_CHECKING:  # it costs time at the start, and the embedded cluster does without
    from raisin_core.identity.profile import Profile


class Settings(msgspec.Struct, frozen=True):
    """What a worker is told at its start. `contexts`: it runs tasks in the submitting clients' own interpreter,
    directory and environment (embedded cluster: all are one user's on one machine). `profile`: it is a member's of a
    cluster, whose roster says where else the broker may be."""

    broker: str
    broker_key: bytes
    directory: Path
    slots: int
    python: str = sys.executable
    contexts: bool = False
    verbose: bool = False
    profile: Profile | None = None

    @classmethod
    def of(cls, profile: Profile, slots: int, python: str = sys.executable, verbose: bool = False) -> Settings:
        """A member's. Raises UsageError if it is not to be a worker."""
        if "worker" not in profile.me.roles:
            roles = ", ".join(profile.me.roles)
            raise UsageError(f"{profile.me.name} is no worker of cluster {profile.name} (its roles: {roles})")
        directory = profile.directory / "worker"
        address, key = profile.addresses[0], profile.broker_key
        return cls(address, key, directory, slots, python, verbose=verbose, profile=profile)
