"""What a closed cluster costs: the same work in one whose members seal and sign, and in one without seals, in pairs.

    python -m bench.closed [--rounds 5] [--members 1000] [--out NAME]

All clusters are on loopback, a broker and a worker with two slots each, as programs of their own. `open` has a
roster.toml: links are encrypted, payloads are not sealed. In `own` the worker is the client's machine (results may be
pickles), in `others` somebody else's, who lets the client's code run (results travel as values). In each round a new
interpreter does the same work in each of them, one right after the other; whoever comes first changes with the round.
On a busy machine wall times say little; beside them stands the CPU that client, broker, worker and task processes took
together. Run it where `cryptography` is installed, and where it is not. For members' memory see bench.members.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import hashlib
import json
import os
import platform
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil

import raisin
from raisin_core.ciphers.choice import library
from raisin_core.identity import documents, founding, keys, roster
from raisin_core.identity.documents import Broker, Member
from raisin_core.identity.epochs import keys_of
from raisin_core.identity.profile import Profile
from raisin_core.identity.secrets import Secrets
from raisin_core.identity.standing import read_book

HERE = Path(__file__).parent
SIDES = ("open", "own", "others")
SLOTS = "2"
MB = 1 << 20


# -- the work, in an interpreter of its own ----------------------------------------------------------------------------


def noop(number: int) -> int:
    return number


def spin(number: int) -> int:
    """Use a millisecond of CPU."""
    end = time.thread_time_ns() + 1_000_000
    while time.thread_time_ns() < end:
        pass
    return number


def same(data: bytes) -> bytes:
    return data


def rate(task: Callable[[int], int], count: int) -> float:
    """Tasks per second."""
    list(raisin.map(task, range(100)))
    began = time.perf_counter()
    got = list(raisin.map(task, range(count)))
    seconds = time.perf_counter() - began
    assert got == list(range(count))
    return count / seconds


def round_trip() -> float:
    """Milliseconds, the median of a few hundred."""
    took = []
    for number in range(350):
        began = time.perf_counter()
        assert raisin.process(noop, (number,)) == number
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took[50:])


def large() -> float:
    """Seconds for 64 MB there and back."""
    data = os.urandom(64 * MB)
    began = time.perf_counter()
    assert raisin.process(same, (data,)) == data
    return time.perf_counter() - began


WORK: dict[str, Callable[[], float]] = {
    "map, tasks of 1 ms of CPU, tasks/s": lambda: rate(spin, 4_000),
    "map, no-op tasks, tasks/s": lambda: rate(noop, 1_000_000),
    "round trip, median ms": round_trip,
    "64 MB argument and result, s": large,
}


def work(place: str, wanted: str) -> None:
    """Do all the work in the cluster that is described there; say the figures."""
    where = json.loads((Path(place) / "where").read_text())
    parts = [psutil.Process(pid) for pid in json.loads((Path(place) / "parts").read_text())]
    figures: dict[str, float] = {}
    with raisin.connect(where.pop("cluster"), **where):
        raisin.process(noop, (0,))
        for name, task in WORK.items():
            if wanted in name:
                before = used(parts)
                figures[name] = task()
                figures[f"{name.rpartition(',')[0]}: CPU of all parts together, s"] = used(parts) - before
    print(json.dumps(figures))


def used(parts: list[psutil.Process]) -> float:
    """Seconds of CPU so far: of this process, and of these with all that they started."""
    everybody = [each for part in parts for each in (part, *part.children(recursive=True))]
    times = [each.cpu_times() for each in everybody]
    return time.process_time() + sum(each.user + each.system for each in times)


# -- clusters ----------------------------------------------------------------------------------------------------------


def program(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """A part of a cluster, ready: it ends with its standard input."""
    made = subprocess.Popen(
        [sys.executable, "-m", *arguments, "--end-with-stdin"],
        env={**os.environ, "RAISIN_HOME": str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert made.stdout is not None
    assert made.stdout.readline()
    return made


def free_address() -> str:
    """Where a broker can listen: on two ports in a row."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first, contextlib.suppress(OSError):
            port = first.getsockname()[1]
            with socket.create_server(("127.0.0.1", port + 1)):
                return f"127.0.0.1:{port}"


