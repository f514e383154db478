"""This machine in its cluster: which profile is active, its programs, leaving.

Rules of this file: a machine belongs to one cluster at a time: what computes for another one is stopped first.
"""

from __future__ import annotations

from raisin_cli import background, programs, rosters
from raisin_core.errors import NotAdmitted
from raisin_core.identity import documents
from raisin_core.identity.profile import Profile
from raisin_core.messages import Resign, Roster


def activate(profile: Profile) -> str | None:
    """Work with this cluster from now on; the cluster whose worker was stopped for that, if any. Raises OSError."""
    before = Profile.active_name()
    stopped = None
    if before is not None and before != profile.name and background.stop(programs.worker_of(before)):
        stopped = before
    Profile.use(profile.name)
    return stopped


def start(profile: Profile, worker: bool = True) -> list[str]:
    """Start the programs that do not run; the names of those that were started. Raises StartError, OSError."""
    wanted = worker and "worker" in profile.me.roles
    chosen = [each for each in programs.programs_of(profile.name) if wanted or each.name != "worker"]
    return [each.name for each in chosen if background.start(each)]


def resign(profile: Profile) -> None:
    """Tell the broker that this machine leaves for good. Raises ClusterError; nothing if it is out already."""
    word = documents.resignation(profile.secrets, profile.cluster, profile.standing.version)
    try:
        rosters.ask(profile, Resign(), Roster, documents.encode(word))
    except NotAdmitted:
        return


def allow(profile: Profile, accounts: list[str]) -> bool:
    """Set whose code the worker here runs beside that of own machines; whether a running one was started anew."""
    profile.set_runs(accounts)
    worker = programs.worker_of(profile.name)
    if not background.stop(worker):
        return False
    background.start(worker)
    return True
