"""One question to a broker outside of a session, and its answer: to join, to leave, to publish, to look who is here.

All addresses are tried at once; the first at which the broker proves its key is the one that is asked. A connection
that breaks before the answer is made anew and the question said again: whoever answers such questions gives the same
answer to the same question.

Rules of this file: it blocks for as long as it was given, and leaves no socket behind.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Final

import zmq

from raisin_core import link
from raisin_core.errors import BrokerUnreachable, ClusterError, NotAdmitted, VersionMismatch, WrongBrokerKey
from raisin_core.identity.keys import Keys
from raisin_core.messages import BeatBack, Message, Refused, WhoAreYou
from raisin_core.peer import Connected, Received

SECONDS: Final = 5.0
OTHERS_SECONDS: Final = 1.0
"""After a broker has said no, the others have this long to say yes (whoever says no has not proved its key)."""
_NOT_ADMITTED: Final = ("role", "member", "not yours")


def talk(
    addresses: Sequence[str],
    broker_key: bytes,
    keys: Keys,
    message: Message,
    payload: bytes = b"",
    seconds: float = SECONDS,
) -> tuple[Message, bytes]:
    """Say `message` to the broker at one of `addresses` ("host:port"), outside of any session; its answer and the
    answer's payload. A refusal is an answer, too (`Refused`: look at its code), but for those below.

    `broker_key` and `keys` are Z85 text. Of many addresses the first 16 are tried, for `seconds` together.

    Raises BrokerUnreachable (no answer in time), WrongBrokerKey (others answer), NotAdmitted (it does not know this
    key, or the key's role may not say this), VersionMismatch, ValueError (not an address, or none).

    >>> talk(["lab.example.org:5757"], broker_key, keys, ListMembers())  # doctest: +SKIP
    (Members(lines=[...]), b'')
    """
    context: link.Context = zmq.Context()
    try:
        made = link.Link(context, addresses, broker_key, keys)
        try:
            return _Talk(made, message, payload).run(seconds)
        finally:
            made.close()
    finally:
        context.term()


class _Talk:
    """The question on its way."""

    def __init__(self, made: link.Link, message: Message, payload: bytes) -> None:
        self._link, self._message, self._payload = made, message, payload
        self._asked = False
        self._problem: link.HandshakeFailed | None = None

    def run(self, seconds: float) -> tuple[Message, bytes]:
        until, refused = time.monotonic() + seconds, False
        while (left := until - time.monotonic()) > 0:
            poller = zmq.Poller()
            for socket in self._link.sockets():
                poller.register(socket, zmq.POLLIN)
            poller.poll(max(1, int(left * 1000)))
            answer = self._hear(self._link.read())
            if answer is not None:
                return answer
            if self._problem is not None and self._problem.over:
                break
            if self._problem is not None and self._problem.reason == "refused" and not refused:
                until, refused = min(until, time.monotonic() + OTHERS_SECONDS), True
        raise self._failure(seconds)

    def _hear(self, events: Iterable[link.LinkEvent]) -> tuple[Message, bytes] | None:
        for event in events:
            match event:
                case Connected():
                    self._asked, self._problem = True, None
                    self._link.send(self._message, self._payload)
                case link.HandshakeFailed():
                    self._problem = event
                case link.Garbled() if event.version >= 0:
                    raise VersionMismatch(f"{self._link.address}: {event.reason}")
                case Received() if not isinstance(event.message, (WhoAreYou, BeatBack)):
                    return _checked(self._link.address, event.message), event.payload
                case _:
                    pass  # a connection that breaks is made anew
        return None

    def _failure(self, seconds: float) -> ClusterError:
        """Why there is no answer."""
        where, problem = self._link.address, self._problem
        if problem is not None and problem.reason == "refused":
            return NotAdmitted(problem.detail)
        if problem is not None and problem.reason == "key":
            return WrongBrokerKey(f"{problem.detail}; compare with what the broker printed when it was started")
        if self._asked:
            return BrokerUnreachable(f"the broker at {where} did not answer within {seconds:g} s")
        return BrokerUnreachable(f"nobody answers at {where} (waited {seconds:g} s)")


def _checked(address: str, message: Message) -> Message:
    if isinstance(message, Refused):
        if message.code == "version":
            raise VersionMismatch(f"{address}: {message.reason}")
        if message.code in _NOT_ADMITTED:
            raise NotAdmitted(f"{address}: {message.reason}")
    return message
