"""Which cluster this interpreter works with: the one it connected to, the one that this machine joined, or the embedded
one; and its end.

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
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol

from raisin_core import digests, home
from raisin_core.client import bar, context, embedded, greeting
from raisin_core.client.asking import readable
from raisin_core.client.lives import Life
from raisin_core.client.printing import Printer
from raisin_core.client.seals import NoSeal, Seal
from raisin_core.client.session import Session
from raisin_core.client.state import Me
from raisin_core.errors import BrokerUnreachable, ClusterError, StartError, UsageError
from raisin_core.identity import keys
from raisin_core.identity.roster import line_to_add
from raisin_core.messages import Message

if TYPE_CHECKING:
    from raisin_core.client.belonging import Belonging

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
        self,
        session: Session,
        context_digest: bytes,
        place: embedded.Place | None,
        life: Life | None = None,
        belonging: Belonging | None = None,
    ) -> None:
        self.session, self.context, self.place, self._life = session, context_digest, place, life
        self.belonging = belonging
        self.printer = Printer()
        self.runs: dict[bytes, Leaving] = {}
        self._healed = 0.0

    @property
    def address(self) -> str:
        return self.session.address

    @property
    def name(self) -> str:
        """The cluster's, where this machine joined it; else empty."""
        return self.belonging.profile.name if self.belonging is not None else ""

    @property
    def mine(self) -> list[str]:
        """Members whose results load like pickle: this machine and those confirmed as mine."""
        return self.belonging.mine if self.belonging is not None else []

    def seal(self, job: bytes) -> Seal:
        """What the messages of a job pass."""
        if self.belonging is None:
            return NoSeal()
        from raisin_core.client.memberseal import MemberSeal

        return MemberSeal(self.belonging, job)

    def check_where(self, names: Sequence[str]) -> None:
        """Whether these are members. Raises UsageError that names those there are, where a roster says so."""
        if self.belonging is not None and names:
            self.belonging.check_workers(names)

    def announce(self) -> None:
        """Before the first job that leaves this machine: say whose machines get the code."""
        said = self.belonging.announcement() if self.belonging is not None else ""
        if said and bar.someone_looks(sys.stderr):
            sys.stderr.write(f"{said}\n")

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
                answer = answers.get(timeout=min(left, 0.5))
                return answer if self.belonging is None else readable(answer, self.belonging.sealer.reveal)
            except queue.Empty:
                self.heal()
        raise BrokerUnreachable(f"the broker at {self.address} did not answer within {seconds:.0f} s")

    def close(self) -> None:
        """End it in good order; jobs that were submitted go on (on the embedded cluster, while others use it)."""
        global _member
        if self in _active:
            _active.remove(self)
        if self is _member:
            _member = None
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
        where = f"{self.name} ({self.address})" if self.name else self.address
        return f"<raisin connection to {where}: {state}>"


_lock = threading.RLock()
_active: list[Connection] = []
_member: Connection | None = None
_embedded: Connection | None = None
_belongs: bool | None = None
_ending = False


def connect(
    cluster: str | None = None, *, broker_key: str | None = None, key_file: str | os.PathLike[str] | None = None
) -> Connection:
    """Use a cluster that this machine joined from now on: the one of this name, or the active one. Also as
    `with raisin.connect("lab"):`. Without it, verbs use the active cluster, and this machine where there is none.

    With `broker_key` a broker is used without having joined: `cluster` is then its address ("host:port"), the key
    stands in the line that it prints when it starts. `key_file` holds this machine's own key; it is made if it does not
    exist. If the broker does not know it yet, the lines to add to its roster are printed, and this waits until they are
    there. What is submitted then is encrypted on its way, but not sealed: the broker can read it.

    Raises BrokerUnreachable (nobody answers within 5 s), WrongBrokerKey, NotAdmitted (removed from the cluster),
    VersionMismatch, UsageError (no such cluster here), ValueError (not an address or not a key), KeyFileError,
    RosterError, OSError (the key file, the profile).
    """
    if broker_key is not None:
        if cluster is None:
            raise UsageError('connect: with broker_key=, say where the broker is: connect("host:port", broker_key=...)')
        connection = _at(cluster, broker_key, key_file)
    elif key_file is not None:
        raise UsageError("connect: key_file= goes with broker_key=; a cluster that was joined has its own key")
    else:
        connection = _joined(cluster)
    with _lock:
        _active.append(connection)
    return connection


