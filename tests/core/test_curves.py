"""Ed25519 and X25519 by each library: published vectors, odd keys and signatures. Their agreement has its own file."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest

from raisin_core.ciphers import choice, ed25519_public, sign, verify, x25519, x25519_public
from raisin_core.ciphers.curve25519 import LOW_ORDER
from raisin_core.errors import Tampered
from tests.core.curve_vectors import ALICE, BOB, ITERATED, RFC_7748, RFC_8032, SHARED
from tests.core.test_ciphers import LIBRARIES, installed
from tests.support.edwards import BASE, ORDER, PRIME, ZERO, add, cancel, encoded, of_order_8, signed, times, with_y

SEED, DATA = bytes(range(32)), b"what is signed"
SIGN = 1 << 255  # of x, in what is encoded


@pytest.fixture(autouse=True, params=sorted(LIBRARIES))
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """What all functions are computed by."""
    found = installed(request.param)
    monkeypatch.setattr(choice, "LIBRARIES", (found.__name__.rpartition(".")[2],))
    choice.library.cache_clear()
    assert choice.library() is found
    yield found
    choice.library.cache_clear()


def verdict(public: bytes, data: bytes, signature: bytes) -> bool:
    try:
        verify(public, data, signature)
    except Tampered:
        return False
    return True


def number(value: int) -> bytes:
    return value.to_bytes(32, "little")


def forms(value: int) -> list[bytes]:
    """How 32 bytes can hold it, where the highest bit is dropped and the rest taken modulo the prime."""
    return [number(low | high) for low in (value, value + PRIME) if low < SIGN for high in (0, SIGN)]


@pytest.fixture
def credulous(library: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library takes every signature: what is refused was refused before it."""
    monkeypatch.setattr(library, "verify", lambda *_: None)
    monkeypatch.setattr(library, "x25519", lambda *_: SEED)
    assert verdict(ed25519_public(SEED), b"whatever", bytes(64))


@pytest.mark.parametrize("case", RFC_8032.values(), ids=RFC_8032)
def test_ed25519_vectors(case: tuple[str, ...]) -> None:
    seed, public, data, signature = map(bytes.fromhex, case)
    assert ed25519_public(seed) == public
    assert sign(seed, data) == signature
    verify(public, data, signature)


@pytest.mark.parametrize("case", RFC_7748.values(), ids=RFC_7748)
def test_x25519_vectors(case: tuple[str, ...]) -> None:
    scalar, u, result = map(bytes.fromhex, case)
    assert x25519(scalar, u) == result


def test_x25519_again_and_again() -> None:
    scalar = u = number(9)
    for turn in range(1, 1001):
        scalar, u = x25519(scalar, u), scalar
        if turn in ITERATED:
            assert scalar.hex() == ITERATED[turn]


def test_alice_and_bob() -> None:
    (alice, alice_public), (bob, bob_public) = (map(bytes.fromhex, pair) for pair in (ALICE, BOB))
    assert (x25519_public(alice), x25519_public(bob)) == (alice_public, bob_public)
    assert x25519(alice, bob_public).hex() == x25519(bob, alice_public).hex() == SHARED


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_own_secrets_of_another_length(length: int) -> None:
    secret = b"\xab" * length
    calls = [lambda: ed25519_public(secret), lambda: sign(secret, DATA), lambda: x25519_public(secret)]
    for call in (*calls, lambda: x25519(secret, number(9))):
        with pytest.raises(ValueError, match=f"32 bytes, this one has {length}") as raised:
            call()
        assert "abab" not in str(raised.value)
        assert not isinstance(raised.value, Tampered)


def test_every_changed_bit_is_found() -> None:
    public, signature = ed25519_public(SEED), sign(SEED, DATA)
    assert verdict(public, DATA, signature)
    for whole, which in ((public, 0), (DATA, 1), (signature, 2)):
        for place in range(len(whole)):
            changed = bytearray(whole)
            changed[place] ^= 1 << place % 8
            parts = [public, DATA, signature]
            parts[which] = bytes(changed)
            assert not verdict(*parts), (which, place)


@pytest.mark.usefixtures("credulous")
def test_other_lengths_of_keys_and_signatures() -> None:
    public, signature = ed25519_public(SEED), sign(SEED, DATA)
    for odd in (b"", signature[:-1], signature[:32], signature + b"\0", signature * 2):
        assert not verdict(public, DATA, odd)
    for odd in (b"", public[:-1], public + b"\0", public * 2):
        assert not verdict(odd, DATA, signature)
        with pytest.raises(Tampered):
            x25519(SEED, odd)


