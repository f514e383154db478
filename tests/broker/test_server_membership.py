"""A closed cluster on a real broker: its process, its files, ZeroMQ peers with CURVE keys, signed documents."""

from __future__ import annotations

import hashlib
import itertools
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
import zmq

from raisin_core import digests
from raisin_core import messages as m
from raisin_core.errors import InvitationError
from raisin_core.identity import invitations, keys
from raisin_core.identity.keys import Keys
from raisin_core.identity.secrets import Secrets
from raisin_core.identity.standing import read_book
from raisin_core.link import Connected, Context, HandshakeFailed, Link
from raisin_core.messages import Message
from raisin_core.peer import Received
from tests.conftest import SHORT
from tests.support.papers import Papers

pytestmark = pytest.mark.slow

PATIENCE = 20.0  # seconds: how long something may take that must happen
ENOUGH = 200  # milliseconds in which what must not happen would have happened
BLOB = b"b" * 1000
_instances = itertools.count(1)
PUT = m.Put(hashlib.sha256(BLOB).digest(), 0, len(BLOB))


class Running:
    """A broker's process, and how to reach it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.context: Context = zmq.Context()
        self.links: list[Link] = []
        self.address = "127.0.0.1:0"
        self.start()
        self.key = keys.load(data / "broker.key").public
        self.papers = Papers(broker=self.key, addresses=[self.address])

    def start(self) -> None:
        command = [sys.executable, "-m", "raisin_broker.main", "--listen", self.address, "--data", str(self.data)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()
        self.address = self.said.split("listening on ")[1].split(",")[0]
        if not (self.data / "book").exists():
            self.said += self.process.stdout.readline()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def ends(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        for link in self.links:
            link.close()
        self.context.destroy(linger=0)
        self.kill()

    def peer(self, who: str | Keys) -> Peer:
        return Peer(self, self.papers.keys(who) if isinstance(who, str) else who)

    def publish(self, book: bytes, who: str = "ann") -> None:
        answer, _ = self.peer(who).ask(m.Publish(), book)
        assert isinstance(answer, m.Roster), answer

    def found(self) -> None:
        """With the claim that it printed."""
        found = re.search(r"raisin cluster create NAME --broker (\S+)\n", self.said)
        assert found, self.said
        claim = invitations.parse_claim(found[1])
        assert (claim.addresses, claim.key) == ([self.address], self.key)
        answer, _ = self.peer(Secrets.derive(claim.seed).curve).ask(m.Publish(), self.papers.found())
        assert isinstance(answer, m.Roster), answer


class Peer:
    """A link with somebody's keys."""

    def __init__(self, broker: Running, own: Keys) -> None:
        self.link = Link(broker.context, broker.address, broker.key, own)
        broker.links.append(self.link)
        self.events: list[object] = []

    def wait(self, *kinds: type[object], seconds: float = PATIENCE) -> object | None:
        """The next event, or message, of these kinds (other messages are kept for later); None if none comes."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for at, event in enumerate(self.events):
                if isinstance(event.message if isinstance(event, Received) else event, kinds):
                    return self.events.pop(at)
            poller = zmq.Poller()
            for each in self.link.sockets():
                poller.register(each, zmq.POLLIN)
            poller.poll(50)
            self.events += self.link.read()
        return None

    def admitted(self) -> bool:
        return self.link.connected or isinstance(self.wait(Connected, HandshakeFailed), Connected)

    def say(self, message: Message, payload: bytes = b"") -> None:
        assert self.admitted(), "it was not let in"
        assert self.link.send(message, payload)

    def hear(self, *kinds: type[Message]) -> tuple[Message, bytes]:
        found = self.wait(*kinds)
        assert isinstance(found, Received), f"heard no {kinds}, only {self.events}"
        return found.message, found.payload

    def ask(self, message: Message, payload: bytes = b"") -> tuple[Message, bytes]:
        self.say(message, payload)
        return self.hear(m.Roster, m.Refused, m.Members)

    def hello(self, role: Literal["client", "worker"], roster: int = 0) -> None:
        """Begin a session."""
        instance = next(_instances).to_bytes(16, "big")
        self.say(m.Hello(instance, role, "here", 1, "", int(role == "worker"), roster=roster))
        self.hear(m.Welcome)


@pytest.fixture
def broker() -> Iterator[Running]:
    folder = Path(tempfile.mkdtemp(prefix="rsn-", dir=SHORT))
    running = Running(folder / "data")
    yield running
    running.close()
    shutil.rmtree(folder, ignore_errors=True)


def code(answer: tuple[Message, bytes]) -> str:
    return answer[0].code if isinstance(answer[0], m.Refused) else type(answer[0]).__name__


def test_founded_joined_and_left_by_the_lines_that_are_pasted(broker: Running) -> None:
    papers = broker.papers
    broker.found()
    assert not (broker.data / "claim.key").exists()
    assert broker.peer(papers.keys("claim")).admitted() is False, "a claim of another kind"
    broker.publish(papers.invite("zoe", account="zoe"))
    line = invitations.line(
        invitations.Invitation(
            [broker.address], papers.secrets("broker").public.curve, papers.standing().cluster, papers.draw(16)
        )
    )
    with pytest.raises(InvitationError, match="cut"):
        invitations.parse(line[:-20])
    guest = broker.peer("zoe_invitation")
    answer, book = guest.ask(m.Join())
    assert read_book(book, papers.standing().cluster) == papers.standing()
    answer, book = guest.ask(m.Join(), papers.admission("zoe", "zoe"))
    assert isinstance(answer, m.Roster)
    assert set(read_book(book).members) == {"ann", "zoe"}
    assert (broker.data / "book").read_bytes() == book, "it was durable before it was said"
    zoe = broker.peer("zoe")
    zoe.hello("client")
    zoe.hear(m.Roster)  # it holds none yet
    answer, _ = broker.peer("ann").ask(m.ListMembers())
    assert isinstance(answer, m.Members)
    assert [(line.member, line.role) for line in answer.lines] == [("zoe", "client")]
    papers.joined("zoe", "zoe")
    assert code(zoe.ask(m.Resign(), papers.resignation("zoe"))) == "Roster"
    assert broker.peer("zoe").admitted() is False
    assert broker.ends() == 0


def test_an_invitation_used_by_many_at_once_lets_in_one(broker: Running) -> None:
    papers = broker.papers
    broker.found()
    broker.publish(papers.invite("zoe"))
    guests = {who: broker.peer("zoe_invitation") for who in ("zoe", "yan", "xin", "wen")}
    for who, guest in guests.items():
        assert guest.admitted(), who
    for who, guest in guests.items():
        guest.say(m.Join(), papers.admission("zoe", who))
    answers = {who: guest.hear(m.Roster, m.Refused) for who, guest in guests.items()}
    assert sorted(map(code, answers.values())) == ["Roster", "invitation", "invitation", "invitation"]
    (winner,) = (who for who, answer in answers.items() if code(answer) == "Roster")
    broker.kill()
    broker.start()
    for who in guests:
        said = code(broker.peer("zoe_invitation").ask(m.Join(), papers.admission("zoe", who)))
        assert said == ("Roster" if who == winner else "invitation"), who


def test_an_acknowledgement_that_was_lost_costs_a_question(broker: Running) -> None:
    """The broker dies as soon as it has written; whoever asked does not know, and asks again."""
    papers = broker.papers
    broker.found()
    broker.publish(papers.invite("zoe"))
    guest = broker.peer("zoe_invitation")
    before = (broker.data / "book").read_bytes()
    guest.say(m.Join(), papers.admission("zoe", "zoe"))
    until = time.monotonic() + PATIENCE
    while (broker.data / "book").read_bytes() == before and time.monotonic() < until:
        guest.link.sockets()[0].poll(1)
    broker.kill()
    broker.start()
    again = broker.peer("zoe_invitation")
    _, book = again.ask(m.Join(), papers.admission("zoe", "zoe"))
    assert list(read_book(book).members) == ["ann", "zoe"]
    broker.peer("zoe").hello("worker")


def test_a_guest_gets_nothing_but_in(broker: Running) -> None:
    broker.found()
    broker.publish(broker.papers.invite("zoe"))
    for message in (m.Hello(b"i" * 16, "client", "here", 1), m.ListMembers(), m.Publish(), m.Beat(), m.ListJobs(9)):
        assert code(broker.peer("zoe_invitation").ask(message)) == "role", message
    guest = broker.peer("zoe_invitation")
    guest.say(m.Join())
    guest.say(PUT, BLOB)
    assert guest.wait(m.Have, seconds=ENOUGH / 1000) is None
    member = broker.peer("ann")
    member.say(PUT, BLOB)
    assert isinstance(member.hear(m.Have)[0], m.Have)
    guest.say(m.Get(PUT.digest, 0))
    assert guest.wait(m.Chunk, seconds=ENOUGH / 1000) is None


def test_who_is_removed_is_out_although_the_connection_stands(broker: Running) -> None:
    papers = broker.papers
    broker.found()
    broker.publish(papers.invite("bob"))
    assert code(broker.peer("bob_invitation").ask(m.Join(), papers.admission("bob", "bob"))) == "Roster"
    papers.joined("bob", "bob")
    ann, bob, works = broker.peer("ann"), broker.peer("bob"), broker.peer("bob")
    ann.hello("client", roster=2)
    bob.hello("client")
    works.hello("worker")
    works.say(m.Held([], 0))
    job, other = b"j" * 16, b"k" * 16
    for peer, name in ((ann, other), (bob, job)):
        peer.say(m.Open(name, "map", "f", digests.content(b"f"), m.Options(where=["nobody"]), epoch=1), b"f")
        peer.say(m.Page(name, 0, 0, 1, last=True), b"a")
        peer.hear(m.Closed)
    bob.say(PUT, BLOB)
    bob.hear(m.Have)
    broker.publish(papers.remove("bob"))
    told, book = ann.hear(m.Roster)
    while isinstance(told, m.Roster) and told.version < 3:
        told, book = ann.hear(m.Roster)
    assert list(read_book(book).members) == ["ann"]
    for peer in (bob, works):
        answer, _ = peer.hear(m.Refused)
        assert isinstance(answer, m.Refused)
        assert (answer.code, answer.fatal) == ("member", True)
    bob.say(m.ListJobs(9))
    assert code(bob.hear(m.Refused, m.Jobs)) == "member"
    bob.say(m.Get(PUT.digest, 0))
    assert bob.wait(m.Chunk, seconds=ENOUGH / 1000) is None, "the other connection is no way in"
    assert broker.peer("bob").admitted() is False
    assert broker.peer("bob_invitation").admitted() is False
    ann.say(m.ListJobs(9))
    listed, _ = ann.hear(m.Jobs)
    assert isinstance(listed, m.Jobs)
    assert {(line.job, line.state) for line in listed.jobs} == {(other, "running"), (job, "cancelled")}


def test_a_damaged_book_starts_nothing(broker: Running) -> None:
    broker.found()
    broker.kill()
    (broker.data / "book").write_bytes(b"garbage")
    command = [sys.executable, "-m", "raisin_broker.main", "--data", str(broker.data), "--listen", "127.0.0.1:0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "book: this is no book" in done.stderr
    assert "put a copy in its place" in done.stderr
