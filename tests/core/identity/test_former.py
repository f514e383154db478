"""Who has left: what was signed before is told from what was not, and nobody runs it any more."""

from __future__ import annotations

import pytest

from raisin_core.errors import RosterError, SealError
from raisin_core.identity.sealed import MemberSealer
from raisin_core.identity.sealing import Attestation, Context, Parcel, Warrant
from raisin_core.identity.standing import read_book
from raisin_core.messages import Options
from tests.core.identity.people import Lab, Machine, secrets

JOB = b"j" * 16
ARGUMENTS = Context("arguments", JOB, 10, 5, page=2)
RESULTS = Context("results", JOB, 10, 5, lease=(3, 7))
WARRANT = Warrant(b"f" * 32, Options(), 1.8e9)
PARCEL = Parcel(b"payload")


def lab() -> Lab:
    made = Lab()
    made.welcome("zoe", "kim")
    return made


def reader(made: Lab, *mine: str) -> MemberSealer:
    return MemberSealer(Machine(made, "ann", *mine), former=True)


def test_results_and_arguments_of_who_has_left_are_read_but_not_run() -> None:
    made = lab()
    zoe = Machine(made, "zoe").sealer()
    result = zoe.seal(PARCEL, RESULTS, Attestation(secrets("ann").public.ed25519))
    page = zoe.seal(PARCEL, ARGUMENTS, WARRANT)
    made.remove("zoe")
    found = reader(made).open(result, RESULTS)
    assert (found.parcel, found.member, found.account) == (PARCEL, "zoe", "zoe")
    assert reader(made).open(page, ARGUMENTS).parcel == PARCEL
    for kind, sealed in ((RESULTS, result), (ARGUMENTS, page)):
        with pytest.raises(SealError, match="any more"):
            Machine(made, "ann").sealer().open(sealed, kind)


def test_who_has_left_is_nobodys_own_machine() -> None:
    made = lab()
    zoe, kim = (Machine(made, name).sealer() for name in ("zoe", "kim"))
    by_zoe = zoe.seal(PARCEL, RESULTS, Attestation(secrets("ann").public.ed25519))
    for_zoe = kim.seal(PARCEL, RESULTS, Attestation(secrets("zoe").public.ed25519))
    assert [reader(made, "zoe", "kim").open(each, RESULTS).own for each in (by_zoe, for_zoe)] == [True, True]
    made.remove("zoe")
    assert [reader(made, "zoe", "kim").open(each, RESULTS).own for each in (by_zoe, for_zoe)] == [False, False]


def test_nothing_counts_that_is_of_a_later_epoch() -> None:
    """Not even if somebody gave its key to whoever has left."""
    made = lab()
    made.remove("zoe")
    keys = made.keys
    thief = Machine(made, "ann")
    thief.secrets = secrets("zoe")
    assert max(keys) == 2
    forged = thief.sealer().seal(PARCEL, RESULTS, Attestation(secrets("ann").public.ed25519))
    with pytest.raises(SealError, match="any more"):
        reader(made).open(forged, RESULTS)


def test_a_resignation_counts_at_once() -> None:
    made = lab()
    result = Machine(made, "zoe").sealer().seal(PARCEL, RESULTS, Attestation(secrets("ann").public.ed25519))
    made.resign("zoe")
    assert reader(made).open(result, RESULTS).member == "zoe"
    with pytest.raises(SealError, match="any more"):
        Machine(made, "ann").sealer().open(result, RESULTS)
    made.fold()
    assert reader(made).open(result, RESULTS).member == "zoe"


def test_they_are_forgotten_with_the_keys_of_their_time() -> None:
    made = lab()
    made.remove("zoe")
    assert made.standing.former(secrets("zoe").public.ed25519) is not None
    made.remove("kim", in_use=(2,))
    assert made.standing.former(secrets("zoe").public.ed25519) is None
    assert made.standing.former(secrets("kim").public.ed25519) is not None
    assert read_book(made.standing.book) == made.standing


def test_a_member_cannot_be_former_as_well() -> None:
    made = lab()
    made.remove("zoe")
    roster = made.standing.head
    assert [each.epoch for each in roster.former] == [1]
    made.invite("zoe")
    with pytest.raises((RosterError, ValueError), match="left"):
        made.join("zoe", "zoe")
