"""Keys from a seed, and documents: one encoding each, and bounds."""

from __future__ import annotations

import msgspec
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from raisin_core.ciphers import ed25519_public, x25519_public
from raisin_core.errors import RosterError
from raisin_core.identity import documents
from raisin_core.identity.documents import Book, Broker, Member, Roster, decode, encode
from raisin_core.identity.secrets import Secrets
from tests.core.identity.people import BROKER, Lab, member, secrets


def test_a_seed_gives_three_pairs_that_have_nothing_in_common() -> None:
    own = secrets("ann")
    assert own.public.key == own.curve.public == zmq.curve_public(own.curve.secret)
    assert own.public.x25519 == x25519_public(own.x25519)
    assert own.public.ed25519 == ed25519_public(own.ed25519)
    assert len({own.x25519, own.ed25519, *msgspec.structs.astuple(own.public)}) == 5
    assert Secrets.derive(b"." * 16).public != Secrets.derive(b"." * 32).public


@pytest.mark.parametrize("size", [0, 15, 31, 33])
def test_seeds_of_other_lengths(size: int) -> None:
    with pytest.raises(ValueError, match="a seed has 32 bytes"):
        Secrets.derive(bytes(size))


def test_no_secret_in_a_repr() -> None:
    own = secrets("ann")
    text = repr(own)
    assert own.curve.secret.decode() not in text
    assert all(each.hex() not in text and repr(each)[2:-1] not in text for each in (own.x25519, own.ed25519))


def test_documents_are_read_as_they_were_written() -> None:
    book = Lab().standing.parts
    assert decode(encode(book), Book) == book


ODD = {
    "nothing": b"",
    "not msgpack": b"\xc1",
    "something else": msgspec.msgpack.encode({"members": []}),
    "more behind it": encode(BROKER) + b"\xc0",
    "another field": msgspec.msgpack.encode([["a:1"], b"." * 40, None]),
    "a field less": msgspec.msgpack.encode([["a:1"]]),
    "a short key": msgspec.msgpack.encode([["a:1"], b"." * 39]),
    "too many addresses": msgspec.msgpack.encode([["a:1"] * 17, b"." * 40]),
    "a long address": msgspec.msgpack.encode([["a" * 201], b"." * 40]),
    "text for bytes": msgspec.msgpack.encode([["a:1"], "." * 40]),
    "a longer way to say it": b"\xdc\x00\x02" + encode(BROKER)[1:],
    "not UTF-8": encode(Broker(["abc"], b"." * 40)).replace(b"abc", b"\xff\xfe\xfd"),
    "deeply nested": b"\x91" * 100_000,
}


@pytest.mark.parametrize("data", ODD.values(), ids=ODD)
def test_odd_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(RosterError):
        decode(data, Broker)


def test_nothing_larger_than_a_book_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    book = Lab().standing.book
    monkeypatch.setattr(documents, "MAX_BOOK", len(book) - 1)
    with pytest.raises(RosterError, match="larger than any may be"):
        decode(book, Book)


def test_lists_have_bounds() -> None:
    roster = documents.decode(Lab().standing.parts.roster.body, Roster)
    crowd = msgspec.structs.replace(roster, members=[member("ann")] * 10_001)
    with pytest.raises(RosterError, match="length <= 10000"):
        decode(encode(crowd), Roster)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_refused_politely(data: bytes) -> None:
    for kind in (Book, Roster, Member, documents.Admission, documents.Resignation):
        with pytest.raises(RosterError):
            decode(data, kind)


def test_each_signature_is_for_one_purpose_and_cluster() -> None:
    texts = {documents.signed_text(kind, cluster, b"data") for kind in ("a", "b") for cluster in (b"1" * 32, b"2" * 32)}
    assert len(texts) == 4
    assert documents.roster_text(b"1" * 32, b"").startswith(b"raisin roster 1\0")
