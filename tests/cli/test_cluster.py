"""Closed clusters from the command line: what is said, what is refused, what is kept."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from raisin_cli import rosters
from raisin_core.identity import invitations
from raisin_core.identity.invitations import parse
from raisin_core.identity.profile import Profile
from raisin_core.messages import MemberLine, Refused
from tests.cli.laptops import Double, Laptop

Make = Callable[[str], Laptop]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds that a lost answer costs."""
    monkeypatch.setattr(rosters, "SECONDS", 3.0)


@pytest.fixture
def broker() -> Iterator[Double]:
    made = Double()
    yield made
    made.close()


@pytest.fixture
def laptop(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Make:
    return lambda name: Laptop(home / name, monkeypatch, capsys)


@pytest.fixture
def anna(broker: Double, laptop: Make) -> Laptop:
    """The creator of a cluster."""
    made = laptop("anna")
    made.good(
        "cluster", "create", "lab", "--name", "anna", "--account", "anna", "--broker", broker.claim, "--no-worker"
    )
    return made


@pytest.fixture
def zoe(anna: Laptop, laptop: Make) -> Laptop:
    """A guest who joined."""
    made = laptop("zoe")
    made.good("join", invitation(anna), "--yes", "--no-worker")
    return made


def invitation(anna: Laptop, *options: str, name: str = "zoe") -> str:
    said = anna.good("cluster", "invite", "--name", name, *options)
    (line,) = said.splitlines()
    start, found = line.rsplit(" ", 1)
    assert start == "raisin join"
    return found


def test_create_says_where_the_broker_is_what_to_keep_and_what_comes_next(broker: Double, laptop: Make) -> None:
    anna = laptop("anna")
    said = anna.good("cluster", "create", "lab", "--name", "anna", "--broker", broker.claim, "--no-worker")
    assert broker.address in said
    assert str(anna.home / "clusters" / "lab" / "root.key") in said
    assert "raisin cluster invite" in said
    assert broker.standing is not None
    assert list(broker.standing.members) == ["anna"]


def test_the_line_of_an_invitation_is_all_that_standard_output_gets(anna: Laptop, broker: Double) -> None:
    found = anna.raisin("cluster", "invite", "--name", "zoe", "--valid", "30m")
    assert len(found.out.splitlines()) == 1
    assert "privately" in found.err
    assert parse(found.out.split()[-1]).addresses == [broker.address]
    assert "only this machine can reach the broker" in found.err


def test_a_guest_joins_and_is_listed(anna: Laptop, zoe: Laptop, broker: Double) -> None:
    broker.present = [MemberLine("zoe", "worker", "zoe-laptop", 3.0, 4, 1)]
    members = {each["name"]: each for each in json.loads(anna.good("cluster", "members", "--json"))}
    assert {name: each["roles"] for name, each in members.items()} == {
        "anna": ["admin", "client", "worker"],
        "zoe": ["client", "worker"],
    }
    assert (members["anna"]["me"], members["zoe"]["me"]) == (True, False)
    assert members["zoe"]["sessions"][0]["host"] == "zoe-laptop"
    assert "worker on zoe-laptop, 1 of 4 slots busy" in anna.good("cluster", "members")


def test_an_invitation_may_come_from_standard_input(
    anna: Laptop, laptop: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{invitation(anna)}\n"))
    assert "joined lab as zoe" in laptop("zoe").good("join", "-", "--yes", "--no-worker")


@pytest.mark.usefixtures("impatient")
def test_a_lost_acknowledgement_is_no_failure(anna: Laptop, laptop: Make, broker: Double) -> None:
    zoe, found = laptop("zoe"), invitation(anna)
    broker.losing = 1
    assert "did not answer" in zoe.bad("join", found, "--yes", "--no-worker")
    assert broker.standing is not None
    assert "zoe" in broker.standing.members
    before = broker.standing.members["zoe"].publics
    (kept,) = (zoe.home / "clusters").glob(".joining-*.key")
    assert kept.stat().st_mode & 0o077 == 0
    broker.used = True
    assert "joined lab" in zoe.good("join", found, "--yes", "--no-worker")
    assert broker.standing.members["zoe"].publics == before
    assert not kept.exists()


@pytest.mark.usefixtures("impatient")
def test_a_lost_acknowledgement_of_the_founding_is_none_either(broker: Double, laptop: Make) -> None:
    anna, line = laptop("anna"), ("cluster", "create", "lab", "--broker", broker.claim, "--no-worker")
    broker.losing = 1
    anna.good(*line)
    assert broker.standing is not None
    assert len(broker.standing.members) == 1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda line: line[:-9], "cut"),
        (lambda line: line[:40] + ("a" if line[40] != "a" else "b") + line[41:], "mistyped"),
        (lambda line: "hello", "begins with rsn1-"),
        (lambda line: "rsb1-" + line[5:], "begins with rsn1-"),
        (lambda line: "rsn9-" + line[5:], "upgrade"),
    ],
    ids=["cut", "mistyped", "none", "a claim", "newer"],
)
def test_a_line_that_is_no_invitation(anna: Laptop, laptop: Make, spoil: Callable[[str], str], words: str) -> None:
    assert words in laptop("zoe").bad("join", spoil(invitation(anna)), "--yes")


