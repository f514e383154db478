"""Which cluster this interpreter works with: the one it connected to, or the embedded one; and its end.

One connection per cluster and process. A forked child forgets its parent's connections and makes its own. When the
interpreter ends, what was started on the embedded cluster is waited for (unless Ctrl-C ended it), and everything
closes in order.
"""

from __future__ import annotations

import atexit
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

from raisin_core import digests, home
from raisin_core.client import bar, context, embedded
from raisin_core.client.lives import Life
from raisin_core.client.printing import Printer
from raisin_core.client.session import Session
from raisin_core.client.state import Me
from raisin_core.errors import (
    BrokerUnreachable,
    ClusterError,
    NotAdmitted,
    StartError,
    UsageError,
    VersionMismatch,
    WrongBrokerKey,
)
from raisin_core.identity import keys
from raisin_core.identity.roster import line_to_add
from raisin_core.messages import Message

CONNECT_SECONDS: Final = 5.0
START_SECONDS: Final = 20.0
COMPLAINT_SECONDS: Final = 3.0
HEAL_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 10.0
SETTLE_SECONDS: Final = 5.0


class Leaving(Protocol):
    """A call that was made: see runs.RemoteRun."""

    def leave(self, wait: bool, interrupted: bool) -> str: ...


class Connection:
    """A cluster that this process uses. As a context manager it is the one that verbs use inside the block."""

    def __init__(
        self, session: Session, context_digest: bytes, place: embedded.Place | None, life: Life | None = None
    ) -> None:
        self.session, self.context, self.place, self._life = session, context_digest, place, life
        self.printer = Printer()
        self.runs: dict[bytes, Leaving] = {}
        self._healed = 0.0

    @property
    def address(self) -> str:
        return self.session.address

    def heal(self) -> None:
        """Called while somebody waits: the embedded cluster is started anew if it has died."""
        lost, now = self.session.lost_at, time.monotonic()
        if self.place is not None and lost is not None and now - max(lost, self._healed) > HEAL_SECONDS:
            self._healed = now
            embedded.ensure()

    def ask(self, message: Message, about: bytes = b"", seconds: float = ANSWER_SECONDS) -> Message:
        """The broker's answer to a question (Refused where it has none). Raises BrokerUnreachable."""
        answers: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.session.ask(about, message, answers.put)
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                return answers.get(timeout=min(left, 0.5))
            except queue.Empty:
                self.heal()
        raise BrokerUnreachable(f"the broker at {self.address} did not answer within {seconds:.0f} s")

    def close(self) -> None:
        """End it in good order; jobs that were submitted go on (on the embedded cluster, while others use it)."""
        if self in _active:
            _active.remove(self)
        self.session.close()
        if self._life is not None:
            self._life.end()
        self.printer.close()
        if self.place is not None:
            embedded.leave(self.place)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "connected" if self.session.greeted.is_set() else "not connected"
        return f"<raisin connection to {self.address}: {state}>"


_lock = threading.RLock()
_active: list[Connection] = []
_embedded: Connection | None = None
_ending = False


def connect(address: str, *, broker_key: str, key_file: str | os.PathLike[str] | None = None) -> Connection:
    """Use the cluster of the broker at `address` ("host:port") from now on; also as `with raisin.connect(...):`.

    `broker_key` stands in the line that the broker prints when it starts. `key_file` holds this machine's own key; it
    is made if it does not exist. If the broker does not know it yet, the lines to add to its roster are printed, and
    this waits until they are there.

    Raises BrokerUnreachable (nobody answers within 5 s), WrongBrokerKey, VersionMismatch, ValueError (not an address or
    not a key), OSError (the key file).
    """
    wanted = keys.check_key(broker_key)
    path = Path(key_file) if key_file is not None else home.private_directory(home.home()) / "client.key"
    own, _ = keys.load_or_make(path)
    life = Life(path.parent / "clients" / digests.content(wanted + own.public).hex()[:16])
    session = Session(Me(life.instance, home.host_name(), os.getpid(), before=life.before), address, wanted, own)
    try:
        _await(session, CONNECT_SECONDS, line_to_add(own.public.decode(), home.host_name(), "client"))
    except BaseException:
        session.close(0.5)
        life.end()
        raise
    connection = Connection(session, b"", None, life)
    with _lock:
        _active.append(connection)
    return connection


