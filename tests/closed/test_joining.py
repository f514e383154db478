"""Invitations in the wrong hands, in too many, and on bad lines: real `raisin join` programs and a real broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from zmq.utils import z85

from raisin_core.identity.invitations import Invitation, line, parse
from raisin_core.identity.keys import make
from tests.attacks.conftest import make_folder
from tests.closed.relay import Relay
from tests.closed.typed import SECONDS, Computer, computers

pytestmark = pytest.mark.slow
QUIETLY = ("--yes", "--no-worker")


@pytest.fixture(scope="module")
def place(session_home: Path) -> Iterator[Path]:
    yield from make_folder()


@pytest.fixture(scope="module")
def anna(place: Path) -> Iterator[Computer]:
    """Who has a cluster."""
    with computers(place, ["anna"]) as (made,):
        made.create("lab", "--no-worker")
        yield made


@pytest.fixture
def guests(place: Path, request: pytest.FixtureRequest) -> Iterator[list[Computer]]:
    names = [f"{request.node.name}-{number}" for number in range(6)]
    with computers(place, names) as made:
        yield made


def members(anna: Computer) -> set[str]:
    return {each["name"] for each in json.loads(anna.raisin("cluster", "members", "--json"))}


def book(anna: Computer) -> bytes:
    """What the broker keeps: durable before anybody is answered."""
    return (anna.home / "brokers" / "lab" / "book").read_bytes()


def replaced(invitation: str, **fields: object) -> str:
    known = parse(invitation)
    values = {"addresses": known.addresses, "broker_key": known.broker_key, "cluster": known.cluster}
    return line(Invitation(**{**values, "seed": known.seed, **fields}))  # type: ignore[arg-type]


def test_of_many_that_use_an_invitation_at_once_one_gets_in(anna: Computer, guests: list[Computer]) -> None:
    found = anna.invite("zoe")
    tries = [each.typing("join", "-", *QUIETLY) for each in guests[:3]]
    for each in tries:  # they wait for the line, and get it at the same time
        assert each.process.stdin is not None
        each.process.stdin.write(f"{found}\n".encode())
        each.process.stdin.flush()
    done = [each.wait(SECONDS) for each in tries]
    assert sorted(each.code for each in done) == [0, 1, 1], done
    (winner,) = (guest for guest, each in zip(guests, done, strict=False) if each.code == 0)
    assert winner.profile().me.name == "zoe"
    assert {"anna", "zoe"} <= members(anna)
    anna.profile().reload()
    assert anna.profile().standing.members["zoe"].publics == winner.profile().secrets.public
    before = book(anna)
    for guest, ended in zip(guests, done, strict=False):
        assert (guest.names() == ["lab"]) == (ended.code == 0)
        if ended.code:
            assert "invitation" in ended.err
            assert "invitation" in guest.bad("join", found, *QUIETLY).err, "nor afterwards"
    assert book(anna) == before


def test_invitations_that_let_nobody_in(anna: Computer, guests: list[Computer], place: Path) -> None:
    """After its time, cut, mistyped, of another cluster, with another broker's key, made up."""
    good, late = anna.invite("sam"), anna.invite("ida", "--valid", "0s")
    lines = {
        late: "was to be used earlier",
        good[:-12]: "cut",
        good[:60] + ("a" if good[60] != "a" else "b") + good[61:]: "mistyped",
        replaced(good, cluster=bytes(32)): "another cluster's",
        replaced(good, broker_key=z85.decode(make().public)): "nothing was sent to it",
        replaced(good, seed=bytes(16)): "does not know this invitation",
    }
    before = book(anna)
    tries = [guest.typing("join", each, *QUIETLY) for guest, each in zip(guests, lines, strict=True)]
    for guest, each, words in zip(guests, tries, lines.values(), strict=True):
        done = each.wait(SECONDS)
        assert done.code == 1, done
        assert words in done.err
        assert "Traceback" not in done.err
        assert guest.names() == []
    assert book(anna) == before
    guests[0].raisin("join", good, *QUIETLY)
    assert guests[0].profile().me.name == "sam", "the line itself was good"


@pytest.mark.parametrize("times", [1, 10**6], ids=["once", "until it gives up"])
def test_a_lost_acknowledgement(anna: Computer, guests: list[Computer], place: Path, times: int) -> None:
    """The connection breaks after the broker has stored the admission and before its answer arrives."""
    name, before = f"lost{times}", b""
    found = anna.invite(name)
    before = book(anna)
    with Relay(place / name, int(parse(found).addresses[0].split(":")[1])) as relay:
        relay.cut = lambda: book(anna) != before and relay.cuts < times
        detour = replaced(found, addresses=[f"127.0.0.1:{relay.port}"])
        done = guests[0].typing("join", detour, *QUIETLY).wait(SECONDS)
        assert relay.cuts
        admitted = book(anna)
        assert admitted != before, "it was stored"
        assert (done.code, guests[0].names()) == ((0, ["lab"]) if times == 1 else (1, []))
        relay.cut = bool
        if times > 1:
            guests[0].raisin("join", detour, *QUIETLY)
        assert book(anna) == admitted, "the second try changes nothing: it has the same keys"
    profile = guests[0].profile()
    assert profile.me.name == name
    assert profile.standing.members[name].publics == profile.secrets.public
    assert name in members(anna)