def _at(address: str, broker_key: str, key_file: str | os.PathLike[str] | None) -> Connection:
    """A broker, without a profile."""
    wanted = keys.check_key(broker_key)
    path = Path(key_file) if key_file is not None else home.private_directory(home.home()) / "client.key"
    own, _ = keys.load_or_make(path)
    life = Life(path.parent / "clients" / digests.content(wanted + own.public).hex()[:16])
    session = Session(Me(life.instance, home.host_name(), os.getpid(), before=life.before), address, wanted, own)
    line = line_to_add(own.public.decode(), home.host_name(), "client")
    _standing(session, life, lambda: greeting.wait(session, CONNECT_SECONDS, line))
    return Connection(session, b"", None, life)


def _joined(name: str | None) -> Connection:
    """A cluster that this machine joined."""
    from raisin_core.client.belonging import Belonging  # what it needs takes long to import

    try:
        belonging = Belonging.load(name)
    except UsageError as error:
        hint = "; to use a broker by its address: broker_key=" if name is not None and ":" in name else ""
        raise UsageError(f"connect: {error}{hint}") from None
    profile = belonging.profile
    life = Life(profile.directory / "clients")
    me = Me(life.instance, home.host_name(), os.getpid(), before=life.before)
    session = Session(me, profile.addresses, profile.broker_key, profile.secrets.curve, belonging)
    _standing(session, life, lambda: greeting.wait_as_member(session, CONNECT_SECONDS, profile.name))
    return Connection(session, b"", None, life, belonging)


def _standing(session: Session, life: Life, wait: Callable[[], None]) -> None:
    """Wait for it; leave nothing behind where that fails."""
    try:
        wait()
    except BaseException:
        session.close(0.5)
        life.end()
        raise


def current(where: str) -> Connection:
    """The connection that a verb with this `where` is to use. Raises UsageError, ClusterError."""
    with _lock:
        if _ending:
            raise ClusterError("the interpreter is ending: nothing can be submitted any more")
        if where != "machine":
            found = _active[-1] if _active else _active_cluster()
            if found is not None:
                return _reachable(found)
        if where == "cluster":
            raise UsageError(
                'where="cluster": this machine is in no cluster; raisin join rsn1-..., or raisin.connect(...) first'
            )
        return _own()


def _active_cluster() -> Connection | None:
    """The cluster that this machine joined; whether it joined any is looked up once, at the first use."""
    global _member, _belongs
    if _belongs is None:
        _belongs = (home.home() / "active").exists()
    if _belongs and (_member is None or not _member.session.alive):
        _member = _joined(None)
    return _member


def _reachable(connection: Connection) -> Connection:
    """A cluster that was joined must be there when something is submitted. Raises ClusterError."""
    session, belonging = connection.session, connection.belonging
    if belonging is None:
        return connection
    belonging.refresh()
    if not session.greeted.is_set():
        greeting.wait_as_member(session, CONNECT_SECONDS, connection.name)
    return connection


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
            greeting.wait(session, START_SECONDS, meanwhile=_Start(connection, place))
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


def _all() -> list[Connection]:
    return [*_active, *(each for each in (_member, _embedded) if each is not None)]


def _leave() -> None:
    """At the interpreter's end: wait for what was started, unless Ctrl-C ended it; then close everything."""
    global _ending
    connections = _all()
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
    global _embedded, _member, _belongs, _lock
    _lock = threading.RLock()
    for connection in _all():
        connection.session.abandon()
        connection.runs.clear()
    _active.clear()
    _embedded = _member = None
    _belongs = None


atexit.register(_leave)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
