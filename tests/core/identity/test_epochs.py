"""Keys of epochs: who gets which."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raisin_core.ciphers import aes_gcm, hkdf, x25519
from raisin_core.errors import SealError, Tampered
from raisin_core.identity import documents, epochs
from raisin_core.identity.documents import Book, Roster, encode, sign_roster
from raisin_core.identity.epochs import keys_of, unwrap, wrap
from raisin_core.identity.secrets import Secrets
from raisin_core.identity.standing import read_book
from tests.core.identity.people import BOTH_LIBRARIES, Lab, secrets

KEY, CLUSTER = b"K" * 32, b"c" * 32
zoe, eve = secrets("zoe"), secrets("eve")
replace = msgspec.structs.replace


@BOTH_LIBRARIES
@pytest.mark.usefixtures("library")
def test_a_wrap_is_for_one_key_cluster_and_epoch() -> None:
    wrapped = wrap(KEY, zoe.public.x25519, CLUSTER, 3)
    assert unwrap(wrapped, zoe.x25519, zoe.public.x25519, CLUSTER, 3) == KEY
    others = [
        (eve.x25519, eve.public.x25519, CLUSTER, 3),
        (zoe.x25519, eve.public.x25519, CLUSTER, 3),
        (zoe.x25519, zoe.public.x25519, b"d" * 32, 3),
        (zoe.x25519, zoe.public.x25519, CLUSTER, 4),
    ]
    for other in others:
        with pytest.raises(SealError, match="not sealed for this machine"):
            unwrap(wrapped, *other)
    zero = replace(wrapped, ephemeral=bytes(32))
    with pytest.raises(SealError):
        unwrap(zero, zoe.x25519, zoe.public.x25519, CLUSTER, 3)
    with pytest.raises(Tampered):
        wrap(KEY, bytes(32), CLUSTER, 3)


def test_a_wrap_is_what_the_specification_says() -> None:
    wrapped = wrap(KEY, zoe.public.x25519, CLUSTER, 3, b"e" * 32)
    shared = x25519(zoe.x25519, wrapped.ephemeral)
    key = hkdf(shared, 32, salt=wrapped.ephemeral + zoe.public.x25519, info=CLUSTER + (3).to_bytes(8, "big"))
    assert aes_gcm(key).decrypt(bytes(12), wrapped.sealed, b"") == KEY
    assert wrap(KEY, zoe.public.x25519, CLUSTER, 3) != wrapped


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.integers(0, 8 * 80 - 1))
def test_no_bit_of_a_wrap_can_be_changed(bit: int) -> None:
    """But for the highest of the ephemeral key, which X25519 ignores: it is part of the salt."""
    wrapped = wrap(KEY, zoe.public.x25519, CLUSTER, 3, b"e" * 32)
    data = bytearray(wrapped.ephemeral + wrapped.sealed)
    data[bit // 8] ^= 1 << bit % 8
    changed = replace(wrapped, ephemeral=bytes(data[:32]), sealed=bytes(data[32:]))
    with pytest.raises(SealError):
        unwrap(changed, zoe.x25519, zoe.public.x25519, CLUSTER, 3)


def test_a_guest_has_the_key_by_its_invitation_until_it_has_its_own() -> None:
    lab = Lab()
    grant = Secrets.derive(lab.invite("zoe"))
    lab.join("zoe", "zoe")
    assert keys_of(lab.standing, grant.x25519, grant.public.x25519) == lab.keys
    with pytest.raises(SealError, match="has no key for this machine"):
        lab.keys_for("zoe")
    lab.fold()
    assert lab.keys_for("zoe") == lab.keys
    with pytest.raises(SealError, match="has no key for this machine"):
        keys_of(lab.standing, grant.x25519, grant.public.x25519)


def test_keys_of_epochs_in_use_are_there_for_who_stays_and_who_comes() -> None:
    lab = Lab()
    lab.welcome("sam", "zoe", "kim")
    first = lab.keys[1]
    lab.remove("sam")
    assert (lab.standing.epoch, set(lab.keys), lab.keys[1]) == (2, {1, 2}, first)
    lab.remove("zoe")
    assert set(lab.keys) == {1, 2, 3}
    lab.welcome("new")
    assert lab.keys_for("new") == lab.keys_for("kim") == lab.keys
    lab.remove("new", in_use=(2, 77))
    assert set(lab.keys) == {2, 4}  # that of epoch 1 is erased, and so is that of 3
    assert lab.keys_for("kim") == lab.keys


def test_a_key_that_the_roster_does_not_name() -> None:
    """A root that wraps one key and commits to another."""
    lab = Lab()
    roster = documents.decode(lab.standing.parts.roster.body, Roster)
    other = read_book(encode(Book(sign_roster(lab.root, replace(roster, commitment=epochs.commitment(KEY))))))
    with pytest.raises(SealError, match="not the one that the roster names"):
        lab.keys_for("ann", other)


def test_past_keys_and_tags_that_were_changed() -> None:
    lab = Lab()
    lab.welcome("sam")
    lab.remove("sam")
    roster = documents.decode(lab.standing.parts.roster.body, Roster)
    past = [replace(roster.past[0], sealed=roster.tags)]
    odd = read_book(encode(Book(sign_roster(lab.root, replace(roster, past=past, tags=roster.past[0].sealed)))))
    with pytest.raises(SealError, match="earlier epoch 1"):
        lab.keys_for("ann", odd)
    with pytest.raises(SealError, match="secret of tags"):
        epochs.open_tags(odd, lab.keys[2])


def test_the_secret_of_tags_stays() -> None:
    lab = Lab()
    lab.welcome("sam")
    before = epochs.open_tags(lab.standing, lab.keys[1])
    lab.remove("sam")
    assert epochs.open_tags(lab.standing, lab.keys[2]) == before
    assert before not in (lab.root, lab.keys[1], lab.keys[2])
