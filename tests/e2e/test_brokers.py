"""A broker that is not there, not ours, not of our version, or attacked; a data directory that cannot be used."""

from __future__ import annotations

import concurrent.futures
import contextlib
import random
import socket
import threading
import time

import psutil
import pytest
import zmq

import raisin
from raisin_core import envelope
from raisin_core.identity import keys, roster
from raisin_core.messages import VERSION
from tests.e2e import support
from tests.e2e.support import until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(module_folder):
    with support.cluster(module_folder, "ann") as made:
        yield made


@contextlib.contextmanager
def listening():
    """A port at which somebody accepts connections and says nothing; the address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def free_address():
    with listening() as address:
        return address


def refused(kind, address, key, folder):
    """What connecting raises: the text, and after how many seconds."""
    began = time.monotonic()
    with pytest.raises(kind) as caught:
        raisin.connect(address, broker_key=key, key_file=folder / "client.key")
    assert isinstance(caught.value, (raisin.ClusterError, ConnectionError))
    return str(caught.value), time.monotonic() - began


def test_nobody_answers(cluster, folder):
    """Nobody is there; somebody is and says nothing; the host does not exist: each is told within seconds."""
    nobody = free_address()
    with listening() as silent, concurrent.futures.ThreadPoolExecutor(3) as pool:
        addresses = [nobody, silent, "no-such-host.invalid:5757"]
        waits = [pool.submit(refused, raisin.BrokerUnreachable, a, cluster.broker_key, folder) for a in addresses]
        told = [wait.result() for wait in waits]
    assert told[0][0] == (
        f"nobody answers at {nobody} (waited 5 s; nothing submitted). Is raisin-broker running there? "
        "Does it listen on that address (--listen)? Is a firewall between?"
    )
    assert told[1][0].startswith((f"nobody answers at {silent}", f"{silent} accepts connections and says nothing"))
    assert told[2][0].startswith("nobody answers at no-such-host.invalid:5757")
    assert all(4 < seconds < 10 for _, seconds in told)


def test_another_broker_key(cluster, folder):
    other = keys.make().public.decode()
    said, seconds = refused(raisin.WrongBrokerKey, cluster.address, other, folder)
    assert cluster.address in said
    assert said.endswith("; compare broker_key with the line that the broker printed")
    assert seconds < 5, "it did not wait for what cannot come"


def test_somebody_who_is_no_broker(cluster, folder):
    """A web server, say."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        said, _ = refused(raisin.WrongBrokerKey, address, cluster.broker_key, folder)
        server.shutdown(socket.SHUT_RDWR)
    assert address in said


def test_what_is_no_address_or_no_key(cluster, folder):
    with pytest.raises(ValueError, match="'host:port:more' is no address of a broker"):
        raisin.connect("host:port:more", broker_key=cluster.broker_key, key_file=folder / "k")
    with pytest.raises(ValueError, match="a key has 40 characters, 'short' has 5"):
        raisin.connect(cluster.address, broker_key="short")


def test_a_key_file_that_others_can_read(cluster, folder):
    file = folder / "open.key"
    keys.load_or_make(file)
    file.chmod(0o644)
    with pytest.raises(raisin.RaisinError, match="others can read the secret key"):
        raisin.connect(cluster.address, broker_key=cluster.broker_key, key_file=file)


@contextlib.contextmanager
def broker_of_another_version():
    """It shakes hands like any other, and then speaks of what we do not understand; address and key."""
    theirs, context, over = keys.make(), zmq.Context(), threading.Event()
    router = context.socket(zmq.ROUTER)
    router.linger = 0
    router.curve_server, router.curve_secretkey = 1, theirs.secret
    address = f"127.0.0.1:{router.bind_to_random_port('tcp://127.0.0.1')}"

    def answer():
        while not over.is_set():
            if router.poll(20):
                route, _, *frames = router.recv_multipart()
                router.send_multipart([route, envelope.MAGIC + bytes([VERSION + 1]), *frames])
        context.destroy()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield address, theirs.public.decode()
    finally:
        over.set()
        thread.join()


def test_a_broker_of_another_version(folder):
    with broker_of_another_version() as (address, key):
        said, _ = refused(raisin.VersionMismatch, address, key, folder)
    assert said == f"{address}: protocol version {VERSION + 1}, this side speaks {VERSION}"


