"""Who belongs: what is believed of a book, and what is not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raisin_core.ciphers import sign
from raisin_core.errors import InvitationError, RosterError
from raisin_core.identity import documents, standing
from raisin_core.identity.checking import check_cluster_name, check_label
from raisin_core.identity.documents import Admission, Book, Resignation, Roster, encode, sign_roster
from raisin_core.identity.secrets import Publics, Secrets
from raisin_core.identity.standing import Standing, read_book
from tests.core.identity.people import BOTH_LIBRARIES, BROKER, NOW, ROOT, SOON, Lab, member, secrets

replace = msgspec.structs.replace


def signed(lab: Lab, **changes: Any) -> bytes:
    """A book as the lab's own root would sign it if it did not look."""
    roster = documents.decode(lab.standing.parts.roster.body, Roster)
    return encode(Book(sign_roster(lab.root, replace(roster, **changes))))


@BOTH_LIBRARIES
@pytest.mark.usefixtures("library")
def test_from_the_root_to_the_last_guest() -> None:
    lab = Lab()
    lab.invite("zoe")
    lab.join("zoe", "zoe")
    lab.resign("ann")
    again = read_book(lab.standing.book, lab.standing.cluster)
    assert again == lab.standing
    assert list(again.members) == ["zoe"]
    zoe = again.members["zoe"]
    assert zoe == member("zoe")
    assert again.by_key == {zoe.publics.key: zoe}
    assert again.by_signature == {zoe.publics.ed25519: zoe}
    assert [each.name for each in again.resigned().values()] == ["ann"]


def test_a_standing_cannot_be_changed() -> None:
    found = Lab().standing
    with pytest.raises(AttributeError):
        found.version = 7  # type: ignore[misc]
    with pytest.raises(TypeError):
        found.members["eve"] = member("eve")  # type: ignore[index]


def test_another_cluster() -> None:
    lab = Lab()
    other = Lab("lab", b"another root".ljust(32, b"."))
    with pytest.raises(RosterError, match="another cluster"):
        read_book(other.standing.book, lab.standing.cluster)
    with pytest.raises(RosterError, match="another cluster"):
        lab.standing.carry(other.standing)


def test_another_root_cannot_sign_for_this_one() -> None:
    lab = Lab()
    roster = documents.decode(lab.standing.parts.roster.body, Roster)
    forged = encode(Book(sign_roster(b"eve".ljust(32, b"."), replace(roster, members=[member("eve")]))))
    with pytest.raises(RosterError, match="not signed by its cluster's root"):
        read_book(forged)


ann, eve = member("ann", "admin", "client", "worker"), member("eve")
IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "a later format": ({"format": 2}, "upgrade raisin"),
    "an epoch later than the version": ({"epoch": 9}, "later than itself"),
    "a name for a path": ({"cluster": "../lab"}, "no name for a cluster"),
    "somebody without a wrap": ({"members": [ann, eve]}, "not sealed for exactly"),
    "a wrap for nobody": ({"members": []}, "not sealed for exactly"),
    "the same name twice": ({"members": [ann, replace(eve, name="ann")]}, "two have the same name"),
    "the same keys twice": ({"members": [ann, replace(ann, name="eve")]}, "two have the same key"),
    "an unknown role": ({"members": [replace(ann, roles=["root"])]}, "are not some of"),
    "roles in disorder": ({"members": [replace(ann, roles=["worker", "client"])]}, "are not some of"),
    "a role twice": ({"members": [replace(ann, roles=["client", "client"])]}, "are not some of"),
    "a terminal's escape": ({"members": [replace(ann, name="a\x1b[2J")]}, "is no name"),
    "a name that runs backwards": ({"members": [replace(ann, name="a\u202eb")]}, "is no name"),
    "a name of spaces": ({"members": [replace(ann, name=" ")]}, "is no name"),
    "an account with a line break": ({"members": [replace(ann, account="a\nb")]}, "is no account"),
    "a broker's key that is none": ({"broker": documents.Broker(["a:1"], b"." * 39 + b"~")}, "no key has"),
    "a broker's key that is no text": ({"broker": documents.Broker(["a:1"], b"\xff" * 40)}, "ascii"),
    "an address that is none": ({"broker": documents.Broker(["a:1:2:3"], BROKER.key)}, "no address of a broker"),
    "a later epoch in the past": ({"past": [documents.Past(1, bytes(48))]}, "in disorder"),
}


