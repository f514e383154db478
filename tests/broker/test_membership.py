"""What of a closed cluster the dialogs do not show: files, forgeries, what survives a crash, jobs of who is out."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from raisin_broker import charter
from raisin_broker.belonging import Answered, RosterChanged
from raisin_broker.charter import BOOK, CLAIM, Charter
from raisin_broker.membership import Membership
from raisin_broker.outbox import Ask
from raisin_core import messages as m
from raisin_core.errors import RosterError
from raisin_core.identity import documents, invitations
from raisin_core.identity.documents import Admission, Book
from raisin_core.identity.secrets import Secrets
from tests.support import notation
from tests.support.flow import Flow
from tests.support.papers import Papers

J, K = notation.ident("j"), notation.ident("k")


@pytest.fixture
def papers() -> Papers:
    return Papers()


def opened(path: Path, papers: Papers, claimable: bool = True) -> Charter:
    return charter.opened(path, papers.keys("broker"), claimable, lambda error: False)


def asked(
    it: Charter, papers: Papers, who: str, message: m.Publish | m.Join | m.Resign, payload: bytes, now: float = 0.0
) -> RosterChanged | Answered:
    key = it.membership.claim if who == "claim" else papers.keys(who).public
    return it.answer(Ask(b"route", key.decode(), message, payload), now)


def refusal(answer: RosterChanged | Answered) -> tuple[str, str]:
    assert isinstance(answer, Answered)
    assert answer.refused is not None
    return answer.refused.code, answer.refused.reason


# -- files -----------------------------------------------------------------------------------------------------------


def test_the_claim_founds_a_cluster_once(tmp_path: Path, papers: Papers) -> None:
    it = opened(tmp_path, papers)
    line = charter.claim_line(tmp_path, ["127.0.0.1:5757"], papers.keys("broker"))
    ticket = invitations.parse_claim(line)
    assert (ticket.key, ticket.addresses) == (papers.keys("broker").public, ["127.0.0.1:5757"])
    claim = Secrets.derive(ticket.seed).curve.public
    assert it.membership.claim == claim
    assert set(it.membership.doors) == {claim}
    assert opened(tmp_path, papers).membership.claim == claim, "the line that was printed stays good"
    assert refusal(asked(it, papers, "ann", m.Publish(), papers.found()))[0] == "roster", "the founder's key is not it"
    answer = asked(it, papers, "claim", m.Publish(), papers.newest)
    assert isinstance(answer, RosterChanged)
    assert (answer.version, answer.cluster, answer.asked) == (1, "lab", b"route")
    assert not (tmp_path / CLAIM).exists()
    assert (tmp_path / BOOK).read_bytes() == papers.newest
    assert claim not in it.membership.doors
    again = opened(tmp_path, papers)
    assert (again.membership.claim, again.as_it_is().version) == (b"", 1)


def test_what_lies_there_is_for_its_owner_only_and_no_key_of_root_or_epoch(tmp_path: Path, papers: Papers) -> None:
    it = opened(tmp_path, papers)
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / CLAIM).stat().st_mode) == 0o600
    asked(it, papers, "claim", m.Publish(), papers.found())
    asked(it, papers, "ann", m.Publish(), papers.invite("zoe"))
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / BOOK).stat().st_mode) == 0o600
    secrets = [papers.root, *papers.epochs().values(), papers.secrets("ann").x25519, papers.keys("ann").secret]
    kept = [path.read_bytes() for path in tmp_path.iterdir()]
    assert kept
    assert not any(secret in data for secret in secrets for data in kept)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_a_claim_that_others_could_read_is_replaced(tmp_path: Path, papers: Papers) -> None:
    before = opened(tmp_path, papers).membership.claim
    (tmp_path / CLAIM).chmod(0o644)
    after = opened(tmp_path, papers).membership.claim
    assert after not in (before, b"")
    (tmp_path / CLAIM).write_bytes(b"\xff not a seed")
    assert opened(tmp_path, papers).membership.claim not in (before, after, b"")


def test_a_crash_after_the_book_was_written_leaves_no_claim(tmp_path: Path, papers: Papers) -> None:
    opened(tmp_path, papers)
    (tmp_path / BOOK).write_bytes(papers.found())
    assert opened(tmp_path, papers).membership.claim == b""
    assert not (tmp_path / CLAIM).exists()


def test_no_claim_where_a_roster_of_its_own_admits(tmp_path: Path, papers: Papers) -> None:
    it = opened(tmp_path, papers, claimable=False)
    assert (it.membership.claim, list(tmp_path.iterdir())) == (b"", [])
    code, reason = refusal(asked(it, papers, "ann", m.Publish(), b""))
    assert code == "roster"
    assert "serves no closed cluster" in reason


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\x93"])
def test_a_damaged_book_lets_nobody_in(tmp_path: Path, papers: Papers, damage: bytes) -> None:
    (tmp_path / BOOK).write_bytes(damage)
    with pytest.raises(RosterError, match=r"book: .*put a copy in its place"):
        opened(tmp_path, papers)


def test_a_full_disk_is_relieved_once(tmp_path: Path, papers: Papers, monkeypatch: pytest.MonkeyPatch) -> None:
    room: list[OSError] = []
    it = charter.opened(tmp_path, papers.keys("broker"), True, lambda error: not room.append(error))
    write, full = charter.home.write_private, [OSError(errno.ENOSPC, "No space left on device")]

    def fails(path: Path, data: bytes) -> None:
        if full:
            raise full.pop()
        write(path, data)

    monkeypatch.setattr(charter.home, "write_private", fails)
    assert isinstance(asked(it, papers, "claim", m.Publish(), papers.found()), RosterChanged)
    assert len(room) == 1
    full += [OSError(errno.ENOSPC, "No space left on device")] * 2
    assert refusal(asked(it, papers, "ann", m.Publish(), papers.invite("zoe")))[0] == "busy"
    assert it.as_it_is().version == 1


# -- forgeries -------------------------------------------------------------------------------------------------------


@pytest.fixture
def founded(tmp_path: Path, papers: Papers) -> Charter:
    it = opened(tmp_path, papers)
    asked(it, papers, "claim", m.Publish(), papers.found())
    asked(it, papers, "ann", m.Publish(), papers.invite("zoe", uses=2))
    return it


def test_the_first_roster_must_name_this_broker(tmp_path: Path, papers: Papers) -> None:
    other = Papers(broker=papers.keys("somebody").public)
    code, reason = refusal(asked(opened(tmp_path, papers), papers, "claim", m.Publish(), other.found()))
    assert (code, "another broker's key" in reason) == ("roster", True)
    assert not (tmp_path / BOOK).exists()


def test_another_clusters_roster_is_none(founded: Charter, papers: Papers) -> None:
    other = Papers("den", broker=papers.keys("broker").public)
    other.found()
    for _ in range(5):
        other.invite(f"guest-{_}")
    code, reason = refusal(asked(founded, papers, "ann", m.Publish(), other.newest))
    assert (code, "another cluster" in reason) == ("roster", True)
    assert founded.as_it_is().cluster == "lab"


def test_every_changed_byte_is_noticed(founded: Charter, papers: Papers) -> None:
    book = papers.invite("bob")
    for at in range(0, len(book), 41):
        changed = book[:at] + bytes([book[at] ^ 1]) + book[at + 1 :]
        assert refusal(asked(founded, papers, "ann", m.Publish(), changed))[0] in ("roster", "invitation"), at
    assert isinstance(asked(founded, papers, "ann", m.Publish(), book), RosterChanged)


def test_admissions_in_a_book_are_judged_too(founded: Charter, papers: Papers) -> None:
    good = documents.decode(papers.admission("zoe", "zoe"), Admission)
    forged = Admission(good.grant, papers.secrets("eve").public, good.name, good.by_grant, good.by_self)
    book = documents.decode(papers.newest, Book)
    carrier = documents.encode(Book(book.roster, [forged], []))
    assert refusal(asked(founded, papers, "ann", m.Publish(), carrier))[0] == "invitation"
    assert refusal(asked(founded, papers, "zoe_invitation", m.Join(), documents.encode(forged)))[0] == "invitation"
    assert list(founded.as_it_is().members) == [papers.keys("ann").public.decode()]


def test_a_used_invitation_does_not_show_the_roster_to_who_only_knows_its_guest(tmp_path: Path, papers: Papers) -> None:
    it = opened(tmp_path, papers)
    asked(it, papers, "claim", m.Publish(), papers.found())
    asked(it, papers, "ann", m.Publish(), papers.invite("zoe"))
    good = documents.decode(papers.admission("zoe", "zoe"), Admission)
    asked(it, papers, "zoe_invitation", m.Join(), documents.encode(good))
    eves = Admission(good.grant, good.publics, good.name, good.by_grant, bytes(64))
    for tried in (b"", documents.encode(eves)):
        assert refusal(asked(it, papers, "zoe_invitation", m.Join(), tried))[0] == "invitation"
    again = asked(it, papers, "zoe_invitation", m.Join(), documents.encode(good), now=1e12)
    assert again == Answered(b"route"), "whoever has come may ask at any time"


def test_a_book_from_a_copy_brings_back_who_joined_since(founded: Charter, papers: Papers, tmp_path: Path) -> None:
    """A broker that was restored from a copy learns from members what it has forgotten."""
    before = (tmp_path / BOOK).read_bytes()
    asked(founded, papers, "zoe_invitation", m.Join(), papers.admission("zoe", "zoe"))
    after = (tmp_path / BOOK).read_bytes()
    (tmp_path / BOOK).write_bytes(before)
    restored = opened(tmp_path, papers)
    asked(restored, papers, "zoe_invitation", m.Join(), papers.admission("zoe", "yan"))
    assert isinstance(asked(restored, papers, "ann", m.Publish(), after), RosterChanged)
    names = {it.name[:4] for it in restored.as_it_is().members.values()}
    assert (names, len(restored.as_it_is().members)) == ({"ann", "zoe-"}, 3)


def test_a_member_that_was_removed_does_not_come_back_by_its_old_admission(founded: Charter, papers: Papers) -> None:
    admission = papers.admission("zoe", "zoe")
    asked(founded, papers, "zoe_invitation", m.Join(), admission)
    name = papers.joined("zoe", "zoe") and next(n for n in papers.standing().members if n != "ann")
    asked(founded, papers, "ann", m.Publish(), papers.remove(name))
    assert [it.name for it in founded.as_it_is().members.values()] == ["ann"]
    assert not founded.as_it_is().guests, "an invitation that a removed member knows is closed"
    assert refusal(asked(founded, papers, "zoe_invitation", m.Join(), admission))[0] == "invitation"


# -- the machine -----------------------------------------------------------------------------------------------------


def closed(*guests: str) -> Flow:
    """A broker of a cluster with ann and these."""
    flow = Flow()
    flow.tell("> closed", "> made v1 found ann", "claim > Publish | v1")
    for who in guests:
        flow.tell(f"> made v invite {who} account=zoe", "ann/0 > Publish | v", f"> made a admission {who} {who}")
        flow.tell(f"{who}_invitation > Join | a", f"> made joined joined {who} {who}")
    return flow


def test_a_job_of_who_was_removed_ends_even_if_the_broker_died_before_it_was_recorded() -> None:
    flow = closed("bob", "cleo")
    flow.tell("> here bob client", "bob > Open job=j function=f epoch=1 | f", "> turn")
    flow.tell("> here cleo client", "cleo > Open job=k function=f | f", "> turn")
    flow.tell("> made v9 remove bob", "ann > Publish | v9", "> killed")
    jobs = flow.machine.state.jobs
    assert (jobs[J].state, jobs[K].state) == ("cancelled", "running")
    assert "< keep JobMarked" in flow.tell("> turn")


def test_a_broker_with_a_roster_of_its_own_serves_no_closed_cluster() -> None:
    """Nor can a member of that roster found one: only the claim may."""
    flow = Flow()
    papers = Papers()
    flow.charter = Charter(Membership(papers.broker.key), flow._keep_book)
    first = Ask(b"ann", "ann", m.Publish(), papers.found())
    assert refusal(flow.charter.answer(first, 0.0))[0] == "roster"
    for word in ("Publish", "Publish | book", "Join", "Resign | r"):
        (said,) = flow.tell(f"ann > {word}")
        assert said.startswith("ann < Refused code=roster reason='this broker serves no closed cluster yet")
    assert flow.tell("> here bob worker slots=3", "ann > ListMembers") == ["ann < Members lines=bob:worker:bob:0/3"]
    assert flow.tell("eve > ListMembers") == ["eve < Refused code=member reason='this key is in no roster' fatal=True"]


def test_a_job_of_who_was_renamed_goes_on() -> None:
    flow = closed("bob")
    flow.tell("> here bob client", "bob > Open job=j function=f | f", "> turn")
    flow.tell("> made v9 rename bob rob", "ann > Publish | v9")
    assert flow.machine.state.jobs[J].state == "running"
    assert flow.machine.state.sessions[b"bob"].member == "rob"


@pytest.mark.parametrize(
    ("opened_at", "now", "told"),
    [("", 3, [3]), ("3", 3, [3]), ("1", 3, [1, 2, 3]), ("9", 3, [3]), (str(2**62), 3, [3]), ("1", 10**15, 901)],
)
def test_keys_are_in_use_from_the_oldest_job_on(opened_at: str, now: int, told: list[int] | int) -> None:
    """Its results may be sealed with any that came since. What a member says of its job makes no more of them."""
    flow = closed()
    if opened_at:
        flow.tell("> here ann client", f"ann > Open job=j function=f epoch={opened_at} | f", "> turn")
    flow.machine.state.epoch = now
    found = flow.machine.state.epochs()
    assert (found if isinstance(told, list) else len(found)) == told
    assert found[-1] == now


def test_what_waits_for_a_commit_is_not_told_to_who_is_out() -> None:
    flow = closed("bob")
    flow.tell("> here bob client", "bob > Open job=j function=f | f", "bob > Page job=j number=0 first=0 count=1 | a")
    flow.tell("> disk full", "> turn", "bob > Fetch job=j index=0", "> made v9 remove bob", "ann > Publish | v9")
    assert not any(line.startswith("bob <") for line in flow.tell("1 > turn"))
    assert flow.machine.state.jobs[J].state == "cancelled"


def test_a_role_that_is_gone_ends_its_sessions_and_no_jobs() -> None:
    flow = closed("bob")
    flow.tell("> here bob client", "bob > Open job=j function=f | f", "> turn")
    now = flow.charter.as_it_is()
    key = flow.papers.keys("bob").public.decode() if flow.papers else ""
    changed = {
        who: it if who != key else type(it)(it.name, frozenset(("worker",)), it.account)
        for who, it in now.members.items()
    }
    flow.handle(RosterChanged(changed, now.guests, now.cluster, now.version + 1, now.epoch, False, now.book + b"2"))
    assert b"bob" not in flow.machine.state.sessions
    assert flow.machine.state.jobs[J].state == "running"
