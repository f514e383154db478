"""What members cost a broker: memory for each, how long it takes to take a roster, to let a guest in, to find a key.

    python -m bench.members [MEMBERS ...]          (default: 1000 9999)

Each size is measured in an interpreter of its own. Memory is what the process has more once the roster is in force
(resident; the message that brought it is gone by then).
"""

from __future__ import annotations

import gc
import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

SIZES = (1000, 9999)  # and one more joins: a cluster has 10,000 at the most
ROOT = bytes(32)


def seed(number: int) -> bytes:
    return hashlib.sha256(b"member %d" % number).digest()


def make(path: Path, count: int) -> None:
    """A roster of so many members, and one in which a guest is invited, as their root makes them; with the admission of
    a guest, its key and the broker's."""
    from raisin_core.identity import documents, epochs, founding
    from raisin_core.identity.documents import Broker, Member
    from raisin_core.identity.secrets import Secrets
    from raisin_core.identity.standing import read_book

    own = [Secrets.derive(seed(number)) for number in range(count)]
    broker = Broker(["192.168.1.20:5757"], Secrets.derive(seed(-1)).curve.public)
    members = [
        Member(f"laptop-{at}", f"person-{at // 2}", ["client", "worker"], it.public) for at, it in enumerate(own)
    ]
    first = founding.found("lab", ROOT, members[0], broker)
    following = founding.Next(first, ROOT)
    following.members = {each.name: each for each in members}
    keys = epochs.keys_of(read_book(first), own[0].x25519, own[0].public.x25519)
    book = following.sign(keys, None)
    invited, grant_seed = founding.invite(book, ROOT, keys, name="zoe", join_before=2e9)
    standing = read_book(invited)
    (grant,) = standing.grants.values()
    admission = documents.admission(grant_seed, Secrets.derive(seed(-2)), grant, standing.cluster)
    names = {"book": book, "invited": invited, "admission": documents.encode(admission)}
    names["first"] = first
    for name, data in {**names, "grant": grant.publics.key, "broker": broker.key}.items():
        (path / name).write_bytes(data)


def measure(path: Path, count: int) -> None:
    """Be the broker."""
    from raisin_broker.charter import Charter
    from raisin_broker.machine import Arrived, Broker
    from raisin_broker.membership import Membership
    from raisin_broker.outbox import Ask
    from raisin_broker.state import Instant
    from raisin_broker.store.memory import MemoryStore
    from raisin_core import home
    from raisin_core import messages as m
    from raisin_core.identity.standing import read_book

    read = {name: (path / name).read_bytes() for name in ("broker", "grant", "invited", "admission")}
    charter = Charter(Membership(read["broker"], claim=b"c" * 40), lambda book: home.write_private(path / "kept", book))
    machine, at = Broker(MemoryStore().start(), Instant(0.0, 1.7e9)), Instant(0.0, 1.7e9)
    machine.handle(charter.as_it_is(), at)

    def says(key: bytes, message: m.Publish | m.Join, payload: bytes) -> float:
        began = time.perf_counter()
        (ask,) = machine.handle(Arrived(b"route", key.decode(), message, payload), at)
        assert isinstance(ask, Ask)
        machine.handle(charter.answer(ask, at.wall), at)
        return time.perf_counter() - began

    read_book((path / "first").read_bytes())  # whatever is imported for it is no member's
    gc.collect()
    before = psutil.Process().memory_info().rss
    took = says(b"c" * 40, m.Publish(), (path / "book").read_bytes())
    gc.collect()
    each = (psutil.Process().memory_info().rss - before) / count
    assert len(machine.state.members) == count
    member = next(iter(machine.state.members)).encode()
    invites = says(member, m.Publish(), read["invited"])
    joins = says(read["grant"], m.Join(), read["admission"])
    assert len(machine.state.members) == count + 1
    doors, keys = charter.membership.doors, [key.encode() for key in machine.state.members]
    began = time.perf_counter()
    assert all(key in doors for key in keys)
    judged = (time.perf_counter() - began) / len(keys)
    size = (path / "book").stat().st_size
    print(
        f"| {count:,} | {size / 1e6:.2f} MB | {each / 1000:.2f} kB | {took:.3f} s | {invites:.3f} s | {joins:.3f} s "
        f"| {judged * 1e6:.2f} us |"
    )


def main() -> None:
    if len(sys.argv) == 4 and sys.argv[1] in ("make", "measure"):
        (make if sys.argv[1] == "make" else measure)(Path(sys.argv[2]), int(sys.argv[3]))
        return
    print("| members | book | memory for each | to take it | to take the next | to let a guest in | to find a key |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for count in map(int, sys.argv[1:] or SIZES):
        with tempfile.TemporaryDirectory() as place:
            for what in ("make", "measure"):
                subprocess.run([sys.executable, "-m", "bench.members", what, place, str(count)], check=True)


if __name__ == "__main__":
    main()
