"""What Ed25519 and X25519 give and take is the same by both libraries: members have one or the other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raisin_core.ciphers import curves, verify, x25519
from raisin_core.errors import Tampered
from tests.core.test_ciphers import LIBRARIES, installed
from tests.support.edwards import BASE, ORDER, add, encoded, of_order_8, signed, times

secrets = st.binary(min_size=32, max_size=32)
eighths = st.integers(0, 7)


@pytest.fixture(autouse=True)
def both() -> None:
    for name in LIBRARIES:
        installed(name)


def outcome(name: str, compute: Callable[..., bytes | None], *given: bytes) -> bytes | bool:
    """What a library gives, True for nothing, False where it raises Tampered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curves, "library", lambda: LIBRARIES[name])
        try:
            return compute(*given) or True
        except Tampered:
            return False


@settings(max_examples=40, deadline=None)
@given(secrets, secrets, st.binary(max_size=300))
def test_what_one_signs_the_other_verifies(seed: bytes, stranger: bytes, data: bytes) -> None:
    one, other = LIBRARIES.values()
    public, signature = one.ed25519_public(seed), one.sign(seed, data)
    assert (public, signature) == (other.ed25519_public(seed), other.sign(seed, data))
    for library in (one, other):
        library.verify(public, data, signature)
        if stranger != seed:
            with pytest.raises(Tampered):
                library.verify(one.ed25519_public(stranger), data, signature)


@settings(max_examples=40, deadline=None)
@given(secrets, secrets)
def test_what_one_shares_the_other_shares(mine: bytes, theirs: bytes) -> None:
    one, other = LIBRARIES.values()
    assert one.x25519_public(theirs) == other.x25519_public(theirs)
    assert one.x25519(mine, other.x25519_public(theirs)) == other.x25519(theirs, one.x25519_public(mine))


@settings(max_examples=60, deadline=None)
@given(secrets, secrets)
def test_they_share_the_same_with_any_32_bytes(mine: bytes, theirs: bytes) -> None:
    """Half of them are no point of the curve but of its twist."""
    assert len({outcome(name, x25519, mine, theirs) for name in LIBRARIES}) == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 99), eighths, eighths, st.binary(max_size=9))
def test_they_think_the_same_of_odd_keys_and_signatures(scalar: int, of_key: int, of_r: int, data: bytes) -> None:
    odd = of_order_8()
    public = encoded(add(times(scalar, BASE), times(of_key, odd)))
    signature = signed(scalar, public, data, add(times(5, BASE), times(of_r, odd)))
    thought = {outcome(name, verify, public, data, signature) for name in LIBRARIES}
    assert len(thought) == 1
    if of_key == of_r == 0:
        assert thought == {True}


@settings(max_examples=60, deadline=None)
@given(secrets, secrets, st.integers(0, ORDER - 1), st.binary(max_size=9))
def test_noise_is_nobodys_signature(public: bytes, r: bytes, s: int, data: bytes) -> None:
    signature = r + s.to_bytes(32, "little")
    assert not any(outcome(name, verify, public, data, signature) for name in LIBRARIES)
