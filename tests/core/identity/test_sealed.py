"""Sealed payloads: what opens, and all that does not."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raisin_core.ciphers import sign
from raisin_core.errors import SealError
from raisin_core.identity import sealed
from raisin_core.identity.sealed import CHUNK, MemberSealer
from raisin_core.identity.sealing import Attestation, Context, Parcel, Sealer, Statement, Warrant
from raisin_core.messages import Options
from tests.core.identity.people import BOTH_LIBRARIES, Lab, Machine, secrets

JOB = b"j" * 16
ARGUMENTS = Context("arguments", JOB, 10, 5, page=2)
RESULTS = Context("results", JOB, 10, 5, lease=(3, 7))
FUNCTION = Context("function", JOB, 0, 0)
WARRANT = Warrant(b"f" * 32, Options(retries=2, where=["zoe"]), 1.8e9)
PARCEL = Parcel(b"payload", {b"a" * 32: b"b" * 32}, b"t" * 32)


def attestation(submitter: str = "ann") -> Attestation:
    return Attestation(secrets(submitter).public.ed25519, b"fingerprint")


def lab() -> Lab:
    found = Lab()
    for name, *roles in (("zoe", "client", "worker"), ("kim", "client"), ("bot", "worker")):
        found.invite(name, roles=tuple(roles))
        found.join(name, name)
    found.fold()
    return found


LAB = lab()
ANN, ZOE, KIM, BOT = (Machine(LAB, name).sealer() for name in ("ann", "zoe", "kim", "bot"))


@BOTH_LIBRARIES
@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("size", [0, 1, 1000, CHUNK - 100, CHUNK, 2 * CHUNK + 1])
def test_what_was_sealed_opens_for_all_members(size: int) -> None:
    parcel = Parcel(bytes(size), PARCEL.blobs, PARCEL.tags)
    cases: list[tuple[Context, Statement | None]] = [
        (ARGUMENTS, WARRANT),
        (RESULTS, attestation()),
        (FUNCTION, None),
    ]
    for context, statement in cases:
        payload = ANN.seal(parcel, context, statement)
        for reader in (ANN, ZOE):
            opened = reader.open(payload, context)
            assert (opened.parcel, opened.statement) == (parcel, statement)
            author = ("ann", secrets("ann").public.ed25519) if statement else ("", b"")
            assert (opened.account, opened.signer) == author
            assert opened.member == opened.account


def test_nothing_can_be_read_on_the_way() -> None:
    payload = ANN.seal(Parcel(b"marker" * 100), ARGUMENTS, WARRANT)
    name, blob = ANN.seal_blob(b"marker" * 100)
    for each in (payload, blob, ANN.seal(Parcel(b"marker" * 100), FUNCTION), ANN.hide("marker", JOB).encode()):
        assert b"marker" not in each
    assert name == hashlib.sha256(blob).digest()


def test_pages_never_look_the_same_and_functions_always_do() -> None:
    assert ANN.seal(PARCEL, ARGUMENTS, WARRANT) != ANN.seal(PARCEL, ARGUMENTS, WARRANT)
    assert ANN.seal(PARCEL, FUNCTION) == ZOE.seal(PARCEL, Context("function", b"k" * 16, 1, 2, 3))
    assert ANN.seal_blob(b"data") == ZOE.seal_blob(b"data")


ELSEWHERE = {
    "another job": ARGUMENTS._replace(job=b"k" * 16),
    "another page": ARGUMENTS._replace(page=3),
    "other tasks": ARGUMENTS._replace(first=11),
    "more tasks": ARGUMENTS._replace(count=6),
    "results": ARGUMENTS._replace(kind="results"),
    "a function": FUNCTION,
    "of a lease": ARGUMENTS._replace(lease=(1, 1)),
}


@pytest.mark.parametrize("place", ELSEWHERE.values(), ids=ELSEWHERE)
def test_arguments_in_another_place(place: Context) -> None:
    payload = ANN.seal(PARCEL, ARGUMENTS, WARRANT)
    with pytest.raises(SealError):
        ZOE.open(payload, place)


@pytest.mark.parametrize("lease", [(3, 8), (4, 7), (0, 7)])
def test_results_of_another_lease(lease: tuple[int, int]) -> None:
    payload = ZOE.seal(PARCEL, RESULTS, attestation())
    assert ANN.open(payload, RESULTS._replace(lease=(0, 0))).parcel == PARCEL  # who does not know it may not ask
    with pytest.raises(SealError, match="another lease"):
        ANN.open(payload, RESULTS._replace(lease=lease))


def test_a_function_and_a_blob_are_two_things() -> None:
    function, (_, blob) = ANN.seal(PARCEL, FUNCTION), ANN.seal_blob(b"data")
    with pytest.raises(SealError):
        ZOE.open_blob(function)
    with pytest.raises(SealError):
        ZOE.open(blob, FUNCTION)
    with pytest.raises(SealError):
        ZOE.open_blob(ANN.seal(PARCEL, ARGUMENTS, WARRANT))
    with pytest.raises(SealError):
        ZOE.open(function, ARGUMENTS)


STATEMENTS: dict[str, tuple[Context, Statement | None]] = {
    "arguments without": (ARGUMENTS, None),
    "arguments with an attestation": (ARGUMENTS, attestation()),
    "results without": (RESULTS, None),
    "results with a warrant": (RESULTS, WARRANT),
    "a function with": (FUNCTION, WARRANT),
}


@pytest.mark.parametrize(("context", "statement"), STATEMENTS.values(), ids=STATEMENTS)
def test_statements_belong_to_kinds(context: Context, statement: Statement | None) -> None:
    with pytest.raises(SealError, match="as their statement"):
        ANN.seal(PARCEL, context, statement)


def test_numbers_of_other_types_are_written_as_they_will_be_read() -> None:
    odd = Warrant(b"f" * 32, Options(deadline=0, task_timeout=5), 7)
    assert ZOE.open(ANN.seal(PARCEL, ARGUMENTS, odd), ARGUMENTS).statement == odd


@pytest.mark.parametrize("statement", [Warrant(b"", Options(), "soon"), Warrant(b"f" * 2**20, Options(), 1.0)])  # type: ignore[arg-type]
def test_what_nobody_would_read_is_not_sealed(statement: Warrant) -> None:
    with pytest.raises(SealError):
        ANN.seal(PARCEL, ARGUMENTS, statement)


# -- by whom ---------------------------------------------------------------------------------------------------------


def test_only_clients_submit_and_only_workers_answer() -> None:
    with pytest.raises(SealError, match="nobody who is a client"):
        ANN.open(BOT.seal(PARCEL, ARGUMENTS, WARRANT), ARGUMENTS)
    with pytest.raises(SealError, match="nobody who is a worker"):
        ANN.open(KIM.seal(PARCEL, RESULTS, attestation()), RESULTS)


def test_a_member_cannot_write_in_anothers_name() -> None:
    """It has the key of the epoch, and signs with its own."""
    machine = Machine(LAB, "zoe")
    pretended = SimpleNamespace(public=secrets("ann").public, ed25519=secrets("zoe").ed25519)
    forger = MemberSealer(SimpleNamespace(held=machine.held, secrets=pretended, mine=machine.mine))  # type: ignore[arg-type]
    with pytest.raises(SealError, match="its author did not sign it"):
        BOT.open(forger.seal(PARCEL, ARGUMENTS, WARRANT), ARGUMENTS)


def test_statements_cannot_be_swapped() -> None:
    """The box of one page with the head and signature of another."""
    one, two = (ANN.seal(PARCEL, ARGUMENTS, Warrant(each * 32, Options(), 1.0)) for each in (b"f", b"g"))
    split = 5 + struct.unpack(">BI", one[:5])[1]
    for cut in (split, split + 64):
        with pytest.raises(SealError):
            ZOE.open(one[:cut] + two[cut:], ARGUMENTS)


def test_what_comes_from_own_machines_is_own() -> None:
    ann = Machine(LAB, "ann", "kim", "bot").sealer()
    page = {
        name: sealer.seal(PARCEL, ARGUMENTS, WARRANT) for name, sealer in (("ann", ANN), ("zoe", ZOE), ("kim", KIM))
    }
    assert {name: ann.open(each, ARGUMENTS).own for name, each in page.items()} == {
        "ann": True,
        "zoe": False,
        "kim": True,
    }
    results = {
        (by, name): ann.open(sealer.seal(PARCEL, RESULTS, attestation(by)), RESULTS).own
        for by in ("ann", "zoe")
        for name, sealer in (("bot", BOT), ("zoe", ZOE))
    }
    assert [each for each, own in results.items() if own] == [("ann", "bot")]
    assert not ann.open(ANN.seal(PARCEL, FUNCTION), FUNCTION).own


def test_who_was_removed_is_not_believed_and_cannot_read() -> None:
    found = lab()
    before = {name: Machine(found, name).sealer() for name in ("ann", "zoe")}
    old, result = before["ann"].seal(PARCEL, ARGUMENTS, WARRANT), before["zoe"].seal(PARCEL, RESULTS, attestation())
    _, blob = before["ann"].seal_blob(b"data")
    found.remove("zoe")
    now, bot = Machine(found, "ann").sealer(), Machine(found, "bot").sealer()
    assert (now.epoch, before["ann"].epoch) == (2, 1)
    with pytest.raises(SealError, match=r"of 'lab' \(any more\)"):
        now.open(result, RESULTS)
    with pytest.raises(SealError, match="the key of epoch 2 is not here"):
        before["zoe"].open(now.seal(PARCEL, ARGUMENTS, WARRANT), ARGUMENTS)
    with pytest.raises(SealError, match="the key of epoch 2 is not here"):
        before["zoe"].open_blob(now.seal_blob(b"data")[1])
    assert before["zoe"].reveal(now.hide("text", JOB)) == "(sealed)"
    assert bot.open(old, ARGUMENTS).parcel == PARCEL  # what runs goes on
    assert bot.open_blob(blob) == b"data"
    assert now.seal_blob(b"data") != (hashlib.sha256(blob).digest(), blob)
    found.remove("kim", in_use=())
    with pytest.raises(SealError, match="the key of epoch 1 is not here"):
        Machine(found, "ann").sealer().open(old, ARGUMENTS)


def test_another_cluster_with_the_same_people() -> None:
    other = Lab("lab", b"another root".ljust(32, b"."))
    with pytest.raises(SealError):
        Machine(other, "ann").sealer().open(ANN.seal(PARCEL, ARGUMENTS, WARRANT), ARGUMENTS)


# -- what was changed ------------------------------------------------------------------------------------------------

PAGE = ANN.seal(Parcel(b"p" * 50), ARGUMENTS, WARRANT)
BLOB = ANN.seal_blob(b"b" * 50)[1]
CODE = ANN.seal(Parcel(b"c" * 50), FUNCTION)
OPENING: list[tuple[bytes, Callable[[bytes], object]]] = [
    (PAGE, lambda data: ZOE.open(data, ARGUMENTS)),
    (CODE, lambda data: ZOE.open(data, FUNCTION)),
    (BLOB, ZOE.open_blob),
]


@pytest.mark.slow
@pytest.mark.parametrize("difference", [0x01, 0x80, 0xFF])
@pytest.mark.parametrize("case", OPENING, ids=["page", "function", "blob"])
def test_no_byte_can_be_changed(case: tuple[bytes, Callable[[bytes], object]], difference: int) -> None:
    for at in range(len(case[0])):
        data = bytearray(case[0])
        data[at] ^= difference
        with pytest.raises(SealError):
            case[1](bytes(data))


@pytest.mark.parametrize("case", OPENING, ids=["page", "function", "blob"])
def test_nor_said_in_another_way(case: tuple[bytes, Callable[[bytes], object]]) -> None:
    """The epoch in two bytes more."""
    data, opening = case
    assert data[5:7] == b"\x95\x01"
    length = struct.unpack(">BI", data[:5])[1]
    with pytest.raises(SealError, match="in another way"):
        opening(struct.pack(">BI", 1, length + 2) + b"\x95\xcd\x00\x01" + data[7:])


@pytest.mark.slow
@pytest.mark.parametrize("case", OPENING, ids=["page", "function", "blob"])
def test_nor_cut_nor_continued(case: tuple[bytes, Callable[[bytes], object]]) -> None:
    data, opening = case
    for changed in (*(data[:size] for size in range(len(data))), data + b"\0", data + data):
        with pytest.raises(SealError):
            opening(changed)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_garbage_is_refused_politely(data: bytes) -> None:
    for each in (data, b"\x01" + data, PAGE[:5] + data):
        for _, opening in OPENING:
            with pytest.raises(SealError):
                opening(each)


def test_chunks_stay_in_order_and_whole() -> None:
    size = CHUNK + 16
    _, data = ANN.seal_blob(b"1" * CHUNK + b"2" * CHUNK + b"3" * 10)
    start = len(data) - 2 * size - 26
    head, first, second, last = data[:start], data[start : start + size], data[start + size : -26], data[-26:]
    assert ZOE.open_blob(head + first + second + last)[-10:] == b"3" * 10
    for changed in (second + first + last, first + second, first + last, first, first + second + last + last):
        with pytest.raises(SealError):
            ZOE.open_blob(head + changed)


def test_the_commitment_is_compared_before_anything_is_decrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(BLOB)
    data[-50 - 16 - 1] ^= 1  # the last byte of the commitment

    def never(key: bytes) -> None:
        raise AssertionError("decrypted")

    monkeypatch.setattr(sealed, "aes_gcm", never)
    monkeypatch.setattr(sealed, "verify", never)
    with pytest.raises(SealError, match="another place, or with another key"):
        ZOE.open_blob(bytes(data))


def test_a_signature_of_something_else_is_none() -> None:
    split = 5 + struct.unpack(">BI", PAGE[:5])[1]
    own = sign(secrets("ann").ed25519, b"raisin payload 1")
    with pytest.raises(SealError):
        ZOE.open(PAGE[:split] + own + PAGE[split + 64 :], ARGUMENTS)


# -- texts and tags --------------------------------------------------------------------------------------------------


@BOTH_LIBRARIES
@pytest.mark.usefixtures("library")
def test_hidden_texts() -> None:
    token = ANN.hide("n\u00e4ive \u27e6plan\u27e7", JOB)
    assert (
        ZOE.reveal(f"job {token} of ann, {token}!")
        == "job n\u00e4ive \u27e6plan\u27e7 of ann, n\u00e4ive \u27e6plan\u27e7!"
    )
    assert ZOE.hide("n\u00e4ive \u27e6plan\u27e7", JOB) == token
    assert ANN.hide("n\u00e4ive \u27e6plan\u27e7", b"k" * 16) != token
    assert ZOE.reveal("\u27e6short\u27e7 and nothing") == "\u27e6short\u27e7 and nothing"
    assert ZOE.reveal(ANN.hide("", JOB)) == ""


def test_hidden_texts_that_were_changed() -> None:
    token = ANN.hide("text", JOB)
    for at in range(1, len(token) - 2):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        assert ZOE.reveal(f"a {changed} b") == "a (sealed) b"
    assert ZOE.reveal("\u27e6" + "A" * 49 + "\u27e7") == "(sealed)"


@pytest.mark.parametrize("text", ["x" * 20_000, "\u20ac" * 20_000, "\U0001f600" * 20_000, "x\udc80"])
def test_long_and_odd_texts_are_cut_to_fit(text: str) -> None:
    token = ANN.hide(text, JOB)
    assert len(token) <= 10_000
    assert ZOE.reveal(token).rstrip(".?") in text


def test_keys_of_tags() -> None:
    found = lab()
    before = Machine(found, "ann").sealer()
    assert before.tag_key("nightly") == Machine(found, "zoe").sealer().tag_key("nightly")
    assert (
        len(
            {
                before.tag_key("nightly"),
                before.tag_key("daily"),
                Machine(Lab("b", b"b" * 32), "ann").sealer().tag_key("daily"),
            }
        )
        == 3
    )
    found.remove("zoe")
    assert Machine(found, "ann").sealer().tag_key("nightly") == before.tag_key("nightly")
    assert len(before.tag_key("nightly")) == 32


def test_it_is_a_sealer_and_shows_no_key() -> None:
    sealer: Sealer = ANN
    machine = Machine(LAB, "ann")
    for each in (sealer, machine.held):
        assert repr(LAB.keys[1])[2:-1] not in repr(each)
        assert LAB.keys[1].hex() not in repr(each)
