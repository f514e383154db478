"""Connecting to a cluster that this machine joined; where verbs go; newer rosters: with real sockets and profiles."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import raisin
from raisin_core import messages as m
from raisin_core.client import connection, members
from raisin_core.client.asking import readable
from raisin_core.identity.documents import Broker as Place
from raisin_core.identity.profile import Profile

from .closed import Circle, Worker, secrets
from .links import BROKER, STRANGER, reserve_pair
from .scripted import Joined, Scripted, forget_connections


@pytest.fixture
def broker() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    forget_connections()
    made.close()


@pytest.fixture
def joined(broker: Scripted) -> Joined:
    return Joined(broker)


# -- which cluster ---------------------------------------------------------------------------------------------------


def test_a_joined_cluster_by_name_and_the_active_one(joined: Joined) -> None:
    with raisin.connect("lab") as by_name:
        assert (by_name.name, by_name.address) == ("lab", joined.broker.address)
        assert connection.current("auto") is by_name
    with raisin.connect() as active:
        assert repr(active) == f"<raisin connection to lab ({joined.broker.address}): connected>"
        assert connection.current("cluster") is active
    assert [hello.roster for hello, _ in joined.broker.said(m.Hello)] == [2, 2]


def test_verbs_use_the_active_cluster_and_connect_to_it_once(joined: Joined) -> None:
    first = connection.current("auto")
    assert first.name == "lab"
    assert connection.current("cluster") is connection.current("auto") is first
    assert first.mine == ["me"]
    assert len(joined.broker.said(m.Hello)) == 1


def test_where_machine_is_this_machine_whatever_was_joined(joined: Joined, monkeypatch: pytest.MonkeyPatch) -> None:
    own: Any = object()
    monkeypatch.setattr(connection, "_own", lambda: own)
    assert connection.current("machine") is own
    assert joined.broker.heard == []


def test_without_a_cluster_it_is_this_machine(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own: Any = object()
    monkeypatch.setattr(connection, "_own", lambda: own)
    monkeypatch.setattr(connection, "_belongs", None)
    assert connection.current("auto") is own
    with pytest.raises(raisin.UsageError, match="in no cluster; raisin join"):
        connection.current("cluster")
    with pytest.raises(raisin.UsageError, match="in no cluster"):
        raisin.connect()


def test_an_unreachable_cluster_is_said_to_be_so_and_nothing_falls_back(
    joined: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.3)
    monkeypatch.setattr(connection, "_own", lambda: pytest.fail("it fell back"))
    joined.broker.silent = True
    text = (
        rf"'lab' \({joined.broker.address}\) silent for 0 s; nothing submitted.\n  Only this laptop: where=\"machine\""
    )
    for call in (lambda: connection.current("auto"), raisin.connect, lambda: raisin.process(abs, args=(1,))):
        with pytest.raises(raisin.BrokerUnreachable, match=text):
            call()
    joined.broker.silent = False
    assert connection.current("auto").name == "lab"


def test_calls_that_mean_nothing(joined: Joined) -> None:
    for given, match in (
        ({"broker_key": "x" * 40}, "where the broker is"),
        ({"key_file": "k"}, "goes with broker_key"),
        ({"cluster": "school"}, "'school' .it is in: lab."),
        ({"cluster": "host:5757"}, "by its address: broker_key="),
    ):
        with pytest.raises(raisin.UsageError, match=match):
            raisin.connect(**given)  # type: ignore[arg-type]


def test_members_that_there_are_not_are_named_at_once(joined: Joined) -> None:
    with pytest.raises(raisin.UsageError, match=r"where='nobody' is no member of 'lab' that works; there are: .*'zoe'"):
        raisin.Map(abs, [1], where=["zoe", "nobody"]).start()


def test_another_broker_at_the_address(broker: Scripted) -> None:
    joined = Joined(broker)
    joined.cluster.move(Place([broker.address], STRANGER.public))
    joined.profile.adopt(joined.cluster.book)
    with pytest.raises(raisin.WrongBrokerKey, match=f"{broker.address}.*not the broker of 'lab'"):
        raisin.connect("lab")


def test_a_broker_that_does_not_admit_this_machine(joined: Joined) -> None:
    joined.broker.admit("zoe")
    with pytest.raises(raisin.NotAdmitted, match="This machine was removed from 'lab'"):
        raisin.connect("lab")


def test_the_broker_is_looked_for_at_all_its_addresses(broker: Scripted) -> None:
    nobody = reserve_pair()
    Joined(broker, f"127.0.0.1:{nobody[0].getsockname()[1]}", "no-such-host.invalid")
    assert raisin.connect().address == broker.address
    for each in nobody:
        each.close()


# -- rosters ---------------------------------------------------------------------------------------------------------


def test_a_newer_roster_from_the_broker_is_kept_and_seals(joined: Joined) -> None:
    cluster = raisin.connect()
    assert cluster.belonging is not None
    joined.cluster.remove("eve")
    joined.broker.say(m.Roster(3, [1]), joined.cluster.book)
    adopted = threading.Event()
    for _ in range(2000):
        if cluster.belonging.version == 3 or adopted.wait(0.01):
            break
    assert (cluster.belonging.version, cluster.belonging.sealer.epoch) == (3, 2)
    assert Profile.load("lab").standing.version == 3


def test_a_broker_with_an_older_roster_is_told_the_newer(joined: Joined) -> None:
    joined.broker.roster = 1
    raisin.connect()
    joined.broker.until(lambda: joined.broker.said(m.Publish))
    assert joined.broker.said(m.Publish) == [(m.Publish(), joined.cluster.book)]


def test_what_another_process_adopted_is_known_to_the_next_call(joined: Joined) -> None:
    cluster = raisin.connect()
    joined.cluster.remove("zoe")
    Profile.load("lab").adopt(joined.cluster.book)
    assert connection.current("auto") is cluster
    assert cluster.belonging is not None
    assert cluster.belonging.version == 3


def test_forged_and_older_rosters_are_refused_and_logged_once(joined: Joined, caplog: pytest.LogCaptureFixture) -> None:
    cluster = raisin.connect()
    assert cluster.belonging is not None
    old = joined.cluster.book
    joined.cluster.remove("eve")
    cluster.belonging.adopt(joined.cluster.book)
    for _ in range(2):
        assert cluster.belonging.adopt(old)
        assert cluster.belonging.adopt(b"garbage")
        assert cluster.belonging.adopt(joined.cluster.book[:-1])
    assert cluster.belonging.version == 3
    said = [record.getMessage() for record in caplog.records if record.name == "raisin"]
    assert len(said) == len(set(said)) == 3
    assert "roster 2 is older than 3" in said[0]


def test_whoever_is_removed_while_a_job_runs_is_told(joined: Joined) -> None:
    joined.cluster.founder = "desk"  # the root is elsewhere
    job = raisin.Map(abs, [1, 2]).start()
    joined.cluster.remove("me")
    joined.broker.say(m.Roster(3, [1]), joined.cluster.book)
    with pytest.raises(raisin.NotAdmitted, match="no member of 'lab' any more: it was removed"):
        job.get(timeout=20)
    with pytest.raises(raisin.NotAdmitted, match="removed"):
        connection.current("auto")


def test_whoever_the_broker_bars_is_told(joined: Joined) -> None:
    job = raisin.Map(abs, [1, 2]).start()
    joined.broker.until(lambda: joined.broker.said(m.Page))
    joined.broker.say(m.Refused("member", "removed from the roster", fatal=True))
    with pytest.raises(raisin.NotAdmitted, match="no member of 'lab' any more"):
        job.get(timeout=20)


# -- members ---------------------------------------------------------------------------------------------------------


def test_members_are_those_of_the_roster_and_the_broker_says_who_is_there(joined: Joined) -> None:
    joined.profile.confirm(joined.profile.standing.members["desk"])
    there = members.members()
    assert [(each.name, each.account, each.mine, each.here) for each in there] == [
        ("desk", "me", True, []),
        ("eve", "eve", False, []),
        ("me", "me", True, []),
        ("zoe", "zoe", False, ["worker"]),
    ]
    assert repr(there).splitlines()[-1].split() == ["zoe", "zoe", "client,", "worker", "worker", "1/4", "busy"]
    assert (there[3].slots, there[3].busy, there[3].connected, there[3].hosts) == (4, 1, True, ["zoe-host"])
    assert there[:2] == members.MemberList(list(there)[:2])
    assert "<table" in there._repr_html_()


def test_status_of_a_cluster_that_cannot_be_reached(joined: Joined, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.2)
    joined.broker.silent = True
    said = members.status()
    assert said.problem in repr(said)
    assert "'lab'" in said.problem


def test_the_first_job_says_whose_machines_get_the_code(joined: Joined) -> None:
    cluster = raisin.connect()
    assert cluster.belonging is not None
    said = cluster.belonging.announcement()
    assert said == "raisin: lab; your code goes to its members' machines: desk (me), zoe"
    assert cluster.belonging.announcement() == ""


def test_what_members_hid_in_answers_is_readable(joined: Joined) -> None:
    cluster = raisin.connect()
    assert cluster.belonging is not None
    hide, reveal = cluster.belonging.sealer.hide, cluster.belonging.sealer.reveal
    line = m.JobLine(
        *(b"j" * 16, hide("fit", b"j"), "map", "running", 0, 0, 0, 1, 1.0, 0.0, "me", "me", "", True)  # type: ignore[arg-type]
    )
    listed = readable(m.Jobs([line], 1), reveal)
    assert isinstance(listed, m.Jobs)
    assert listed.jobs[0].name == "fit"
    worker = m.WorkerLine("zoe", "zoe-host", 4, 0, hide("no", b"j"))
    said = readable(m.Explained(line, 1, 0, 0, [f"zoe: {hide('not mine', b'j')}"], [worker]), reveal)
    assert isinstance(said, m.Explained)
    assert (said.line.name, said.reasons, said.workers[0].reason) == ("fit", ["zoe: not mine"], "no")
    assert readable(m.Refused("busy", hide("full", b"j")), reveal) == m.Refused("busy", "full")


# -- results over the wire -------------------------------------------------------------------------------------------


@pytest.fixture
def working(joined: Joined) -> Joined:
    joined.broker.worker = Worker(Circle(joined.cluster, "zoe"))
    joined.profile.confirm(joined.profile.standing.members["zoe"])
    return joined


def square(x: int) -> int:
    return x * x


def test_a_map_between_members(working: Joined) -> None:
    assert list(raisin.map(square, range(5))) == [0, 1, 4, 9, 16]
    (opened, payload), *_ = working.broker.said(m.Open)
    assert "square" not in opened.name
    assert b"square" not in payload
    assert opened.epoch == 1


@pytest.mark.parametrize("how", ["replayed", "moved", "garbage", "plain"])
def test_a_lying_broker_fails_the_job_and_says_what_it_did(working: Joined, how: str) -> None:
    kept: list[bytes] = []

    def tamper(message: m.Result, payload: bytes) -> tuple[m.Result, bytes]:
        kept.append(payload)
        if how == "moved":
            return m.Result(message.job, message.reader, 1, 0, message.stop - 1, [], "zoe", "zoe"), payload
        return message, {"replayed": kept[0], "garbage": b"garbage", "plain": payload[200:]}[how]

    if how == "replayed":
        kept.append(Worker(Circle(working.cluster, "zoe")).seal(b"o" * 16, 0, [0, 1, 4], attested(working)))
    working.broker.tamper = tamper
    job = raisin.Map(square, range(3)).start()
    text = f"the broker at {working.broker.address} gave results that no member wrote for this job .{job.id[:8]}.: "
    for _ in range(2):  # and again
        with pytest.raises(raisin.SealError, match=text):
            job.get(timeout=20)
    with pytest.raises(raisin.SealError):
        list(job.get_all(timeout=20))


def attested(working: Joined) -> Any:
    from raisin_core.identity.sealing import Attestation

    return Attestation(secrets("me").public.ed25519)


def test_prints_of_members_are_shown_and_the_brokers_words_are_not(
    working: Joined, capfd: pytest.CaptureFixture[str]
) -> None:
    hidden = Circle(working.cluster, "zoe").sealer.hide("from a member\n", b"j" * 16)
    working.broker.prints = [b"from the broker\n", hidden.encode()]
    assert list(raisin.map(square, [2], name="fit")) == [4]
    forget_connections()  # what was to be printed is
    said = capfd.readouterr().out
    assert "[fit 0 host] from a member" in said
    assert "broker" not in said


def test_blobs_travel_under_other_names(working: Joined) -> None:
    raisin.Map(len, [b"marker" * 100_000]).start()
    working.broker.until(lambda: working.broker.said(m.Put))
    (put, data), *_ = working.broker.said(m.Put)
    assert b"marker" not in data
    assert BROKER.public not in data
    assert put.size > 600_000
