"""What members notice of a flood at the broker's doors: round trips before, during and after it, in one run.

    python -m bench.floods [--connections 5000] [--messages 1000000] [--out NAME]

The flood, all over loopback: half-open and unauthenticated connections (as many as are said; what the broker cuts off
is opened again, up to 1,000 a second), and malformed messages from an admitted member, one by one and in bundles, as
fast as it gets rid of them (the broker breaks its connection off, and it comes back at once), for 30 s.
Another member meanwhile does round trips: `Beat` to `BeatBack` (the broker alone), and `raisin.process` (broker,
worker, task process, commits).
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import platform
import resource
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import zmq
from tests.attacks import support

import raisin
from raisin_core import limits
from raisin_core.envelope import BUNDLE
from raisin_core.identity import keys

HERE = Path(__file__).parent
SECONDS = 30.0
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16 + 32)
SAID = (b"", GREETING[:10], GREETING, b"GET / HTTP/1.1\r\n\r\n")


def noop(number: int) -> int:
    return number


# -- the flood, in processes of its own --------------------------------------------------------------------------------


def hold(address: str, count: int) -> None:
    """Keep so many connections open that never shake hands; what is cut off comes again."""
    limits.open_many_files()
    host, _, port = address.partition(":")
    waiting = selectors.DefaultSelector()
    opened = 0

    def connect() -> None:
        nonlocal opened
        made = socket.create_connection((host, int(port) + opened % 2), timeout=10)
        made.sendall(SAID[opened % len(SAID)])
        made.setblocking(False)
        waiting.register(made, selectors.EVENT_READ)
        opened += 1

    for _ in range(count):
        connect()
    print("open", flush=True)
    while True:
        for key, _ in waiting.select():
            assert isinstance(key.fileobj, socket.socket)
            try:
                gone = not key.fileobj.recv(4096)
            except OSError:
                gone = True
            if gone:
                waiting.unregister(key.fileobj)
                key.fileobj.close()
                time.sleep(0.001)
                connect()


def garble(address: str, count: int, folder: str) -> None:
    """Have libzmq send so many malformed messages, of several kinds, as fast as it gets rid of them."""
    own = keys.load(Path(folder) / "flooder.key")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.linger, dealer.sndhwm, dealer.handshake_ivl = 0, 0, 1000
    dealer.curve_publickey, dealer.curve_secretkey = own.public, own.secret
    dealer.curve_serverkey = (Path(folder) / "broker.public").read_bytes()
    version = b"rsn\x01"
    kinds = ([version, b"garbage"], [b"x"], [version, b"\x91" * 500], [version, b"\x92\xa4page\xc0", bytes(100)])
    bundle = [version, *[b"garbage", b""] * BUNDLE]
    dealer.connect(f"tcp://{address}")
    print("open", flush=True)
    sent = 0
    while sent < count:
        dealer.send_multipart(kinds[sent % len(kinds)] if sent % 100 else bundle)
        sent += 1 if sent % 100 else BUNDLE
    while True:
        dealer.poll(1000)
        while dealer.poll(0):
            dealer.recv_multipart()


@contextlib.contextmanager
def process(part: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """One of the two, ready."""
    command = [sys.executable, "-m", "bench.floods", "--part", part, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as made:
        assert made.stdout is not None
        assert made.stdout.readline() == "open\n"
        try:
            yield made
        finally:
            made.kill()


# -- what is measured --------------------------------------------------------------------------------------------------


def timed(trip: Callable[[], object], goes_on: Callable[[int], bool]) -> list[float]:
    """Milliseconds of round trips, one after the other."""
    took: list[float] = []
    while goes_on(len(took)):
        began = time.perf_counter()
        trip()
        took.append((time.perf_counter() - began) * 1000)
    return took


def row(name: str, took: list[float], before: list[float]) -> list[str]:
    cells = [name, f"{len(took):,}"]
    for at in (49, 98):
        now, then = (statistics.quantiles(each, n=100)[at] for each in (took, before))
        cells += [f"{now:.2f}", f"{now / then:.2f}"]
    return cells


def measured(broker: support.Broker, options: argparse.Namespace) -> Iterator[list[str]]:
    """The rows of the table: each kind of round trip without and with each flood."""
    client = broker.client("honest")
    trips: dict[str, Callable[[], object]] = {"Beat": client.beat, "process": lambda: raisin.process(noop, (1,))}
    for trip in trips.values():
        timed(trip, lambda count: count < 200)
    before = {name: timed(trip, lambda count: count < 3000) for name, trip in trips.items()}
    for name in trips:
        yield row(f"{name}, no flood", before[name], before[name])
    status = psutil.Process(broker.program.pid)
    with process("hold", broker.address, str(options.connections)):
        held = status.num_fds()
        for name, trip in trips.items():
            what = f"{name}, {options.connections:,} half-open connections"
            yield row(what, timed(trip, lambda count: count < 3000), before[name])
        for name, trip in trips.items():
            folder = str(broker.cluster.folder)
            with process("garble", broker.address, str(options.messages), folder):
                took = timed(trip, lambda _, end=time.monotonic() + SECONDS: time.monotonic() < end)
            yield row(f"{name}, and {options.messages:,} malformed messages", took, before[name])
    for name, trip in trips.items():
        yield row(f"{name}, afterwards", timed(trip, lambda count: count < 3000), before[name])
    yield [f"broker: {held:,} open files, {status.memory_info().rss / 1e6:.0f} MB afterwards", "", "", "", "", ""]


def table(rows: list[list[str]]) -> str:
    head = ["round trips", "number", "p50, ms", "ratio", "p99, ms", "ratio"]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * 6, *rows)) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--out", help="name of the result file; default: today's date")
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        part, address, count, *folder = options.part
        hold(address, int(count)) if part == "hold" else garble(address, int(count), *folder)
        return
    with tempfile.TemporaryDirectory(prefix="rsn-") as folder, support.broker(Path(folder)) as broker:
        broker.cluster.admit(Path(folder) / "flooder.key", "client")
        (Path(folder) / "broker.public").write_bytes(broker.key)
        broker.cluster.start_worker("worker")
        with broker.cluster.connect():
            rows = []
            for each in measured(broker, options):
                rows.append(each)
                print(*each, sep=" | ", file=sys.stderr)
    facts = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "open files": resource.getrlimit(resource.RLIMIT_NOFILE),
    }
    text = f"# {facts['date']}\n\n{json.dumps(facts)}\n\n{table(rows)}"
    (HERE / "results" / f"{options.out or f'floods-{datetime.date.today()}'}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
