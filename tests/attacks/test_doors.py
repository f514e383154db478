"""Whoever has no key of the roster gets nothing, at either door; whoever is no broker gets nothing from a client."""

from __future__ import annotations

import contextlib
import socket as net
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import zmq

import raisin
from raisin_core import envelope
from raisin_core import link as link_module
from raisin_core import messages as m
from raisin_core.addresses import endpoints
from raisin_core.errors import WrongBrokerKey
from raisin_core.identity import keys as key_files
from raisin_core.link import Context, HandshakeFailed, Link
from tests.attacks.support import ENOUGH, PATIENCE, Broker, Peer, Socket

pytestmark = pytest.mark.slow
STRANGER = key_files.make()
HI = m.Hello(b"i" * 16, "client", "here", 1)
HELLO = envelope.encode(HI)
ASK = envelope.encode(m.Get(b"d" * 32, 0))


def dealer(broker: Broker, bulk: bool) -> Socket:
    made: Socket = broker.context.socket(zmq.DEALER)
    made.linger = 0
    return made


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("kind", ["null", "plain", "unknown key", "wrong broker key"])
def test_whoever_has_no_key_of_the_roster_gets_nothing(broker: Broker, kind: str, bulk: bool) -> None:
    peer = dealer(broker, bulk)
    if kind == "plain":
        peer.plain_username, peer.plain_password = b"ann", b"raisin"
    elif kind != "null":
        own = STRANGER if kind == "unknown key" else broker.member("ann")
        peer.curve_publickey, peer.curve_secretkey = own.public, own.secret
        peer.curve_serverkey = broker.key if kind == "unknown key" else STRANGER.public
    monitor = peer.get_monitor_socket(zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED)
    peer.connect(endpoints(broker.address)[int(bulk)])
    peer.send_multipart(ASK if bulk else HELLO)
    assert monitor.poll(PATIENCE)
    assert int.from_bytes(monitor.recv_multipart()[0][:2], sys.byteorder) == zmq.EVENT_DISCONNECTED
    assert not peer.poll(0)
    peer.disable_monitor()
    monitor.close()
    peer.close()
    assert broker.serves()


def test_a_client_that_speaks_over_plain_tcp_gets_a_greeting_and_no_more(broker: Broker) -> None:
    host, _, port = broker.address.partition(":")
    for offset in (0, 1):
        with net.create_connection((host, int(port) + offset), timeout=PATIENCE / 1000) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n" + bytes(100))
            said = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := plain.recv(4096):
                    said += piece
            assert len(said) <= 64, "ZMTP's own greeting is all that a stranger reads"
    assert broker.serves()


@pytest.mark.parametrize("bulk", [False, True])
def test_a_man_in_the_middle_gets_no_message_of_a_client(
    broker: Broker, bulk: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He listens where the broker should be (or where its blobs should be), with a key pair of his own."""
    context: Context = zmq.Context()
    listening: Socket = context.socket(zmq.ROUTER)
    listening.curve_server, listening.curve_secretkey = 1, STRANGER.secret
    where = f"127.0.0.1:{listening.bind_to_random_port('tcp://127.0.0.1')}"
    if bulk:
        real = link_module.endpoints
        monkeypatch.setattr(link_module, "endpoints", lambda address: (real(address)[0], f"tcp://{where}"))
    link = Link(context, broker.address if bulk else where, broker.key, broker.member("ann"))
    failed = None
    try:
        for _ in range(300):
            link.send(m.Get(bytes(32), 0) if bulk else HI)
            for each in link.sockets():
                each.poll(5)
            failed = next((event for event in link.read() if isinstance(event, HandshakeFailed)), failed)
            if failed and failed.over:
                break
        assert failed is not None
        assert (failed.reason, failed.over, failed.bulk) == ("key", True, bulk)
        assert not listening.poll(ENOUGH)
    finally:
        link.close()
        context.destroy(linger=0)


def test_a_client_that_was_given_the_wrong_key_says_so(broker: Broker) -> None:
    with pytest.raises(WrongBrokerKey, match="compare broker_key"):
        raisin.connect(broker.address, broker_key=STRANGER.public.decode(), key_file=broker.cluster.key_file)


DYING = """
    import sys
    from raisin_broker import gate, main, server

    def die(self):
        {how}

    gate.Gate.handle = die
    sys.exit(main.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("how", ["raise RuntimeError('the gate is broken')", "self.socket.close()"])
def test_a_broker_whose_gate_dies_admits_nobody_and_ends(broker: Broker, folder: Path, how: str) -> None:
    """The gate is asked by a member: it dies of that, in one way or another, and the broker with it."""
    script = textwrap.dedent(DYING).format(how=how)
    command = [sys.executable, "-c", script, "--listen", "127.0.0.1:0", "--data", str(folder)]
    made, _ = key_files.load_or_make(folder / "broker.key")
    (folder / "roster.toml").write_bytes(broker.cluster.roster.read_bytes())
    keys = broker.member("ann")
    (folder / "roster.toml").write_bytes(broker.cluster.roster.read_bytes())
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split("listening on ")[1].split(",")[0]
        peer: Socket = broker.context.socket(zmq.DEALER)
        peer.linger = 0
        peer.curve_publickey, peer.curve_secretkey, peer.curve_serverkey = keys.public, keys.secret, made.public
        monitor = peer.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        peer.connect(endpoints(address)[0])
        try:
            _, error = process.communicate(timeout=PATIENCE / 1000)
        finally:
            process.kill()
    assert process.returncode == 1, error
    assert "raisin-broker: the gate" in error
    assert "Traceback" not in error
    assert not monitor.poll(0)
    assert "CRITICAL" in (folder / "broker.log").read_text()
    peer.disable_monitor()
    monitor.close()
    peer.close()


@pytest.mark.parametrize("bulk", [False, True])
def test_whoever_chooses_a_routing_id_is_not_heard(broker: Broker, bulk: bool) -> None:
    peer = broker.peer("ann", bulk=bulk, routing_id=b"the id of another")
    peer.raw(ASK if bulk else HELLO)
    assert peer.hears_nothing()
    honest = broker.peer("ann", bulk=bulk)
    honest.raw(ASK if bulk else HELLO)
    assert isinstance(honest.hear(m.Chunk, m.Welcome), m.Message)
    assert peer.hears_nothing(0)


def test_whoever_takes_the_routing_id_of_another_does_not_get_its_messages(broker: Broker) -> None:
    victim = broker.client("ann")
    thieves = []
    for number in range(64):  # libzmq's own ids are 0 and four bytes
        thief = Peer(broker, broker.member("ann"), routing_id=b"x" + number.to_bytes(4, "big"))
        thief.say(m.Hello(victim.instance, "client", "here", 1))
        thieves.append(thief)
    victim.beat()
    assert all(thief.hears_nothing(0) for thief in thieves)
