"""What leaves a member's worker, piece by piece: tags, reasons, prints, blobs."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import pytest

from raisin_core import messages as m
from raisin_core import pages
from raisin_core.errors import SealError
from raisin_core.identity.sealing import Attestation, Context, NullSealer, Parcel
from raisin_core.messages import LeaseId
from raisin_worker import commands as c
from raisin_worker.blobs import Blobs
from raisin_worker.events import Outcome
from raisin_worker.frames import FrameError
from raisin_worker.sealing import MOST_BLOBS, Desk, tags
from raisin_worker.state import Argued
from tests.support.cluster import Cluster, work
from tests.support.sealed import JOB, opened, page
from tests.support.wire import passed

KEY = b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
LEASE = LeaseId(3, 9)


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster(["lab:5757"], KEY, {"zoe": ("zoe", ["worker"])})


@pytest.fixture
def blobs(cluster: Cluster, tmp_path: Path) -> Blobs:
    return Blobs(tmp_path, logging.getLogger("test"), cluster["zoe"].sealer)


@pytest.fixture
def desk(cluster: Cluster, blobs: Blobs) -> Desk:
    return Desk(cluster["zoe"].sealer, blobs)


def run(submitter: bytes) -> c.Run:
    return c.Run(0, JOB, b"f" * 32, 2, 14, [page(0), page(1)], 0.0, LEASE, submitter, b"p" * 32)


# -- what comes ------------------------------------------------------------------------------------------------------


def test_a_function_must_be_what_its_digest_names(cluster: Cluster, desk: Desk) -> None:
    made = work(cluster["anna"], b"code", [1])
    good = desk.open(made.function, made.function_payload)
    assert good.opened is not None
    assert good.opened.payload == b"code"
    bad = desk.open(m.Function(b"x" * 32), made.function_payload)
    assert (bad.opened, bad.problem) == (None, "it is not the function that its digest names")


def test_names_of_blobs_must_be_digests(cluster: Cluster, blobs: Blobs) -> None:
    """They become names of files; a sealer that lets others pass would not be to blame alone."""

    class Careless(NullSealer):
        def __init__(self, names: dict[bytes, bytes]) -> None:
            self.names = names

        def open(self, payload: bytes, context: Context) -> object:  # type: ignore[override]
            return opened()._replace(parcel=Parcel(b"", self.names))

    for names in (
        {b"..": b"t" * 32},
        {b"t" * 32: b""},
        {bytes([n % 256, n // 256]) * 16: JOB * 2 for n in range(10_001)},
    ):
        found = Desk(Careless(names), blobs).open(m.Argument(JOB, 0, 0, 10), b"")  # type: ignore[arg-type]
        assert found.opened is None
        assert "digest" in found.problem
    assert MOST_BLOBS == 10_000


# -- what goes -------------------------------------------------------------------------------------------------------


def test_results_say_on_whose_warrant_and_for_which_lease(cluster: Cluster, desk: Desk) -> None:
    anna = cluster["anna"]
    out = desk.seal(run(anna.key), Outcome(0, 5, 12, 0.1, [5], [(6, "no numpy")], b"results", []))
    found = anna.sealer.open(out.payload, Context("results", JOB, 5, 7, lease=(3, 9)))
    assert found.payload == b"results"
    assert found.statement == Attestation(anna.key, b"p" * 32)
    assert found.parcel.tags == bytes(range(80, 160)) + bytes(range(32))
    assert [(index, anna.sealer.reveal(why)) for index, why in out.unfit] == [(6, "no numpy")]
    assert "numpy" not in str(out)
    for other in (Context("results", JOB, 4, 7, lease=(3, 9)), Context("results", JOB, 5, 7, lease=(3, 10))):
        with pytest.raises(SealError):
            anna.sealer.open(out.payload, other)


def test_equal_reasons_are_hidden_alike(desk: Desk) -> None:
    unfit = [(index, "no numpy") for index in range(5, 12)]
    out = desk.seal(run(b"a" * 32), Outcome(0, 5, 12, 0.1, [], unfit, b"results", []))
    assert len({why for _, why in out.unfit}) == 1


def test_reasons_of_a_whole_page_fit_into_a_header(cluster: Cluster, desk: Desk) -> None:
    """However long they are and whatever they are written in; a message that does not fit would end the session."""
    everything = range(pages.TASKS)
    one = [(index, "\N{GRAPES}" * 300) for index in everything]
    many = [(index, f"{index} {'ü' * 290}") for index in everything]
    for unfit in (one, many):
        out = desk.seal(run(b"a" * 32), Outcome(0, 0, pages.TASKS, 0.1, [], unfit, b"", []))
        passed(m.Results(LEASE, JOB, 0, pages.TASKS, 0.1, [], out.unfit), out.payload)
        assert [index for index, _ in out.unfit] == list(everything)
    reveal = cluster["anna"].sealer.reveal
    assert reveal(out.unfit[63][1]).startswith("63 üü")
    assert reveal(out.unfit[64][1]) == "for one more reason"


def test_a_refusal_is_a_page_of_failures_for_each_task(cluster: Cluster, desk: Desk) -> None:
    anna = cluster["anna"]
    parts = list(desk.refuse(c.Refuse(LEASE, JOB, 10, 10 + pages.TASKS + 3, "not here: " + "x" * 5000)))
    assert [(each.message.start, each.message.stop) for each in parts] == [
        (10, 10 + pages.TASKS),
        (10 + pages.TASKS, 13 + pages.TASKS),
    ]
    for each in parts:
        start, stop = each.message.start, each.message.stop
        assert [index for index, _ in each.message.unfit] == list(range(start, stop))
        assert anna.sealer.reveal(each.message.unfit[0][1]).startswith("not here: xxx")
        assert len(each.message.unfit[0][1]) < 2_000
        found = anna.sealer.open(each.payload, Context("results", JOB, start, stop - start, lease=(3, 9)))
        items = pages.decode_outcomes(found.payload, dict[bytes, bytes]().__getitem__).items
        assert len(items) == stop - start
        assert type(items[0].error()) is PermissionError


@pytest.mark.parametrize("text", ["hello\n", "", "ü" * 20_000, "x" * 100_000, "\N{GRAPES}" * 9_000])
def test_prints_are_hidden_whole(cluster: Cluster, desk: Desk, text: str) -> None:
    message, payload = desk.cover(m.Wrote(JOB, 4), text.encode())
    assert message == m.Wrote(JOB, 4)
    assert cluster["anna"].sealer.reveal(payload.decode()) == text
    assert text.encode() not in payload or not text


def test_the_last_words_of_a_crash_are_hidden_and_fit_into_a_header(cluster: Cluster, desk: Desk) -> None:
    message, _ = desk.cover(m.Crashed(LEASE, JOB, 4, "crash", "ü" * 9_000, 0), b"")
    assert isinstance(message, m.Crashed)
    assert len(message.detail) < 10_000
    assert "ü" not in message.detail
    assert cluster["anna"].sealer.reveal(message.detail) == "ü" * 2_000


def test_what_says_nothing_of_a_task_goes_as_it_is(desk: Desk) -> None:
    assert desk.cover(m.Publish(), b"book") == (m.Publish(), b"book")


# -- tags ------------------------------------------------------------------------------------------------------------


def test_tags_are_those_of_the_tasks_or_none() -> None:
    both = [page(0), page(1)]
    assert tags(both, 0, 20) == bytes(range(160)) * 2
    assert tags(both, 9, 11) == bytes(range(144, 160)) + bytes(range(16))
    assert tags(both, 15, 25) == b""
    untagged = Argued(m.Argument(JOB, 1, 10, 10), b"", opened()._replace(parcel=Parcel(b"")))
    assert tags([page(0), untagged], 0, 20) == b""
    assert tags([Argued(m.Argument(JOB, 0, 0, 10), b"")], 0, 5) == b""


# -- blobs -----------------------------------------------------------------------------------------------------------


def test_a_blob_is_sealed_into_a_file_beside_it(cluster: Cluster, blobs: Blobs) -> None:
    data = b"result " * 1000
    name = hashlib.sha256(data).digest()
    blobs.path(name).write_bytes(data)
    wire = blobs.seal(name)
    assert blobs.seal(name) == wire
    sealed = blobs.read(wire, 0, blobs.size(wire))
    assert hashlib.sha256(sealed).digest() == wire
    assert b"result result" not in sealed
    assert cluster["anna"].sealer.open_blob(sealed) == data
    assert sorted(path.name for path in blobs.directory.iterdir()) == sorted((name.hex(), wire.hex()))


def test_what_a_task_calls_a_blob_must_be_one(blobs: Blobs) -> None:
    blobs.path(b"n" * 32).write_bytes(b"something else")
    with pytest.raises(FrameError, match="not what it is called by"):
        blobs.seal(b"n" * 32)


def test_without_a_sealer_a_blob_is_moved_and_never_read(tmp_path: Path) -> None:
    plain, heard = Blobs(tmp_path, logging.getLogger("test")), list[bool]()
    sink = plain.sink(b"n" * 32, b"n" * 32, heard.append)
    sink.write(b"pie")
    sink.write(b"ces")
    sink.finish(True)
    assert plain.read(b"n" * 32, 0, 100) == b"pieces"  # whether it is what its digest says was for `transfers` to see
    sink = plain.sink(b"m" * 32, b"m" * 32, heard.append)
    sink.finish(False)
    assert heard == [True, False]
    assert [path.name for path in tmp_path.iterdir()] == [(b"n" * 32).hex()]