def test_an_invitation_works_once(anna: Laptop, zoe: Laptop, laptop: Make, broker: Double) -> None:
    line = invitation(anna, name="sam")
    laptop("sam").good("join", line, "--yes", "--no-worker")
    assert "has been used" in laptop("other").bad("join", line, "--yes", "--no-worker")


def test_an_invitation_for_many_gives_each_a_name_of_its_own(anna: Laptop, laptop: Make) -> None:
    line = invitation(anna, "--uses", "2", "--account", "class", name="pool")
    for each in ("one", "two"):
        laptop(each).good("join", line, "--yes", "--no-worker")
    names = [each["name"] for each in json.loads(anna.good("cluster", "members", "--json"))]
    assert len(names) == 3
    assert sum(each.startswith("pool-") for each in names) == 2


def test_an_invitation_after_its_time(anna: Laptop, laptop: Make) -> None:
    line = invitation(anna, "--valid", "0s")
    assert "was to be used earlier" in laptop("zoe").bad("join", line, "--yes", "--no-worker")


def test_clocks_that_differ_are_said(anna: Laptop, laptop: Make, broker: Double) -> None:
    line = invitation(anna, "--valid", "0s")
    broker.clock = 3600.0
    said = laptop("zoe").raisin("join", line, "--yes", "--no-worker")
    assert said.code == 0
    assert "one of the clocks is wrong" in said.err


def test_where_nobody_can_be_asked_it_says_so_before_anything_is_done(
    anna: Laptop, laptop: Make, broker: Double
) -> None:
    line = invitation(anna)
    asked = len(broker.asked)
    assert "say --yes" in laptop("zoe").bad("join", line, code=2)
    assert "say --yes" in anna.bad("cluster", "leave", code=2)
    assert len(broker.asked) == asked


def test_an_invitation_to_another_cluster_than_the_broker_s(anna: Laptop, laptop: Make, broker: Double) -> None:
    known = parse(invitation(anna))
    other = invitations.Invitation(known.addresses, known.broker_key, bytes(32), known.seed)
    assert "another cluster's" in laptop("zoe").bad("join", invitations.line(other), "--yes")
    assert broker.standing is not None
    assert "zoe" not in broker.standing.members


def test_what_a_broker_says_moves_no_cursor(anna: Laptop, broker: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "_answer", lambda *_: Refused("roster", "\x1b[2J\x1b]0;owned\x07no"))
    assert anna.bad("cluster", "invite", "--name", "sam") == "raisin: the broker refused: no\n"


def test_joining_twice_is_an_error_that_says_who_this_machine_is(anna: Laptop, zoe: Laptop) -> None:
    assert "member of lab already, as zoe" in zoe.bad("join", invitation(anna, name="zoe2"), "--yes")


@pytest.mark.usefixtures("impatient")
def test_an_unreachable_broker(anna: Laptop, laptop: Make, broker: Double) -> None:
    line = invitation(anna)
    broker.losing = 10**6
    broker.close()
    assert "nobody answers" in laptop("zoe").bad("join", line, "--yes")


@pytest.mark.usefixtures("impatient")
def test_another_broker_at_the_address(anna: Laptop, laptop: Make) -> None:
    line = invitation(anna)
    other = Double()
    try:
        known = parse(line)
        elsewhere = invitations.Invitation([other.address], known.broker_key, known.cluster, known.seed)
        said = laptop("zoe").bad("join", invitations.line(elsewhere), "--yes")
    finally:
        other.close()
    assert "nothing was sent to it" in said