@pytest.mark.parametrize(("changes", "why"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_rosters_that_mean_nothing(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(RosterError, match=why):
        read_book(signed(Lab(), **changes))


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\\b", "-a", "con", "LPT1", "a" * 33, "a.b", "é", "a b", "a\n"]
)
def test_names_of_clusters_are_names_of_directories(name: str) -> None:
    with pytest.raises(ValueError, match="no name for a cluster"):
        check_cluster_name(name)
    with pytest.raises(ValueError, match="is no name"):
        check_label("name", "\u2028")


# -- admissions ------------------------------------------------------------------------------------------------------


def test_the_same_keys_again_change_nothing() -> None:
    lab = Lab()
    lab.invite("zoe")
    admission = lab.admission("zoe", "zoe")
    once = lab.standing.admit(admission, NOW)
    assert once.admit(admission, NOW) is once
    assert once.admit(admission, SOON + 1) is once  # an answer that was lost is asked for again, however late
    lab.standing = once
    lab.fold()
    assert lab.standing.admit(admission, NOW) is lab.standing


def test_an_invitation_lets_in_as_many_as_it_says() -> None:
    lab = Lab()
    lab.invite("class", uses=2)
    names = []
    for guest in ("zoe", "sam"):
        lab.join("class", guest)
        names.append(f"class-{secrets(guest).public.ed25519[:2].hex()}")
    assert list(lab.standing.members) == ["ann", *names]
    late = lab.admission("class", "eve")
    with pytest.raises(InvitationError, match="has been used"):
        lab.join("class", "eve")
    lab.fold()
    assert not lab.standing.grants
    with pytest.raises(InvitationError, match="not known here"):
        lab.standing.admit(late, NOW)


def test_uses_are_counted_across_versions() -> None:
    lab = Lab()
    lab.invite("class", uses=2)
    lab.join("class", "zoe")
    lab.fold()
    lab.join("class", "sam")
    with pytest.raises(InvitationError, match="has been used"):
        lab.join("class", "eve")


def test_after_its_time() -> None:
    lab = Lab()
    lab.invite("zoe")
    admission = lab.admission("zoe", "zoe")
    assert "zoe" in lab.standing.admit(admission, SOON).members
    with pytest.raises(InvitationError, match="earlier"):
        lab.standing.admit(admission, SOON + 1)


def test_whoever_left_needs_a_new_invitation() -> None:
    lab = Lab()
    lab.invite("class", uses=5)
    lab.join("class", "zoe")
    admission = lab.standing.parts.admissions[0]
    lab.resign("zoe")
    with pytest.raises(InvitationError, match="has left"):
        lab.standing.admit(admission, NOW)
    lab.fold()
    with pytest.raises(InvitationError, match="not known here"):
        lab.standing.admit(admission, NOW)


FORGED: dict[str, Callable[[Admission], Admission]] = {
    "another name": lambda a: replace(a, name="ann2"),
    "a changed signature of the grant": lambda a: replace(a, by_grant=a.by_self),
    "a changed signature of the guest": lambda a: replace(a, by_self=a.by_grant),
    "another CURVE key": lambda a: replace(a, publics=replace(a.publics, curve=b"." * 32)),
    "another X25519 key": lambda a: replace(a, publics=replace(a.publics, x25519=b"." * 32)),
    "another Ed25519 key": lambda a: replace(a, publics=replace(a.publics, ed25519=secrets("eve").public.ed25519)),
    "an unknown grant": lambda a: replace(a, grant=b"." * 32),
}


@BOTH_LIBRARIES
@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_forged_admissions(forge: Callable[[Admission], Admission]) -> None:
    lab = Lab()
    lab.invite("zoe")
    with pytest.raises(InvitationError):
        lab.standing.admit(forge(lab.admission("zoe", "zoe")), NOW)


def admitted(lab: Lab, invitation: str, publics: Publics, by: str) -> Admission:
    """An admission with such keys, rightly signed by the grant and the guest's own Ed25519 key."""
    seed = lab.seeds[invitation]
    grant = next(each for each in lab.standing.grants.values() if each.name == invitation)
    name = documents.guest_name(grant, publics)
    text = documents.admission_text(lab.standing.cluster, grant.publics.ed25519, publics, name)
    by_grant = sign(Secrets.derive(seed).ed25519, text)
    return Admission(grant.publics.ed25519, publics, name, by_grant, sign(secrets(by).ed25519, text))


ODD_KEYS: dict[str, tuple[Callable[[Lab, Publics], Publics], str]] = {
    "ann's CURVE key": (lambda lab, own: replace(own, curve=secrets("ann").public.curve), "another member's"),
    "ann's X25519 key": (lambda lab, own: replace(own, x25519=secrets("ann").public.x25519), "another member's"),
    "of one who left": (lambda lab, own: replace(own, curve=secrets("sam").public.curve), "another member's"),
    "the grant's CURVE key": (
        lambda lab, own: replace(own, curve=next(iter(lab.standing.grants.values())).publics.curve),
        "another member's",
    ),
    "one key twice": (lambda lab, own: replace(own, x25519=own.curve), "another member's"),
    "a key that shares zero with all": (lambda lab, own: replace(own, x25519=bytes(32)), "not signed"),
    "a point of low order": (lambda lab, own: replace(own, x25519=b"\x01" + bytes(31)), "not signed"),
}


@BOTH_LIBRARIES
@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(("change", "why"), ODD_KEYS.values(), ids=ODD_KEYS)
def test_keys_that_a_guest_cannot_have(change: Callable[[Lab, Publics], Publics], why: str) -> None:
    lab = Lab()
    lab.welcome("sam")
    lab.invite("zoe")
    lab.resign("sam")
    with pytest.raises(InvitationError, match=why):
        lab.standing.admit(admitted(lab, "zoe", change(lab, secrets("zoe").public), "zoe"), NOW)


def test_a_members_signature_with_other_keys_is_no_second_member() -> None:
    lab = Lab()
    lab.invite("class", uses=5)
    lab.join("class", "zoe")
    other = replace(secrets("zoe").public, curve=b"." * 32)
    with pytest.raises(InvitationError, match="another member's"):
        lab.standing.admit(admitted(lab, "class", other, "zoe"), NOW)


def test_keys_that_came_by_an_invitation_once_come_no_more_by_it() -> None:
    """Whatever has become of them, and whoever signed that it is still open."""
    lab = Lab()
    lab.invite("class", uses=5)
    admission = lab.admission("class", "zoe")
    grant = replace(next(iter(lab.standing.grants.values())), joined=[secrets("zoe").public.ed25519])
    with pytest.raises(InvitationError, match="has left"):
        read_book(signed(lab, grants=[grant])).admit(admission, NOW)


def test_an_admission_of_another_cluster() -> None:
    lab = Lab()
    lab.invite("zoe")
    found = documents.admission(lab.seeds["zoe"], secrets("zoe"), next(iter(lab.standing.grants.values())), b"x" * 32)
    with pytest.raises(InvitationError, match="not signed"):
        lab.standing.admit(found, NOW)


def test_what_was_verified_is_remembered_but_only_that() -> None:
    lab = Lab()
    lab.invite("zoe")
    lab.join("zoe", "zoe")
    assert read_book(lab.standing.book) == lab.standing
    admissions = [replace(lab.standing.parts.admissions[0], by_self=bytes(64))]
    with pytest.raises(InvitationError):
        read_book(encode(replace(lab.standing.parts, admissions=admissions)))
    assert standing._verify_admission.cache_parameters()["maxsize"] == documents.MAX_MEMBERS


def test_a_book_admits_nobody_twice() -> None:
    lab = Lab()
    lab.invite("class", uses=3)
    lab.join("class", "zoe")
    twice = replace(lab.standing.parts, admissions=lab.standing.parts.admissions * 2)
    with pytest.raises(InvitationError, match="twice"):
        read_book(encode(twice))


# -- resignations ----------------------------------------------------------------------------------------------------


def test_a_resignation_again_changes_nothing() -> None:
    lab = Lab()
    lab.welcome("zoe")
    word = documents.resignation(secrets("zoe"), lab.standing.cluster, lab.standing.version)
    once = lab.standing.resign(word)
    assert "zoe" not in once.members
    assert once.resign(word) is once
    with pytest.raises(RosterError, match="twice"):
        read_book(encode(replace(once.parts, resignations=[word, word])))


WRONG: dict[str, Callable[[Resignation], Resignation]] = {
    "not by itself": lambda r: replace(r, member=secrets("ann").public.ed25519),
    "changed": lambda r: replace(r, signature=bytes(64)),
    "of an earlier version": lambda r: replace(r, version=1),
    "of a later version": lambda r: documents.resignation(secrets("zoe"), Lab().standing.cluster, 99),
    "of another cluster": lambda r: documents.resignation(secrets("zoe"), b"x" * 32, r.version),
    "by no member": lambda r: documents.resignation(secrets("eve"), Lab().standing.cluster, r.version),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_resignations_that_are_none(change: Callable[[Resignation], Resignation]) -> None:
    lab = Lab()
    lab.welcome("zoe")
    with pytest.raises(RosterError):
        lab.standing.resign(change(documents.resignation(secrets("zoe"), lab.standing.cluster, lab.standing.version)))


# -- which is newer --------------------------------------------------------------------------------------------------


def test_which_is_newer() -> None:
    lab = Lab()
    steps = [lab.standing]
    for step in (lambda: lab.invite("zoe"), lambda: lab.join("zoe", "zoe"), lambda: lab.resign("zoe"), lab.fold):
        step()
        steps.append(lab.standing)
    for at, each in enumerate(steps):
        assert [each.newer_than(other) for other in steps] == [True] * at + [False] * (len(steps) - at)


def test_who_joined_and_left_while_the_root_signed_is_carried_on() -> None:
    lab = Lab()
    lab.welcome("sam")
    lab.invite("zoe")
    seen_by_root = lab.standing
    lab.join("zoe", "zoe")
    lab.resign("sam")
    at_broker, lab.standing = lab.standing, seen_by_root
    lab.invite("kim")
    merged = lab.standing.carry(at_broker)
    assert list(merged.members) == ["ann", "zoe"]
    assert read_book(merged.book) == merged
    assert merged.carry(at_broker) is merged
    assert merged.newer_than(lab.standing)


def test_whoever_was_removed_is_not_carried_on() -> None:
    lab = Lab()
    lab.invite("class", uses=5)
    lab.join("class", "zoe")
    at_broker = lab.standing
    lab.remove(next(name for name in lab.standing.members if name.startswith("class-")))
    merged = lab.standing.carry(at_broker)
    assert list(merged.members) == ["ann"]
    assert merged is lab.standing


# -- whatever was changed --------------------------------------------------------------------------------------------


def full_book() -> Standing:
    lab = Lab()
    lab.welcome("sam")
    lab.invite("zoe")
    lab.join("zoe", "zoe")
    lab.resign("sam")
    return lab.standing


BOOK = full_book()


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(BOOK.book) * 8 - 1))
def test_no_bit_can_be_changed(bit: int) -> None:
    data = bytearray(BOOK.book)
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises((RosterError, InvitationError)):
        read_book(bytes(data), BOOK.cluster)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(BOOK.book) - 1))
def test_nor_cut(length: int) -> None:
    with pytest.raises((RosterError, InvitationError)):
        read_book(BOOK.book[:length], BOOK.cluster)


def test_an_id_is_the_digest_of_the_roots_key() -> None:
    assert BOOK.cluster == hashlib.sha256(documents.decode(BOOK.parts.roster.body, Roster).root).digest()
    assert BOOK.cluster == Lab(root=ROOT).standing.cluster