class Side:
    """A cluster in a directory of its own; the client's home is `home`."""

    def __init__(self, place: Path, kind: str) -> None:
        self.kind, self.place = kind, place / kind
        self.data, self.home, self.other = (self.place / name for name in ("broker", "client", "worker"))
        for each in (self.place, self.data, self.home, self.other):
            each.mkdir(mode=0o700)
        self.address = free_address()
        self.key = keys.load_or_make(self.data / "broker.key")[0].public
        where = self._open() if kind == "open" else self._closed()
        (self.home / "where").write_text(json.dumps(where))
        listen = ("--listen", self.address, "--data", str(self.data))
        self.programs = [program(self.data, "raisin_broker.main", *listen)]
        options = ["--broker", self.address, f"--broker-key={self.key.decode()}"] if kind == "open" else []
        at = self.home if kind == "own" else self.other
        self.programs += [program(at, "raisin_worker.main", "--slots", SLOTS, *options)]
        (self.home / "parts").write_text(json.dumps([each.pid for each in self.programs]))

    def _open(self) -> dict[str, str]:
        """Two members of a roster.toml. Gives the arguments of `connect`."""
        for role, path in (("client", self.home / "client.key"), ("worker", self.other / "worker" / "worker.key")):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            roster.add(self.data / "roster.toml", keys.load_or_make(path)[0].public, role, [role])
        return {"cluster": self.address, "broker_key": self.key.decode(), "key_file": str(self.home / "client.key")}

    def _closed(self) -> dict[str, str]:
        """A cluster with a founder, who is the client, and somebody who came by invitation."""
        seeds, root = [secrets.token_bytes(32) for _ in range(2)], secrets.token_bytes(32)
        anna, guest = map(Secrets.derive, seeds)
        me = Member("anna", "anna", ["admin", "client", "worker"], anna.public)
        book = founding.found("lab", root, me, Broker([self.address], self.key))
        epochs = keys_of(read_book(book), anna.x25519, anna.public.x25519)
        invited, grant_seed = founding.invite(book, root, epochs, name="bert", join_before=time.time() + 3600)
        standing = read_book(invited)
        (grant,) = standing.grants.values()
        admission = documents.admission(grant_seed, guest, grant, standing.cluster)
        book = founding.fold(standing.admit(admission, time.time()).book, root, epochs)
        for home, seed in ((self.home, seeds[0]), (self.other, seeds[1])):
            with at_home(home):
                Profile.create("lab", seed, book)
                Profile.use("lab")
                Profile.load().set_runs(["anna"])
        (self.data / "book").write_bytes(book)
        (self.data / "book").chmod(0o600)
        return {"cluster": "lab"}

    def figures(self, wanted: str) -> dict[str, float]:
        """What a new interpreter measures here."""
        done = subprocess.run(
            [sys.executable, "-m", "bench.closed", "--work", str(self.home), wanted],
            env={**os.environ, "RAISIN_HOME": str(self.home)},
            stdout=subprocess.PIPE,
            text=True,
            timeout=600,
            check=True,
        )
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found

    def close(self) -> None:
        for each in reversed(self.programs):
            assert each.stdin is not None
            each.stdin.close()
            each.wait(30)


@contextlib.contextmanager
def at_home(home: Path) -> Iterator[None]:
    """This process is that machine's for a while."""
    before = os.environ.get("RAISIN_HOME")
    os.environ["RAISIN_HOME"] = str(home)
    try:
        yield
    finally:
        os.environ.pop("RAISIN_HOME")
        if before is not None:
            os.environ["RAISIN_HOME"] = before


# -- a roster ----------------------------------------------------------------------------------------------------------


def checked(count: int) -> list[float]:
    """Milliseconds to verify a roster of so many members, and to find the epochs' keys in it."""
    own = [Secrets.derive(hashlib.sha256(b"member %d" % at).digest()) for at in range(count)]
    broker = Broker(["192.168.1.20:5757"], Secrets.derive(bytes(32)).curve.public)
    everybody = [Member(f"laptop-{at}", "lab", ["client", "worker"], it.public) for at, it in enumerate(own)]
    following = founding.Next(founding.found("lab", bytes(32), everybody[0], broker), bytes(32))
    following.members = {each.name: each for each in everybody}
    first = keys_of(following.before, own[0].x25519, own[0].public.x25519)
    book, took = following.sign(first, None), []
    for _ in range(5):
        began = time.perf_counter()
        assert len(read_book(book).members) == count
        assert keys_of(read_book(book), own[-1].x25519, own[-1].public.x25519) == first
        took.append((time.perf_counter() - began) * 1000)
    return took


# -- the table ---------------------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """A figure of all rounds, by side."""

    name: str
    by_side: dict[str, list[float]]

    def cells(self) -> list[str]:
        found = [self.name, *(_range(values) for values in self.by_side.values())]
        rest = [values for side, values in self.by_side.items() if side != "open"]
        pairs = [[a / b for a, b in zip(values, self.by_side["open"])] for values in rest]
        return [*found, *(f"{statistics.median(ratios):.2f}" for ratios in pairs)]


def _range(values: list[float]) -> str:
    return f"{_show(statistics.median(values))} ({_show(min(values))} to {_show(max(values))})"


def _show(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(rows: list[Row]) -> str:
    head = ["figure", "open", "own worker", "others' worker", "own : open", "others : open"]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * 6, *(row.cells() for row in rows))) + "\n"


def measured(options: argparse.Namespace) -> list[Row]:
    rows: dict[str, Row] = {}
    with tempfile.TemporaryDirectory(prefix="rsn-") as folder, contextlib.ExitStack() as stack:
        sides = []
        for kind in SIDES:
            sides.append(Side(Path(folder), kind))
            stack.callback(sides[-1].close)
        for number in range(options.rounds):
            first = number % len(sides)
            for side in (*sides[first:], *sides[:first]):
                for name, value in side.figures(options.only).items():
                    rows.setdefault(name, Row(name, {kind: [] for kind in SIDES})).by_side[side.kind].append(value)
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    return list(rows.values())


def facts(options: argparse.Namespace) -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "cores": os.cpu_count(),
        "load": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "ciphers": library().__name__.rpartition("_")[2],  # type: ignore[attr-defined]  # it is a module
        "rounds": options.rounds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--members", type=int, default=1000, help="of the roster that is checked")
    parser.add_argument("--only", default="", help="work whose name contains this")
    parser.add_argument("--out", help="name of the result file; default: today's date, and whose ciphers")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(*options.work)
        return
    about = facts(options)
    rows, roster_ms = table(measured(options)), checked(options.members)
    text = f"# {about['date']}\n\n{json.dumps(about)}\n\n{rows}\n"
    text += f"A roster of {options.members:,} members is verified and its key found in {_range(roster_ms)} ms.\n"
    name = options.out or f"closed-{datetime.date.today()}-{about['ciphers']}"
    (HERE / "results" / f"{name}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
