"""Vectors: what fixed seeds give, byte for byte, on every Python and with both libraries.

`python -m tests.core.identity.test_vectors` writes them anew. That is a new format: whoever changes a byte of these
must say in the documents, payloads or lines that they are of another version.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from zmq.utils import z85

from raisin_core.errors import InvitationError, RosterError, SealError
from raisin_core.identity import documents, epochs, sealed
from raisin_core.identity.invitations import Claim, Invitation, line, parse, parse_claim
from raisin_core.identity.sealing import Attestation, Context, Parcel, Warrant
from raisin_core.identity.standing import read_book
from raisin_core.messages import Options
from tests.core.identity.people import BOTH_LIBRARIES, BROKER, Draw, Lab, Machine, secrets

FILE = Path(__file__).with_name("vectors.json")
JOB = bytes(range(16))
CONTEXTS = {
    "arguments": Context("arguments", JOB, 10, 5, page=2),
    "results": Context("results", JOB, 10, 5, lease=(3, 7)),
    "function": Context("function", JOB, 0, 0),
}
PARCEL = Parcel(b"payload", {b"a" * 32: b"b" * 32}, b"t" * 16)
STATEMENTS = {
    "arguments": Warrant(b"f" * 32, Options(retries=1, where=["zoe"], pickles=["ann"]), 1.8e9, b"print"),
    "results": Attestation(secrets("ann").public.ed25519, b"print"),
    "function": None,
}


def lab() -> Lab:
    """A guest joined and was removed, another one joined, and one is still expected."""
    found = Lab()
    found.welcome("sam")
    found.remove("sam")
    found.invite("zoe")
    found.join("zoe", "zoe")
    return found


def make() -> dict[str, Any]:
    """All vectors, as text."""
    found = lab()
    roster = documents.decode(found.standing.parts.roster.body, documents.Roster)
    with mock.patch.object(sealed.os, "urandom", Draw("salts")):
        ann = Machine(found, "ann").sealer()
        payloads = {kind: ann.seal(PARCEL, at, STATEMENTS[kind]) for kind, at in CONTEXTS.items()}  # type: ignore[arg-type]
    own, zoe = secrets("zoe"), secrets("zoe").public
    wrap = epochs.wrap(b"K" * 32, zoe.x25519, found.standing.cluster, 7, b"e" * 32)
    ticket = (BROKER.addresses, z85.decode(BROKER.key))
    return {
        "keys of a seed": [own.x25519.hex(), own.ed25519.hex(), zoe.curve.hex(), zoe.x25519.hex(), zoe.ed25519.hex()],
        "cluster": found.standing.cluster.hex(),
        "roster": found.standing.parts.roster.body.hex(),
        "signature": found.standing.parts.roster.signature.hex(),
        "book": found.standing.book.hex(),
        "resignation": documents.encode(documents.resignation(own, found.standing.cluster, 3)).hex(),
        "commitment": roster.commitment.hex(),
        "keys of epochs": {str(epoch): key.hex() for epoch, key in found.keys.items()},
        "wrap": documents.encode(wrap).hex(),
        "payloads": {kind: payload.hex() for kind, payload in payloads.items()},
        "blob": [each.hex() for each in ann.seal_blob(b"a blob")],
        "text": ann.hide("a name", JOB),
        "tag key": ann.tag_key("nightly").hex(),
        "invitation": line(Invitation(*ticket, found.standing.cluster, b"sixteen bytes...")),
        "claim": line(Claim(*ticket, b"sixteen bytes...")),
    }


VECTORS: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


@BOTH_LIBRARIES
@pytest.mark.usefixtures("library")
def test_fixed_seeds_give_these_bytes() -> None:
    made = make()
    assert list(made) == list(VECTORS)
    for name, vector in VECTORS.items():
        assert made[name] == vector, name


@BOTH_LIBRARIES
@pytest.mark.usefixtures("library")
def test_these_bytes_are_read() -> None:
    standing = read_book(bytes.fromhex(VECTORS["book"]), bytes.fromhex(VECTORS["cluster"]))
    assert (standing.version, standing.epoch, list(standing.members)) == (5, 2, ["ann", "zoe"])
    ann = Machine(lab(), "ann").sealer()
    for kind, payload in VECTORS["payloads"].items():
        opened = ann.open(bytes.fromhex(payload), CONTEXTS[kind])
        assert (opened.parcel, opened.statement) == (PARCEL, STATEMENTS[kind])
    assert ann.open_blob(bytes.fromhex(VECTORS["blob"][1])) == b"a blob"
    assert ann.reveal(VECTORS["text"]) == "a name"
    assert parse(VECTORS["invitation"]).seed == parse_claim(VECTORS["claim"]).seed == b"sixteen bytes..."
    wrap = documents.decode(bytes.fromhex(VECTORS["wrap"]), documents.Wrap)
    zoe = secrets("zoe")
    assert epochs.unwrap(wrap, zoe.x25519, zoe.public.x25519, standing.cluster, 7) == b"K" * 32


def test_other_versions_are_not_read() -> None:
    """Whose first byte or number is the next one."""
    payload = bytes.fromhex(VECTORS["payloads"]["function"])
    with pytest.raises(SealError, match="by a later raisin"):
        Machine(lab(), "ann").sealer().open(b"\x02" + payload[1:], CONTEXTS["function"])
    with pytest.raises(InvitationError, match="upgrade raisin"):
        parse(VECTORS["invitation"].replace("rsn1-", "rsn2-"))
    book = bytes.fromhex(VECTORS["book"])
    at = book.index(bytes.fromhex(VECTORS["roster"])) + 1
    with pytest.raises(RosterError, match="has format 2, this raisin reads 1: upgrade"):
        read_book(book[:at] + b"\x02" + book[at + 1 :])


if __name__ == "__main__":
    FILE.write_text(json.dumps(make(), indent=1) + "\n", encoding="utf-8")