@pytest.mark.usefixtures("credulous")
def test_a_signature_has_one_form() -> None:
    """S + L passes wherever S does, if nobody looks."""
    public, signature = ed25519_public(SEED), sign(SEED, DATA)
    s = int.from_bytes(signature[32:], "little")
    others = [s + turn * ORDER for turn in range(1, 9) if s + turn * ORDER < 2**256]
    for other in (*others, ORDER, s | SIGN, 2**256 - 1):
        assert not verdict(public, DATA, signature[:32] + number(other))
    assert verdict(public, DATA, signature[:32] + number(ORDER - 1))


def test_nobody_has_a_public_key_of_low_order() -> None:
    """With one of these as key, 0 as S and a fitting R, one signature is good for much of what there is."""
    points = [times(each, of_order_8()) for each in range(8)]
    assert {y for _, y in points} == LOW_ORDER
    for point in points:
        for r in points:
            assert not any(verdict(encoded(point), b"%d" % turn, encoded(r) + bytes(32)) for turn in range(4))


@pytest.mark.usefixtures("credulous")
def test_low_order_in_all_forms() -> None:
    for y in LOW_ORDER:
        for odd in forms(y):
            assert not verdict(odd, DATA, encoded(ZERO) + bytes(32))


def test_public_keys_that_are_no_points() -> None:
    signature = sign(SEED, DATA)
    none = [y for y in range(2, 60) if with_y(y) is None]
    assert len(none) > 10
    for y in (*none[:5], PRIME + 3, PRIME + 18, 2**255 - 1):
        assert not verdict(number(y), DATA, signature)
        assert not verdict(number(y | SIGN), DATA, signature)


def test_a_library_may_refuse_a_key_when_it_reads_it(library: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: bytes) -> object:
        raise ValueError("no key")

    monkeypatch.setattr(library, "_verifying", refuse)
    assert not verdict(ed25519_public(SEED), DATA, sign(SEED, DATA))


def test_a_signature_that_only_the_cofactor_saves_is_none() -> None:
    """Where R or the key has a part of low order, times 8 makes the equation hold. Members must not differ about it."""
    odd, seven = of_order_8(), times(7, BASE)
    fives = {"plain": times(5, BASE), "odd": add(times(5, BASE), odd)}
    keys = {"plain": encoded(seven), "odd": encoded(add(seven, odd))}

    def verdicts(key: str, r: str) -> list[bool]:
        public, turns = keys[key], [b"%d" % turn for turn in range(16)]
        return [verdict(public, turn, signed(7, public, turn, fives[r])) for turn in turns]

    assert all(verdicts("plain", "plain"))
    assert not any(verdicts("plain", "odd"))
    for r, part in (("plain", ZERO), ("odd", odd)):  # it holds where the parts of low order cancel one another
        got, public = verdicts("odd", r), keys["odd"]
        assert got == [cancel(encoded(fives[r]), public, b"%d" % turn, part, odd) for turn in range(16)]
        assert not all(got)


def test_points_of_low_order_share_nothing() -> None:
    """u of the points of order 1, 2, 4 and 8 of the curve and its twist, in all forms that 32 bytes have."""
    eighth = 325606250916557431795983626356110631294008115727848805560023387167927233504
    other = 39382357235489614581723060781553021112529911719440698176882885853963445705823
    for u in (0, 1, eighth, other, PRIME - 1):
        for form in forms(u):
            with pytest.raises(Tampered):
                x25519(SEED, form)


@pytest.mark.parametrize("u", [2, 3, 9, 18])
def test_a_point_may_be_written_in_several_ways(u: int) -> None:
    """RFC 7748, section 5: the highest bit is not looked at, and numbers from the prime on are taken."""
    assert len(forms(u)) == 4
    assert len({x25519(SEED, form) for form in forms(u)}) == 1


def test_a_library_that_lets_zero_pass_does_not_pass(library: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "x25519", lambda _secret, _public: bytes(32))
    with pytest.raises(Tampered):
        x25519(SEED, number(9))


def test_key_objects_are_remembered_and_not_without_end(library: ModuleType) -> None:
    caches = (library._signing, library._agreeing, library._verifying, library._agreed)
    for cache in caches:
        cache.cache_clear()
    public, agreed = ed25519_public(SEED), x25519_public(SEED)
    for _ in range(3):
        verify(public, DATA, sign(SEED, DATA))
        x25519(SEED, agreed)
    assert [cache.cache_info().misses for cache in caches] == [1, 1, 1, 1]
    assert [cache.cache_info().maxsize for cache in caches] == [64, 64, 4096, 4096]
    for odd in (b"", b"1" * 31, b"1" * 33):
        assert not verdict(odd, DATA, bytes(64))
    assert not verdict(number(PRIME), DATA, bytes(64))
    assert library._verifying.cache_info().currsize == 1
    assert not any(SEED.hex() in repr(part) for cache in caches[:1] for part in (cache, cache(SEED)))
