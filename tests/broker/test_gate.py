from __future__ import annotations

import errno
import os
import select
import socket as net
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zmq.utils import z85

from raisin_broker import gate as gates
from raisin_broker.gate import Gate, bind_pair, serve_curve
from raisin_core.errors import ListenError
from raisin_core.identity import keys as key_files
from raisin_core.identity.keys import Keys
from raisin_core.identity.roster import Member
from raisin_core.link import MAX_FRAME, Context, Socket
from tests.core.links import has_ipv6, reserve_pair

PATIENCE = 10_000  # milliseconds: how long something may take that must happen
ENOUGH = 150  # milliseconds: a handshake takes about one
ZOE, STRANGER = key_files.make(), key_files.make()
SCHEMES = ["tcp", pytest.param("ipc", marks=pytest.mark.skipif(not zmq.has("ipc"), reason="no ipc here"))]


class Broker:
    """A gate and one ROUTER, polled together by the thread of the test, as a broker's loop does."""

    def __init__(self, context: Context, endpoint: str) -> None:
        self.context = context
        self.keys = key_files.make()
        self.members = {ZOE.public: Member(ZOE.public, "zoe", frozenset({"client"}))}
        self.gate = Gate(context, lambda: self.members)
        self.router: Socket = context.socket(zmq.ROUTER)
        serve_curve(self.router, self.keys)
        self.router.bind(endpoint)
        self.endpoint = self.router.last_endpoint
        self.got: list[list[zmq.Frame]] = []
        self.clients: list[Socket] = []

    def serve(self, until: Callable[[], bool], milliseconds: int = PATIENCE) -> bool:
        """Serve until the condition holds; False if it did not come true in time."""
        poller = zmq.Poller()
        for each in (self.gate.socket, self.router):
            if not each.closed:
                poller.register(each, zmq.POLLIN)
        waited = 0
        while not until() and waited < milliseconds:
            ready = dict(poller.poll(10))
            waited += 0 if ready else 10
            if self.gate.socket in ready:
                self.gate.handle()
            if self.router in ready:
                self.got.append(self.router.recv_multipart(copy=False))
        return until()

    def client(self, keys: Keys | None = ZOE, server: bytes | None = None) -> Socket:
        client = self.plain_client()
        if keys is not None:
            client.curve_publickey, client.curve_secretkey = keys.public, keys.secret
            client.curve_serverkey = server or self.keys.public
        client.connect(self.endpoint)
        return client

    def plain_client(self) -> Socket:
        client: Socket = self.context.socket(zmq.DEALER)
        client.linger = 0
        self.clients.append(client)  # kept, so that the context closes it and not the garbage collector
        return client

    def hears(self, client: Socket, text: bytes = b"hello", milliseconds: int = PATIENCE) -> bool:
        client.send(text)
        return self.serve(lambda: any(text == frames[-1].bytes for frames in self.got), milliseconds)


@pytest.fixture
def context() -> Iterator[Context]:
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture(params=SCHEMES)
def broker(request: pytest.FixtureRequest, context: Context, home: Path) -> Broker:
    return Broker(context, "tcp://127.0.0.1:*" if request.param == "tcp" else f"ipc://{home}/gate")


def test_a_member_gets_in_and_is_known_by_its_key(broker: Broker) -> None:
    client = broker.client()
    assert broker.hears(client)
    sender, text = broker.got[0]
    assert text.get("User-Id") == ZOE.public.decode()
    broker.router.send_multipart([sender.bytes, b"welcome"])
    assert client.poll(PATIENCE)
    assert client.recv() == b"welcome"
    assert broker.gate.refused() == []


def test_an_unknown_key_gets_nothing_and_is_remembered_once(broker: Broker) -> None:
    strangers = [broker.client(STRANGER), broker.client(STRANGER)]
    for stranger in strangers:
        stranger.send(b"let me in")
    assert broker.serve(lambda: broker.gate.refusals == 2)
    assert broker.hears(broker.client())  # the gate still works
    assert [frames[-1].bytes for frames in broker.got] == [b"hello"]
    [(key, address)] = broker.gate.refused()
    assert key == STRANGER.public.decode()
    assert address == ("127.0.0.1" if broker.endpoint.startswith(b"tcp") else address)
    assert broker.gate.refused() == []


def test_a_peer_without_a_key_gets_nothing(broker: Broker) -> None:
    assert not broker.hears(broker.client(keys=None), milliseconds=ENOUGH)


def test_a_peer_with_a_password_gets_nothing(broker: Broker) -> None:
    client = broker.plain_client()
    client.plain_username, client.plain_password = b"zoe", b"x"
    client.connect(broker.endpoint)
    assert not broker.hears(client, milliseconds=ENOUGH)


def test_a_member_that_expects_another_broker_sends_nothing(broker: Broker) -> None:
    client = broker.client(server=STRANGER.public)
    assert not broker.hears(client, milliseconds=ENOUGH)
    assert broker.gate.refusals == 0  # it did not come as far as the gate