def test_a_client_of_another_version(cluster, folder):
    """The broker says so, and logs it."""
    own, _ = keys.load_or_make(cluster.key_file)
    context = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.linger = 0
    dealer.curve_serverkey = cluster.broker_keys.public
    dealer.curve_publickey, dealer.curve_secretkey = own.public, own.secret
    dealer.connect(f"tcp://{cluster.address}")
    dealer.send_multipart([envelope.MAGIC + bytes([VERSION + 1]), b"\x90"])
    assert dealer.poll(10_000)
    found = next(iter(envelope.decode_all(dealer.recv_multipart())))
    context.destroy(linger=0)
    assert isinstance(found, tuple)
    assert found[0].code == "version"
    assert found[0].reason == (
        f"the broker speaks protocol version {VERSION}, you speak {VERSION + 1}: upgrade the older one"
    )


def test_an_unknown_client_prints_the_line_to_add_and_goes_on_when_it_is_added(cluster, folder):
    code = cluster.script("print(raisin.process(pow, (2, 5)))").replace(str(cluster.key_file), str(folder / "new.key"))
    made = support.Interpreters(folder / "h", folder)
    program = made.start(code)
    try:
        said = program.await_text('roles = ["client"]')
        assert f"raisin: {cluster.address} does not admit this machine yet; add to its roster.toml:\n[[member]]" in said
        with open(cluster.roster, "a") as file:
            file.write("\n" + said[said.index("[[member]]") :])
        assert program.wait().ok() == "32\n"
    finally:
        made.close()


def test_an_unknown_worker_prints_the_line_to_add_and_goes_on_when_it_is_added(cluster):
    worker = cluster.start_worker("newcomer", admit=False)
    said = worker.await_text('roles = ["worker"]')
    assert "raisin-worker: the broker does not admit this worker yet; add to its roster.toml:\n[[member]]" in said
    with cluster.connect():
        p = raisin.Process(abs, (-1,), where=["newcomer"]).start()
        own = said.split('key = "')[1].split('"')[0]
        roster.add(cluster.roster, own, "newcomer", ["worker"])
        assert p.get(timeout=30) == 1
    assert worker.err.count("[[member]]") == 1, "it says it once"
    log = (cluster.data / "broker.log").read_text()
    assert f'key = "{own}"' in log, "the broker says it, too"


def test_a_worker_that_is_no_client(cluster, folder):
    cluster.admit(folder / "worker.key", "worker", name="only-worker")
    with pytest.raises(raisin.NotAdmitted, match="only-worker has no role client"):
        raisin.connect(cluster.address, broker_key=cluster.broker_key, key_file=folder / "worker.key")


def test_a_roster_that_is_wrong_changes_nothing_until_it_is_put_right(cluster):
    good = cluster.roster.read_text()
    with cluster.connect():
        cluster.roster.write_text(good + "\n[[member]]\nkey = 5\n")
        log = cluster.data / "broker.log"
        until(lambda: "'name'" in log.read_text(), "the broker logs what is wrong", show=log.read_text)
        assert raisin.process(abs, (-1,)) == 1
        cluster.roster.write_text(good)
        assert raisin.process(abs, (-2,)) == 2


def test_random_bytes_are_thrown_at_the_port_while_a_job_runs(cluster):
    """Thousands of connections: garbage, half a greeting, silence. The job does not notice."""
    chance = random.Random(1)
    host, port = cluster.address.split(":")
    broker = psutil.Process(cluster.broker.pid)
    before = broker.num_fds(), broker.memory_info().rss
    greeting = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01CURVE".ljust(64, b"\0")
    kept = []

    def throw(count):
        for n in range(count):
            with contextlib.suppress(OSError):
                connection = socket.create_connection((host, int(port) + n % 2), timeout=5)
                sent = chance.choice((chance.randbytes(chance.randrange(2000)), greeting[: chance.randrange(64)], b""))
                if chance.random() < 0.3:
                    sent = greeting + b"\x04" + chance.randbytes(300)
                connection.sendall(sent)
                if n % 50 == 0:
                    kept.append(connection)
                else:
                    connection.close()

    with cluster.connect():
        m = raisin.Map(lambda n: n + 1, range(20_000), chunksize=10).start()
        throw(2000)
        assert m.get(timeout=60) == list(range(1, 20_001))
        assert raisin.process(abs, (-1,)) == 1
    for connection in kept:
        connection.close()
    until(lambda: broker.num_fds() <= before[0] + 10, "the connections are gone", show=lambda: str(broker.num_fds()))
    assert broker.memory_info().rss < before[1] + 50e6
