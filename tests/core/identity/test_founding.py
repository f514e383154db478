"""What the root does, alone and in any order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from raisin_core.errors import InvitationError, RosterError, SealError, UsageError
from raisin_core.identity import founding
from raisin_core.identity.documents import Broker
from raisin_core.identity.epochs import keys_of
from raisin_core.identity.founding import LATE, Root
from raisin_core.identity.secrets import Secrets
from raisin_core.identity.standing import Standing, read_book
from tests.core.identity.people import BROKER, NOW, ROOT, SOON, Lab, member, secrets


def test_what_was_founded() -> None:
    found = Lab().standing
    assert (found.name, found.version, found.epoch, found.broker) == ("lab", 1, 1, BROKER)
    assert found.cluster == Root(ROOT).cluster
    assert ROOT.hex() not in repr(Root(ROOT))


def test_moved_and_renamed() -> None:
    lab = Lab()
    lab.welcome("sam")
    book = founding.move(lab.standing.book, ROOT, Broker(["10.0.0.1", "[::1]:9"], BROKER.key), lab.keys)
    assert read_book(book).broker.addresses == ["10.0.0.1", "[::1]:9"]
    renamed = read_book(founding.rename(book, ROOT, "sam", "sue", lab.keys))
    assert list(renamed.members) == ["ann", "sue"]
    assert (renamed.epoch, renamed.version) == (1, lab.standing.version + 2)
    assert renamed.members["sue"].publics == member("sam").publics


MISTAKES: dict[str, Callable[[Lab], object]] = {
    "a name that is taken": lambda lab: lab.invite("sam"),
    "the name of an open invitation": lambda lab: [lab.invite("zoe"), lab.invite("zoe")],
    "a name that is none": lambda lab: lab.invite(" x"),
    "an unknown role": lambda lab: lab.invite("zoe", roles=("root",)),
    "no role": lambda lab: lab.invite("zoe", roles=()),
    "no use": lambda lab: lab.invite("zoe", uses=0),
    "too long a name for a class": lambda lab: lab.invite("z" * 60, uses=2),
    "nobody of this name": lambda lab: lab.remove("eve"),
    "nobody to rename": lambda lab: founding.rename(lab.standing.book, ROOT, "eve", "zoe", lab.keys),
    "a new name that is taken": lambda lab: founding.rename(lab.standing.book, ROOT, "sam", "ann", lab.keys),
    "no address": lambda lab: founding.move(lab.standing.book, ROOT, Broker(["a:b"], BROKER.key), lab.keys),
    "a key that is no new one": lambda lab: founding.remove(
        lab.standing.book, ROOT, ["sam"], lab.keys, None, lab.keys[1]
    ),
    "a cluster with a bad name": lambda lab: founding.found("a/b", ROOT, member("ann"), BROKER),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_told_and_sign_nothing(mistake: Callable[[Lab], object]) -> None:
    lab = Lab()
    lab.welcome("sam")
    with pytest.raises(UsageError):
        mistake(lab)


def test_another_root_key() -> None:
    lab = Lab()
    with pytest.raises(RosterError, match="not the root key"):
        founding.fold(lab.standing.book, b"eve".ljust(32), lab.keys)


@pytest.mark.parametrize(("keys", "why"), [({}, "is needed"), ({1: b"?" * 32}, "another one")])
def test_without_the_epochs_key_nobody_is_let_in(keys: dict[int, bytes], why: str) -> None:
    lab = Lab()
    with pytest.raises(RosterError, match=why):
        founding.invite(lab.standing.book, ROOT, keys, name="zoe", join_before=SOON)


def test_invitations_end_with_their_time() -> None:
    """Whoever has one could read the key, so a new epoch begins."""
    lab = Lab()
    lab.invite("zoe")
    soon = read_book(founding.fold(lab.standing.book, ROOT, lab.keys, now=SOON + LATE))
    late = read_book(founding.fold(lab.standing.book, ROOT, lab.keys, now=SOON + LATE + 1))
    assert (len(soon.grants), soon.epoch, len(late.grants), late.epoch) == (1, 1, 0, 2)


def test_an_invitation_is_withdrawn_by_its_name() -> None:
    lab = Lab()
    grant = Secrets.derive(lab.invite("zoe"))
    admission = lab.admission("zoe", "zoe")
    lab.remove("zoe")
    assert lab.standing.epoch == 2
    with pytest.raises(InvitationError):
        lab.standing.admit(admission, NOW)
    with pytest.raises(SealError):
        keys_of(lab.standing, grant.x25519, grant.public.x25519)


def test_the_invitation_of_somebody_removed_is_closed_and_others_stay_open() -> None:
    """It could unwrap the next key with its seed, or come again by it."""
    lab = Lab()
    lab.invite("class", uses=5)
    lab.invite("others", uses=5)
    lab.join("class", "eve")
    lab.join("others", "sam")
    lab.fold()
    lab.remove(lab.standing.by_signature[secrets("eve").public.ed25519].name)
    assert [each.name for each in lab.standing.grants.values()] == ["others"]


def test_ephemeral_keys_and_seeds_are_random() -> None:
    lab = Lab()
    made = [founding.invite(lab.standing.book, ROOT, lab.keys, name="zoe", join_before=SOON) for _ in range(2)]
    assert made[0][1] != made[1][1]
    books = {founding.found("lab", ROOT, member("ann"), BROKER, b"K" * 32) for _ in range(2)}
    assert len(books) == 2


NAMES = [f"m{number}" for number in range(6)]


class AnyOrder(RuleBasedStateMachine):
    """Invite, join, leave, remove, rename, fold, lose news, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.lab = Lab()
        self.count = 0
        self.guests: dict[str, str] = {}  # whose keys -> by which invitation
        self.out: dict[str, int] = {}  # who left -> the epoch at that time
        self.versions = [self.lab.standing]

    def note(self) -> None:
        if self.lab.standing is not self.versions[-1]:
            self.versions.append(self.lab.standing)

    def inside(self) -> list[str]:
        known = self.lab.standing.by_signature
        return [each for each in self.guests if secrets(each).public.ed25519 in known]

    def name_of(self, guest: str) -> str:
        return self.lab.standing.by_signature[secrets(guest).public.ed25519].name

    @rule(uses=st.integers(1, 3))
    def invite(self, uses: int) -> None:
        self.count += 1
        self.lab.invite(f"i{self.count}", uses)
        self.note()

    @precondition(lambda self: self.lab.standing.grants)
    @rule(data=st.data())
    def join(self, data: st.DataObject) -> None:
        grant = data.draw(st.sampled_from([each.name for each in self.lab.standing.grants.values()]))
        self.count += 1
        guest = f"g{self.count}"
        left = self.lab.standing.left(next(g for g in self.lab.standing.grants.values() if g.name == grant))
        try:
            self.lab.join(grant, guest)
        except InvitationError:
            assert left == 0
        else:
            assert left > 0
            self.guests[guest] = grant
            again = self.lab.standing.admit(self.lab.admission(grant, guest), NOW)
            assert again is self.lab.standing
        self.note()

    @precondition(lambda self: self.inside())
    @rule(data=st.data())
    def resign(self, data: st.DataObject) -> None:
        guest = data.draw(st.sampled_from(self.inside()))
        self.out[guest] = self.lab.standing.epoch
        self.lab.resign(guest)
        self.note()

    @precondition(lambda self: self.inside())
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        guest = data.draw(st.sampled_from(self.inside()))
        self.out[guest] = self.lab.standing.epoch
        self.lab.remove(self.name_of(guest))
        self.note()

    @precondition(lambda self: self.inside())
    @rule(data=st.data())
    def rename(self, data: st.DataObject) -> None:
        guest = data.draw(st.sampled_from(self.inside()))
        self.count += 1
        book = founding.rename(self.lab.standing.book, ROOT, self.name_of(guest), f"r{self.count}", self.lab.keys)
        self.lab.standing = read_book(book)
        self.note()

    @rule()
    def fold(self) -> None:
        self.lab.fold()
        self.note()

    @rule(data=st.data())
    def an_old_book_is_brought(self, data: st.DataObject) -> None:
        """What it added may still count; who is out stays out."""
        old = data.draw(st.sampled_from(self.versions))
        before = set(self.inside())
        self.lab.standing = self.lab.standing.carry(old)
        assert before - set(self.out) <= set(self.inside())
        self.note()

    @invariant()
    def who_is_out_stays_out_and_reads_nothing_new(self) -> None:
        now = self.lab.standing
        for guest, epoch in self.out.items():
            assert secrets(guest).public.ed25519 not in now.by_signature
            assert max(readable(self.versions, guest, self.lab.seeds[self.guests[guest]]), default=0) <= epoch

    @invariant()
    def who_is_in_reads_everything(self) -> None:
        now = self.lab.standing
        for guest in self.inside():
            assert readable([now], guest, self.lab.seeds[self.guests[guest]]) == self.lab.keys

    @invariant()
    def a_book_says_all(self) -> None:
        now = self.lab.standing
        assert read_book(now.book, now.cluster) == now
        assert {**now.members} == {**read_book(now.book).members}
        assert [each.newer_than(other) for other, each in zip(self.versions, self.versions[1:], strict=False)] == [
            True
        ] * (len(self.versions) - 1)
        for grant in now.grants.values():
            assert 0 <= now.left(grant) <= grant.uses


def readable(books: list[Standing], guest: str, invitation: bytes) -> dict[int, bytes]:
    """All keys that somebody gets from books, with its own keys and those of its invitation."""
    found: dict[int, bytes] = {}
    for own in (secrets(guest), Secrets.derive(invitation)):
        for book in books:
            try:
                found |= keys_of(book, own.x25519, own.public.x25519)
            except SealError:
                continue
    return found


AnyOrder.TestCase.settings = settings(max_examples=30, stateful_step_count=15, deadline=None)
TestAnyOrder = pytest.mark.slow(AnyOrder.TestCase)