def test_a_removed_key_is_refused_at_its_next_handshake(broker: Broker) -> None:
    first = broker.client()
    assert broker.hears(first, b"first")
    del broker.members[ZOE.public]
    assert broker.hears(first, b"still open")  # which is why every message's User-Id must be looked at
    first.close()
    broker.client().send(b"again")
    assert broker.serve(lambda: broker.gate.refusals == 1)
    assert [frames[-1].bytes for frames in broker.got] == [b"first", b"still open"]


def test_a_key_added_later_gets_in(broker: Broker) -> None:
    broker.members[STRANGER.public] = Member(STRANGER.public, "new", frozenset({"worker"}))
    assert broker.hears(broker.client(STRANGER))


def test_with_the_gate_closed_nobody_gets_in(broker: Broker) -> None:
    assert broker.hears(broker.client(), b"before")
    broker.gate.close()
    assert not broker.hears(broker.client(), b"after", milliseconds=ENOUGH)


def test_without_an_answer_nobody_gets_in(broker: Broker) -> None:
    client = broker.client()
    client.send(b"hello")
    assert broker.gate.socket.poll(PATIENCE)  # asked, not answered
    assert not broker.router.poll(ENOUGH)


def test_a_message_that_is_too_large_ends_the_connection(broker: Broker) -> None:
    client = broker.client()
    assert broker.hears(client)
    monitor = client.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    client.send(bytes(MAX_FRAME + 1))
    assert monitor.poll(PATIENCE)
    assert not any(len(frames[-1].bytes) > MAX_FRAME for frames in broker.got)
    client.disable_monitor()
    monitor.close()


# -- questions, asked as libzmq would --------------------------------------------------------------------------------

RAW = z85.decode(ZOE.public)
RIGHT = [b"1.0", b"7", b"raisin", b"10.0.0.7", b"", b"CURVE", RAW]


@pytest.fixture
def asker(context: Context) -> tuple[Gate, Socket]:
    gate = Gate(context, lambda: {ZOE.public: Member(ZOE.public, "zoe", frozenset({"client"}))})
    asker: Socket = context.socket(zmq.DEALER)
    asker.linger = 0
    asker.connect(gates.ENDPOINT)
    return gate, asker


def ask(asker: tuple[Gate, Socket], question: list[bytes]) -> list[bytes]:
    gate, socket = asker
    socket.send_multipart([b"", *question])
    gate.handle()
    return socket.recv_multipart() if socket.poll(PATIENCE) else []


def test_the_right_question(asker: tuple[Gate, Socket]) -> None:
    assert ask(asker, RIGHT) == [b"", b"1.0", b"7", b"200", b"OK", ZOE.public, b""]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, b"2.0"),
        (2, b""),
        (2, b"global"),
        (5, b"NULL"),
        (5, b"PLAIN"),
        (6, b""),
        (6, RAW[:-1]),
        (6, bytes(32)),
        (6, ZOE.public),
    ],
)
def test_a_wrong_question(asker: tuple[Gate, Socket], place: int, value: bytes) -> None:
    question = [*RIGHT[:place], value, *RIGHT[place + 1 :]]
    assert ask(asker, question) == [b"", b"1.0", b"7", b"400", b"not admitted", b"", b""]
    assert [address for _, address in asker[0].refused()] == ["10.0.0.7"]


def test_whoever_comes_too_often_is_not_answered(asker: tuple[Gate, Socket], monkeypatch: pytest.MonkeyPatch) -> None:
    """Over tcp; a refusal would be final, no answer looks like a slow broker."""
    now = [100.0]
    monkeypatch.setattr(gates.time, "monotonic", lambda: now[0])
    gate, socket = asker
    statuses = [ask(asker, RIGHT)[3] for _ in range(gates.BURST)]
    assert set(statuses) == {b"200"}
    socket.send_multipart([b"", *RIGHT])
    gate.handle()
    assert not socket.poll(0)
    assert (gate.delayed, gate.refusals) == (1, 0)
    now[0] += 1.0
    assert ask(asker, RIGHT)[3] == b"200"
    for here in (b"localhost:0:0:387", b""):
        assert ask(asker, [*RIGHT[:3], here, *RIGHT[4:]])[3] == b"200"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(st.lists(st.binary(max_size=40) | st.sampled_from(RIGHT), max_size=9))
def test_no_question_breaks_the_gate(asker: tuple[Gate, Socket], frames: list[bytes]) -> None:
    gate, socket = asker
    socket.send_multipart(frames or [b"x"])
    gate.handle()
    while socket.poll(0):
        assert (socket.recv_multipart()[3] == b"200") == (frames == [b"", *RIGHT])
    assert ask(asker, RIGHT)[3] == b"200"


def test_what_is_remembered_is_bounded(asker: tuple[Gate, Socket]) -> None:
    for number in range(gates._MAX_REFUSED + 10):
        ask(asker, [*RIGHT[:6], number.to_bytes(32, "big")])
    assert asker[0].refusals == gates._MAX_REFUSED + 10
    assert len(asker[0].refused()) == gates._MAX_REFUSED