def test_removing_needs_the_root_key_and_says_what_stays_readable(anna: Laptop, zoe: Laptop) -> None:
    assert "that is on anna" in zoe.bad("cluster", "remove", "anna", "--yes")
    assert "that is on anna" in zoe.bad("cluster", "invite", "--name", "sam")
    said = anna.good("cluster", "remove", "zoe", "--yes")
    assert "epoch 2" in said
    assert [each["name"] for each in json.loads(anna.good("cluster", "members", "--json"))] == ["anna"]
    assert "there are anna" in anna.bad("cluster", "remove", "zoe", "--yes")


def test_renaming(anna: Laptop, zoe: Laptop) -> None:
    anna.good("cluster", "rename", "zoe", "zoe-laptop")
    assert '"zoe-laptop"' in zoe.good("cluster", "members", "--json")


def test_addresses_are_told_to_the_members(anna: Laptop, zoe: Laptop, broker: Double) -> None:
    anna.good("cluster", "addresses", broker.address, "lab.example.org:5757")
    zoe.good("cluster", "members")
    assert zoe.good("cluster", "addresses") == f"{broker.address}\nlab.example.org:5757\n"


def test_leaving_keeps_the_profile_and_lets_come_back(anna: Laptop, zoe: Laptop) -> None:
    assert "left lab" in zoe.good("cluster", "leave", "--yes")
    assert "in no cluster" in zoe.bad("cluster", "status")
    assert (zoe.home / "clusters" / "lab" / "member.key").exists()
    assert [each["name"] for each in json.loads(anna.good("cluster", "members", "--json"))] == ["anna"]


@pytest.mark.usefixtures("impatient")
def test_status_says_how_it_is(anna: Laptop, zoe: Laptop, broker: Double) -> None:
    record = json.loads(zoe.good("cluster", "status", "--json"))
    assert record["reachable"] is True
    assert (record["cluster"], record["me"], record["root"]) == ("lab", "zoe", False)
    assert "root key" in anna.good("cluster", "status")
    broker.close()
    said = zoe.raisin("cluster", "status")
    assert said.code == 1
    assert "cannot be used" in said.out


def test_trust_shows_a_fingerprint_and_remembers(anna: Laptop, zoe: Laptop) -> None:
    anna.good("cluster", "members")
    (own,) = json.loads(zoe.good("trust", "--json"))
    assert own["fingerprint"] in anna.good("trust", "zoe", "--yes")
    assert {each["name"] for each in json.loads(anna.good("trust", "--json"))} == {"anna", "zoe"}
    assert "not one of your machines" in anna.good("trust", "zoe", "--remove")
    assert {each["name"] for each in json.loads(anna.good("trust", "--json"))} == {"anna"}
    assert "there are anna, zoe" in anna.bad("trust", "sam")


def test_whose_code_runs_here(anna: Laptop, zoe: Laptop) -> None:
    assert json.loads(anna.good("worker", "list", "--json")) == []
    anna.good("cluster", "members")
    assert "and of zoe" in anna.good("worker", "allow", "zoe")
    assert json.loads(anna.good("worker", "list", "--json")) == ["zoe"]
    assert "no member of lab is of account 'sam'" in anna.bad("worker", "allow", "sam")
    assert "no other" in anna.good("worker", "deny", "zoe")


def test_a_second_cluster_leaves_the_first_as_it_was(
    anna: Laptop, zoe: Laptop, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Double()
    try:
        zoe.good("cluster", "create", "mine", "--broker", other.claim, "--no-worker")
        assert Profile.active_name() == "mine"
        zoe.good("cluster", "members")
        assert "lab" in zoe.good("cluster", "status")
        assert "called mine already" in zoe.bad("cluster", "create", "mine", "--no-worker")
        assert "works with lab now, as zoe" in zoe.good("cluster", "use", "lab", "--no-worker")
        assert Profile.active_name() == "lab"
    finally:
        other.close()


def test_without_a_cluster_each_command_says_how_to_get_one(laptop: Make) -> None:
    for command in (["cluster", "members"], ["cluster", "invite", "--name", "zoe"], ["trust"], ["worker", "list"]):
        assert "raisin join rsn1-" in laptop("nobody").bad(*command)


@pytest.mark.parametrize(
    "command",
    [
        ["cluster", "create", "../lab"],
        ["cluster", "create", "lab", "--name", "a b"],
        ["cluster", "create", "con"],
        ["cluster", "invite", "--name", "zoe", "--roles", "king"],
        ["cluster", "invite", "--name", "zoe", "--valid", "soon"],
        ["cluster", "invite", "--name", "zoe", "--uses", "0"],
        ["cluster", "invite"],
    ],
    ids=" ".join,
)
def test_wrong_usage(anna: Laptop, command: list[str]) -> None:
    anna.bad(*command, code=2)