def current(where: str) -> Connection:
    """The connection that a verb with this `where` is to use. Raises UsageError, ClusterError."""
    with _lock:
        if _ending:
            raise ClusterError("the interpreter is ending: nothing can be submitted any more")
        if where != "machine" and _active:
            return _active[-1]
        if where == "cluster":
            raise UsageError('where="cluster": this interpreter is in no cluster; call raisin.connect(...) first')
        return _own()


def _own() -> Connection:
    """The embedded cluster, started at the first use."""
    global _embedded
    if _embedded is None or not _embedded.session.alive:
        place = embedded.ensure()
        life = Life(place.directory / "clients")
        payload = context.capture(life.instance)
        me = Me(life.instance, home.host_name(), os.getpid(), "", digests.content(payload), payload, life.before)
        session = Session(me, place.address, place.broker_key, place.keys)
        connection = Connection(session, me.context, place, life)
        try:
            _await(session, START_SECONDS, "", _Start(connection, place))
        except BaseException as error:
            session.close(0.5)
            life.end()
            embedded.leave(place)
            if not isinstance(error, ClusterError):
                raise
            raise StartError(f"the cluster of this machine did not start: {error}\n{embedded.tail(place)}") from error
        _embedded = connection
        _introduce(place.slots)
    return _embedded


class _Start:
    """While the embedded cluster is started: what dies is started anew, but not for long if it says why it cannot."""

    def __init__(self, connection: Connection, place: embedded.Place) -> None:
        self._connection, self._place = connection, place
        self._give_up_at = time.monotonic() + COMPLAINT_SECONDS

    def __call__(self) -> None:
        self._connection.heal()
        if time.monotonic() > self._give_up_at and (said := embedded.complaint(self._place)):
            raise ClusterError(said.splitlines()[0])


def _introduce(slots: int) -> None:
    if bar.someone_looks(sys.stderr):
        sys.stderr.write(f"raisin: this machine, {slots} slot{'s' if slots > 1 else ''}\n")


def _await(session: Session, seconds: float, line: str, meanwhile: Callable[[], None] | None = None) -> None:
    """Wait until the session stands. Raises ClusterError that says what is wrong and what to check."""
    until = time.monotonic() + seconds
    told = False
    while not session.greeted.wait(0.02 if not told else 0.5):
        problem, refusal = session.problem, session.refusal
        if refusal is not None and refusal.code == "version":
            raise VersionMismatch(f"{session.address}: {refusal.reason}")
        if refusal is not None and refusal.code in ("role", "not yours"):
            raise NotAdmitted(f"{session.address}: {refusal.reason}")
        if problem is not None and problem.reason == "key":
            raise WrongBrokerKey(f"{problem.detail}; compare broker_key with the line that the broker printed")
        if problem is not None and problem.reason == "refused" and line:
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


def _leave() -> None:
    """At the interpreter's end: wait for what was started, unless Ctrl-C ended it; then close everything."""
    global _ending
    connections = [*_active, *([_embedded] if _embedded else [])]
    interrupted = getattr(sys, "last_type", None) is KeyboardInterrupt
    for connection in connections:
        if connection.session.alive:
            _finish(connection, interrupted)
    _ending = True
    for connection in connections:
        if connection.session.alive:
            _settle(connection)
            connection.close()


def _finish(connection: Connection, interrupted: bool) -> None:
    """Bring what was started to its end, or say what is left to the cluster."""
    for run in list(connection.runs.values()):
        try:
            said = run.leave(connection.place is not None, interrupted)
        except KeyboardInterrupt:
            interrupted = True
            said = run.leave(False, interrupted) or "interrupted while waiting for what was started: it is cancelled"
        except Exception as error:  # noqa: BLE001 - the interpreter ends anyway; say it and go on
            said = str(error)
        if said:
            sys.stderr.write(f"raisin: {said}\n")


def _settle(connection: Connection) -> None:
    """Wait until the broker has acknowledged what was sent, if it is there."""
    until = time.monotonic() + SETTLE_SECONDS
    connection.session.wake()  # there may be things that were in no hurry
    while not connection.session.settled and connection.session.lost_at is None and time.monotonic() < until:
        time.sleep(0.01)


def _forget() -> None:
    """In a forked child: the sockets are the parent's."""
    global _embedded, _lock
    _lock = threading.RLock()
    for connection in [*_active, *([_embedded] if _embedded else [])]:
        connection.session.abandon()
        connection.runs.clear()
    _active.clear()
    _embedded = None


atexit.register(_leave)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