def test_one_gate_per_context(asker: tuple[Gate, Socket], context: Context) -> None:
    with pytest.raises(zmq.ZMQError):
        Gate(context, dict)


# -- where it listens ------------------------------------------------------------------------------------------------


@pytest.fixture
def pair(context: Context) -> tuple[Socket, Socket]:
    return new_pair(context)


def new_pair(context: Context) -> tuple[Socket, Socket]:
    control, bulk = context.socket(zmq.ROUTER), context.socket(zmq.ROUTER)
    for each in (control, bulk):
        serve_curve(each, ZOE)
    return control, bulk


def bound_port(socket: Socket) -> int:
    return int(socket.last_endpoint.rsplit(b":", 1)[1])


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("127.0.0.1:0", "127.0.0.1"),
        (":0", "127.0.0.1"),
        ("tcp://localhost:0", "127.0.0.1"),
        ("*:0", "*"),
        pytest.param("[::1]:0", "[::1]", marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")),
    ],
)
def test_two_ports_in_a_row(pair: tuple[Socket, Socket], address: str, host: str) -> None:
    real = bind_pair(*pair, address)
    assert real == f"{host}:{bound_port(pair[0])}"
    assert bound_port(pair[1]) == bound_port(pair[0]) + 1


@pytest.mark.parametrize("host", ["", "*"])
def test_the_next_port_taken_means_another_try(
    pair: tuple[Socket, Socket], monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    first, taken = reserve_pair()
    with taken:
        taken.listen()
        first.close()
        port = taken.getsockname()[1]
        real, choices = gates._free_port, [port - 1, port]
        monkeypatch.setattr(gates, "_free_port", lambda *args: choices.pop(0) if choices else real(*args))
        bind_pair(*pair, f"{host}:0")
    assert not choices
    assert bound_port(pair[0]) not in (port - 1, port)
    assert bound_port(pair[1]) == bound_port(pair[0]) + 1


def until_refused(port: int) -> bool:
    """Whether nobody listens there any more; libzmq lets go of it in a thread of its own."""
    for _ in range(PATIENCE):
        with net.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)):
                return True
        select.select([], [], [], 0.001)
    return False


@pytest.mark.parametrize("place", [0, 1])
def test_a_port_in_use(pair: tuple[Socket, Socket], place: int) -> None:
    """The port itself, or the one after it."""
    reserved = reserve_pair()
    port = reserved[0].getsockname()[1]
    with reserved[place] as taken:
        taken.listen()
        reserved[1 - place].close()
        with pytest.raises(ListenError, match=f"port {port + place} is in use by .*--listen") as caught:
            bind_pair(*pair, f"127.0.0.1:{port}")
    assert isinstance(caught.value, OSError)
    assert caught.value.errno == errno.EADDRINUSE
    assert until_refused(port)  # nothing stayed bound
    bind_pair(*pair, ":0")


def test_a_port_in_use_names_the_program(pair: tuple[Socket, Socket]) -> None:
    pytest.importorskip("psutil")
    with net.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ListenError, match=rf"\(pid {os.getpid()}\)"):
            bind_pair(*pair, f"127.0.0.1:{taken.getsockname()[1]}")


def test_an_address_of_another_computer(pair: tuple[Socket, Socket]) -> None:
    with pytest.raises(ListenError, match="does not have that address"):
        bind_pair(*pair, "192.0.2.1:5757")


def test_a_host_that_does_not_exist(pair: tuple[Socket, Socket]) -> None:
    with pytest.raises(ListenError, match=r"no-such-host\.invalid"):
        bind_pair(*pair, "no-such-host.invalid:0")


@pytest.mark.skipif(not zmq.has("ipc"), reason="no ipc here")
def test_ipc(pair: tuple[Socket, Socket], context: Context, home: Path) -> None:
    assert bind_pair(*pair, f"ipc://{home}/x") == f"ipc://{home}/x"
    assert sorted(path.name for path in home.iterdir()) == ["x", "x.bulk"]
    with pytest.raises(ListenError, match="another broker") as caught:
        bind_pair(*new_pair(context), f"ipc://{home}/x")
    assert caught.value.errno == errno.EADDRINUSE


@pytest.mark.skipif(not zmq.has("ipc"), reason="no ipc here")
def test_ipc_left_over_by_a_killed_broker(pair: tuple[Socket, Socket], home: Path) -> None:
    for name in ("x", "x.bulk"):
        with net.socket(net.AF_UNIX) as killed:
            killed.bind(str(home / name))
    bind_pair(*pair, f"ipc://{home}/x")


@pytest.mark.skipif(not zmq.has("ipc"), reason="no ipc here")
def test_ipc_in_a_directory_that_is_not_there(pair: tuple[Socket, Socket], home: Path) -> None:
    with pytest.raises(ListenError, match=f"cannot listen on ipc://{home}/no/x"):
        bind_pair(*pair, f"ipc://{home}/no/x")
