"""Machines of a cluster in one process: each with a home of its own, all typing to a broker that only keeps the book.

The broker here is a double: CURVE proves its key, but it admits everybody, keeps nothing on disk and has no workers. So
answers can be lost on purpose, and nothing but the command line is tried.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import pytest
import zmq
from zmq.utils import z85

from raisin_cli.main import main
from raisin_core import envelope
from raisin_core.errors import InvitationError, RosterError
from raisin_core.identity import documents, keys
from raisin_core.identity.documents import Admission, Resignation
from raisin_core.identity.invitations import Claim, line
from raisin_core.identity.standing import Standing, read_book
from raisin_core.messages import Join, ListMembers, MemberLine, Members, Message, Publish, Refused, Resign, Roster


class Said(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


class Laptop:
    """Where commands are typed."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self._patch, self._capsys = home, monkeypatch, capsys

    def raisin(self, *arguments: str) -> Said:
        """Type a command, whatever comes of it."""
        self._patch.setenv("RAISIN_HOME", str(self.home))
        self._patch.setattr(sys, "argv", ["raisin", *arguments])
        self._capsys.readouterr()
        code = main()
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err
        return Said(code, out, err)

    def good(self, *arguments: str) -> str:
        """Type a command that must go well; what it said."""
        said = self.raisin(*arguments)
        assert said.code == 0, said
        return said.out

    def bad(self, *arguments: str, code: int = 1) -> str:
        """Type a command that must fail; what it said on standard error."""
        said = self.raisin(*arguments)
        assert said.code == code, said
        return said.err


class Double:
    """A broker that keeps the book. `losing`: so many answers get lost; `present`: who it says is connected; `used`: it
    shows the roster to no guest any more, as after the last use of an invitation; `clock`: seconds that it is slow."""

    def __init__(self) -> None:
        self.keys = keys.make()
        self.standing: Standing | None = None
        self.losing = 0
        self.used = False
        self.clock = 0.0
        self.asked: list[Message] = []
        self.present: list[MemberLine] = []
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.curve_server = True
        self._socket.curve_secretkey = self.keys.secret
        self._socket.linger = 0
        self.address, self.second = self._bind()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="broker double")
        self._thread.start()

    def _bind(self) -> tuple[str, socket.socket]:
        """Two ports in a row, as a broker has them; nothing is ever said on the second."""
        for _ in range(100):
            port = self._socket.bind_to_random_port("tcp://127.0.0.1")
            try:
                return f"127.0.0.1:{port}", socket.create_server(("127.0.0.1", port + 1))
            except OSError:
                self._socket.unbind(self._socket.last_endpoint)
        raise OSError("no two free ports in a row")

    @property
    def claim(self) -> str:
        """What it prints for whoever founds a cluster at it."""
        return line(Claim([self.address], z85.decode(self.keys.public), bytes(16)))

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self.second.close()
        self._context.term()

    def _run(self) -> None:
        while not self._over.is_set():
            if self._socket.poll(20):
                peer, *frames = self._socket.recv_multipart()
                for found in envelope.decode_all(frames):
                    assert isinstance(found, tuple)
                    self._hear(peer, *found)
        self._socket.close()

    def _hear(self, peer: bytes, message: Message, payload: bytes) -> None:
        self.asked.append(message)
        answer = self._answer(message, payload)
        if self.losing and payload:
            self.losing -= 1
        else:
            book = self.standing.book if self.standing and isinstance(answer, Roster) else b""
            self._socket.send_multipart([peer, *envelope.encode(answer, book)])

    def _answer(self, message: Message, payload: bytes) -> Message:
        try:
            match message:
                case ListMembers():
                    return Members(self.present)
                case Join() if self.used:
                    raise InvitationError("this invitation has been used: ask for a new one")
                case Publish() if payload:
                    self._publish(read_book(payload))
                case Join() if payload and self.standing:
                    self.standing = self.standing.admit(documents.decode(payload, Admission), time.time() - self.clock)
                case Resign() if self.standing:
                    self.standing = self.standing.resign(documents.decode(payload, Resignation))
        except (RosterError, InvitationError) as error:
            return Refused("invitation" if isinstance(error, InvitationError) else "roster", str(error))
        if self.standing is None:
            return Refused("roster", "there is no cluster yet")
        return Roster(self.standing.version, [self.standing.epoch])

    def _publish(self, found: Standing) -> None:
        if self.standing is None or found.newer_than(self.standing):
            self.standing = found
