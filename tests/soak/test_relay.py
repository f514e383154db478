"""The relay passes on what it should, swallows what it should, and waits for a broker."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.soak.cluster import ROOT
from tests.soak.relay import Line

SECONDS = 20.0
QUIET_SECONDS = 0.2
HERE, LINE = "127.0.0.1", "127.0.0.2"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason=f"{LINE} is this machine on Linux only")


class Broker:
    """Says everything twice, to one peer after another."""

    def __init__(self, port: int = 0) -> None:
        self._server = socket.create_server((HERE, port))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._server.accept()
                threading.Thread(target=self._echo, args=(peer,), daemon=True).start()

    def _echo(self, peer: socket.socket) -> None:
        with peer, suppress(OSError):
            while data := peer.recv(1000):
                peer.sendall(data + data)

    def close(self) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)  # accept() would keep it open otherwise
        self._server.close()


class Relay:
    """The program, with one line."""

    def __init__(self, port: int) -> None:
        config = {"broker": HERE, "port": port, "seed": 1, "lines": {"anna": LINE}}
        command = [sys.executable, "-m", "tests.soak.relay", json.dumps(config)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, cwd=ROOT
        )
        self._port = port
        self._await()

    def order(self, delay: float = 0.0, loss: float = 0.0, silent: str = "") -> None:
        assert self._process.stdin is not None
        order = {"line": "anna", "delay": delay, "loss": loss, "silent": silent}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._await()

    def connect(self) -> socket.socket:
        made = socket.create_connection((LINE, self._port), SECONDS)
        self._await()
        return made

    def close(self) -> int:
        """Ends with its standard input; its exit code."""
        with self._process:
            self._process.communicate(timeout=SECONDS)
        return self._process.returncode

    def _await(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline().startswith("relay: ")


@pytest.fixture
def broker() -> Iterator[Broker]:
    made = Broker()
    yield made
    made.close()


@pytest.fixture
def relay(broker: Broker) -> Iterator[Relay]:
    made = Relay(broker.port)
    yield made
    assert made.close() == 0


def say(peer: socket.socket, text: bytes, answer: bytes) -> None:
    peer.sendall(text)
    assert peer.recv(1000) == answer


def test_it_passes_on_both_ways_and_the_end(relay: Relay) -> None:
    with relay.connect() as peer:
        say(peer, b"ab", b"abab")
        peer.shutdown(socket.SHUT_WR)
        assert peer.recv(1000) == b""


@pytest.mark.parametrize("way", ["up", "down", "both"])
def test_a_half_open_line_stays_silent_and_the_next_one_is_well(relay: Relay, way: str) -> None:
    with relay.connect() as old:
        say(old, b"a", b"aa")
        relay.order(silent=way)
        with relay.connect() as during:
            for peer in (old, during):
                peer.sendall(b"b")
            relay.order()
            with relay.connect() as after:
                say(after, b"c", b"cc")
            for peer in (old, during):
                peer.settimeout(QUIET_SECONDS)
                with pytest.raises(TimeoutError):
                    peer.recv(1000)


def test_a_line_that_loses_everything_is_cut(relay: Relay) -> None:
    relay.order(loss=100.0)
    with relay.connect() as peer:
        peer.sendall(b"a")
        with suppress(ConnectionResetError):
            assert peer.recv(1000) == b""


def test_a_bad_line_is_late_and_stalls() -> None:
    line = Line("anna", HERE, random.Random(1))
    line.order(0.2, 0.0, "")
    assert line.lateness() == 0.2
    line.order(0.2, 0.5, "")
    late = [line.lateness() for _ in range(100)]
    assert min(late) == 0.2
    assert 0.4 <= min(each for each in late if each > 0.2) < max(late) <= 1.2


def test_a_connection_waits_until_the_broker_listens(broker: Broker) -> None:
    broker.close()
    relay = Relay(broker.port)
    with relay.connect() as peer:
        peer.sendall(b"a")
        back = Broker(broker.port)
        assert peer.recv(1000) == b"aa"
    back.close()
    assert relay.close() == 0
