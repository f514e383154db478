"""Waiting for a session to stand, and what to say when it does not."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final

from raisin_core.client.session import Session
from raisin_core.errors import BrokerUnreachable, ClusterError, NotAdmitted, VersionMismatch, WrongBrokerKey

GLANCE: Final = 0.02
LOOK: Final = 0.5


def wait(session: Session, seconds: float, line: str = "", meanwhile: Callable[[], None] | None = None) -> None:
    """Wait until the session stands; where the broker's owner can let this machine in, with the `line` to add, as long
    as that takes.

    Raises BrokerUnreachable, WrongBrokerKey, NotAdmitted, VersionMismatch that say what is wrong and what to check.
    """
    until = time.monotonic() + seconds
    told = False
    while not session.greeted.wait(LOOK if told else GLANCE):
        _check(session)
        problem = session.problem
        if problem is not None and problem.over and problem.reason == "key":
            raise WrongBrokerKey(f"{problem.detail}; compare broker_key with the line that the broker printed")
        if problem is not None and problem.over and problem.reason == "refused" and line:
            if not told:
                sys.stderr.write(
                    f"raisin: {session.address} does not admit this machine yet; add to its roster.toml:\n{line}"
                )
            told = True
        elif time.monotonic() >= until:
            detail = problem.detail if problem else f"nobody answers at {session.address}"
            raise BrokerUnreachable(
                f"{detail} (waited {seconds:.0f} s; nothing submitted). Is raisin-broker running there? "
                "Does it listen on that address (--listen)? Is a firewall between?"
            )
        if meanwhile is not None:
            meanwhile()


def wait_as_member(session: Session, seconds: float, cluster: str) -> None:
    """The same, for a machine that has joined a cluster."""
    until = time.monotonic() + seconds
    while not session.greeted.wait(GLANCE):
        _check(session, cluster)
        problem, late = session.problem, time.monotonic() >= until
        if problem is not None and (problem.over or late):
            _judge(problem.reason, problem.detail, cluster)
        if late:
            raise BrokerUnreachable(
                f"{cluster!r} ({session.address}) silent for {seconds:.0f} s; nothing submitted.\n"
                '  Only this laptop: where="machine". Diagnose: raisin doctor'
            )


def _judge(reason: str, detail: str, cluster: str) -> None:
    error: ClusterError | None = None
    if reason == "key":
        error = WrongBrokerKey(f"{detail}: not the broker of {cluster!r}. Diagnose: raisin doctor")
    elif reason == "refused":
        error = NotAdmitted(
            f"{detail}. This machine was removed from {cluster!r}, or has left: ask for a new invitation. "
            "Diagnose: raisin doctor"
        )
    if error is not None:
        raise error


def _check(session: Session, cluster: str = "") -> None:
    """Raise what the broker said, if it will not have this machine."""
    refusal = session.refusal
    if refusal is None:
        return
    if refusal.code == "version":
        raise VersionMismatch(f"{session.address}: {refusal.reason}")
    if refusal.code in ("role", "not yours") or (cluster and refusal.code == "member"):
        raise NotAdmitted(f"{session.address}: {refusal.reason}")
