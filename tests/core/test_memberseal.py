"""What a job seals when it leaves, and what it believes of what comes back."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

import msgspec
import pytest

from raisin_core import pages
from raisin_core.client.memberseal import TAG, VALID_SECONDS, MemberSeal
from raisin_core.client.seals import seen
from raisin_core.errors import SealError
from raisin_core.identity.sealing import Attestation, Context, Warrant
from raisin_core.messages import Argument, Open, Options, Origin, Page, Result, Ruling

from .closed import BIG, JOB, OTHER, TAGS, Circle, Cluster, Worker, World, outcomes, secrets

# -- what leaves -----------------------------------------------------------------------------------------------------


def test_nothing_readable_leaves() -> None:
    world = World(resume="nightly")
    left = [msgspec.msgpack.encode(world.open), world.function, world.payload, *world.blobs.values()]
    for marker in (b"secret name", b"the function", b"the parts", b"big", b"p" * 32):
        assert all(marker not in each for each in left)
    assert world.open.resume == "nightly"  # in the clear, as the docs say


def test_a_job_says_by_what_it_is_sealed() -> None:
    world = World(resume="nightly")
    assert world.open.epoch == 1
    assert world.open.function == hashlib.sha256(world.function).digest()
    assert world.zoe.sealer.reveal(world.open.name) == "secret name"
    assert seen(world.zoe.sealer, world.open.parts) == b"the parts"
    opened = world.zoe.sealer.open(world.function, Context("function", b"", 0, 0))
    ((plain, name),) = opened.parcel.blobs.items()
    assert opened.payload == b"the function"
    assert (plain, [name]) == (hashlib.sha256(BIG).digest(), world.open.blobs)
    assert world.zoe.sealer.open_blob(world.blobs[name]) == BIG


@pytest.mark.parametrize("deadline", [0.0, 2_000_000_000.0])
def test_pages_carry_their_warrant(deadline: float) -> None:
    world = World(resume="nightly", deadline=deadline)
    opened = world.zoe.sealer.open(world.payload, Context("arguments", JOB, 0, 4, 0))
    said = opened.statement
    assert isinstance(said, Warrant)
    assert (said.function, said.options) == (world.open.function, world.open.options)
    assert said.fingerprint == world.open.fingerprint != b"p" * 32
    assert said.not_after == pytest.approx(deadline or time.time() + VALID_SECONDS, abs=60)
    assert (opened.member, opened.parcel.tags) == ("me", TAGS)


def test_without_a_key_nothing_says_which_function_it_is() -> None:
    assert World().open.fingerprint == b""
    first, second = World(resume="a").open, World(resume="b").open
    assert first.fingerprint != second.fingerprint
    assert World(resume="a").open.fingerprint == first.fingerprint  # so that it is found again


def test_pages_of_a_new_epoch_name_the_same_function() -> None:
    world = World()
    world.cluster.remove("eve")
    assert world.me.refresh()
    page, payload, _ = world.seal.page(Page(JOB, 1, 4, 1), pages.encode([5]).payload, {})
    world.zoe.refresh()
    opened = world.zoe.sealer.open(payload, Context("arguments", JOB, 4, 1, 1))
    assert isinstance(opened.statement, Warrant)
    assert opened.statement.function == world.open.function
    with pytest.raises(SealError, match="epoch 2"):
        world_of_eve(world).sealer.open(payload, Context("arguments", JOB, 4, 1, 1))
    assert world.seal.result(world.result(start=4, stop=5), world.worker.answer(page, payload)).member == "zoe"


def world_of_eve(world: World) -> Circle:
    """What a removed member still has: the keys of its time."""
    eve = Circle(Cluster(), "eve")
    eve.held = eve.held._replace(standing=world.me.held.standing, keys={1: world.me.held.keys[1]})
    return eve


# -- what comes back -------------------------------------------------------------------------------------------------


def test_honest_results_are_believed() -> None:
    world = World()
    opened = world.seal.result(world.result(), world.honest())
    assert list(pages.decode_outcomes(opened.payload, dict[bytes, bytes]().__getitem__).items) == [1, 4, 9, 16]
    assert (opened.member, opened.account, opened.own) == ("zoe", "zoe", False)


def test_results_of_my_own_machines_are_my_own() -> None:
    world = World()
    world.me.mine |= {secrets("zoe").public.ed25519}
    assert world.seal.result(world.result(), world.honest()).own


Attack = Callable[[World], tuple[Result, bytes]]
VALUES = [1, 4, 9, 16]

ATTACKS: dict[str, tuple[Attack, str]] = {
    "plain": (lambda w: (w.result(), outcomes(VALUES, 0)), "not sealed"),
    "garbage": (lambda w: (w.result(), b"\x01\xff\xff\xff\xff"), "cannot be read"),
    "empty": (lambda w: (w.result(), b""), "not sealed"),
    "changed": (lambda w: (w.result(), w.honest()[:-1] + b"x"), "changed"),
    "cut": (lambda w: (w.result(), w.honest()[:-40]), "changed|cut"),
    "the arguments": (lambda w: (w.result(), w.payload), "something else"),
    "the function": (lambda w: (w.result(), w.function), "something else"),
    "another job's": (lambda w: (w.result(), w.worker.seal(OTHER, 0, VALUES, w.attested())), "another place"),
    "another range's": (lambda w: (w.result(start=4, stop=8), w.honest()), "another place"),
    "of fewer tasks": (lambda w: (w.result(stop=3), w.honest()), "another place"),
    "by a client": (
        lambda w: (w.result(), Worker(Circle(w.cluster, "eve")).seal(JOB, 0, VALUES, w.attested())),
        "nobody who is a worker",
    ),
    "asked for by another": (lambda w: (w.result(), w.worker.seal(JOB, 0, VALUES, w.attested("eve"))), "somebody else"),
    "asked for by my other machine": (
        lambda w: (w.result(), w.worker.seal(JOB, 0, VALUES, w.attested("desk"))),
        "somebody else",
    ),
    "of another function": (
        lambda w: (w.result(), w.worker.seal(JOB, 0, VALUES, w.attested(fingerprint=b"q" * 32))),
        "another function",
    ),
    "of another cluster": (
        lambda w: (w.result(), Worker(Circle(Cluster(root=b"s" * 32), "zoe")).seal(JOB, 0, VALUES, w.attested())),
        "epoch|another place",
    ),
    "answering others' tasks": (lambda w: (w.result(won=[(2, 6)]), w.honest()), "that they do not"),
    "answering nothing": (lambda w: (w.result(won=[(2, 2)]), w.honest()), "that they do not"),
    "answering twice at once": (lambda w: (w.result(won=[(0, 3), (2, 4)]), w.honest()), "that they do not"),
    "of no task": (lambda w: (w.result(stop=0), w.honest()), "no task"),
    "ruled for many": (lambda w: (w.result(ruling=True), ruling()), "one task"),
    "ruled in garbage": (lambda w: (w.result(ruling=True, stop=1), b"garbage"), "no results at all"),
    "values as a ruling": (lambda w: (w.result(ruling=True, stop=1), w.honest()), "no results at all"),
}


def ruling(detail: str = "gone") -> bytes:
    return msgspec.msgpack.encode(Ruling("crashed", [("host", detail)]))


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_no_worker_wrote_for_this_place_is_refused(attack: str) -> None:
    world = World()
    make, match = ATTACKS[attack]
    message, payload = make(world)
    with pytest.raises(SealError, match=match):
        world.seal.result(message, payload)
    assert world.seal.result(world.result(), world.honest()).member == "zoe"  # the honest one is believed all the same


def test_results_of_a_removed_worker_are_refused() -> None:
    world = World()
    payload = world.honest()
    world.cluster.remove("zoe")
    world.me.refresh()
    with pytest.raises(SealError, match="nobody who is a worker of 'lab'"):
        world.seal.result(world.result(), payload)


def test_a_newer_roster_that_another_process_knows_is_looked_for() -> None:
    world = World()
    world.cluster.remove("eve")
    world.zoe.refresh()
    payload = world.worker.seal(JOB, 0, VALUES, world.attested())  # in epoch 2, of which I have not heard
    assert world.me.sealer.epoch == 1
    assert world.seal.result(world.result(), payload).member == "zoe"
    assert world.me.sealer.epoch == 2


def test_a_task_is_answered_once_for_each_reader() -> None:
    world = World()
    payload = world.honest()
    world.seal.result(world.result(won=[(0, 2)]), payload)
    with pytest.raises(SealError, match="task 1 was answered before"):
        world.seal.result(world.result(won=[(1, 4)], arrival=2), payload)
    world.seal.result(world.result(won=[(2, 4)], arrival=3), payload)
    assert world.seal.result(world.result(reader=2), payload).member == "zoe"
    with pytest.raises(SealError, match="task 3 was answered before"):
        world.seal.result(world.result(start=3, ruling=True), ruling())


def test_what_the_broker_rules_is_only_its_word() -> None:
    world = World()
    hidden = world.zoe.sealer.hide("killed by signal 9", JOB)
    opened = world.seal.result(world.result(stop=1, ruling=True), ruling(hidden))
    assert msgspec.msgpack.decode(opened.payload, type=Ruling).trials == [("host", "killed by signal 9")]
    assert not opened.own


# -- recorded results ------------------------------------------------------------------------------------------------


class Recorded(World):
    """What zoe computed for an earlier job of mine, with the same key."""

    def __init__(self) -> None:
        super().__init__(resume="nightly")

    def origin(self, tags: bytes = TAGS, said: Attestation | None = None, **more: int) -> tuple[Result, bytes]:
        place = {"start": 0, "stop": 4, "first": 0, **more}
        payload = self.worker.seal(OTHER, 0, VALUES, said or self.attested(), tags)
        return self.result(origin=Origin(OTHER, **place)), payload


def test_recorded_results_of_the_same_tasks_are_believed() -> None:
    world = Recorded()
    assert world.seal.result(*world.origin()).payload == outcomes(VALUES, 0)
    by_my_other_machine = Recorded()
    said = by_my_other_machine.attested("desk")
    assert by_my_other_machine.seal.result(*by_my_other_machine.origin(said=said)).member == "zoe"


def test_recorded_results_that_begin_elsewhere() -> None:
    world = Recorded()
    shifted = b"-" * TAG + TAGS[: 2 * TAG] + b"+" * TAG  # its tasks 1 and 2 are 0 and 1 here
    message, payload = world.origin(tags=shifted, first=1)
    assert world.seal.result(msgspec.structs.replace(message, stop=2), payload).member == "zoe"
    with pytest.raises(SealError, match="other arguments"):
        world.seal.result(msgspec.structs.replace(message, start=1, stop=3, reader=2), payload)


def test_recorded_results_of_a_removed_worker_can_be_computed_anew() -> None:
    world = Recorded()
    message, payload = world.origin()
    world.cluster.remove("zoe")
    world.me.refresh()
    with pytest.raises(SealError, match=r"nobody who is a worker .*: force=True computes anew"):
        world.seal.result(message, payload)


@pytest.mark.parametrize(
    ("tags", "more", "match"),
    [
        (TAGS[TAG:] + TAGS[:TAG], {}, "other arguments"),
        (b"", {}, "other tasks"),
        (TAGS[:TAG], {}, "other tasks"),
        (TAGS, {"first": 1}, "other tasks"),
        (TAGS, {"stop": 5}, "another place"),
        (TAGS, {"start": 1, "first": 0}, "another place"),
    ],
)
def test_recorded_results_of_other_tasks_are_refused(tags: bytes, more: dict[str, int], match: str) -> None:
    world = Recorded()
    with pytest.raises(SealError, match=match):
        world.seal.result(*world.origin(tags, **more))


def test_recorded_results_of_another_function_or_account_are_refused() -> None:
    world = Recorded()
    with pytest.raises(SealError, match="another function"):
        world.seal.result(*world.origin(said=world.attested(fingerprint=b"q" * 32)))
    with pytest.raises(SealError, match="somebody else"):
        world.seal.result(*world.origin(said=world.attested("zoe")))
    plain = World()
    with pytest.raises(SealError, match="another function"):
        plain.seal.result(*Recorded.origin(plain, said=plain.attested()))  # type: ignore[arg-type]


# -- from another machine --------------------------------------------------------------------------------------------


def taken_up(world: World, name: str = "desk") -> MemberSeal:
    """The job as `attach` on another machine has it."""
    return MemberSeal(Circle(world.cluster, name), JOB)


def test_another_machine_of_the_account_collects_and_others_do_not() -> None:
    world = World()
    assert taken_up(world).result(world.result(), world.honest()).member == "zoe"
    with pytest.raises(SealError, match="somebody else"):
        taken_up(world, "zoe").result(world.result(), world.honest())


def argument(page: Page) -> Argument:
    return Argument(page.job, page.number, page.first, page.count)


def test_another_machine_compares_recorded_results_with_the_arguments() -> None:
    world = Recorded()
    there = taken_up(world)
    message, payload = world.origin()
    assert there.needs(message) == 0
    with pytest.raises(SealError, match="another function"):
        there.result(message, payload)
    opened = there.arguments(argument(world.page), world.payload)
    assert (opened.member, opened.own) == ("me", False)
    assert there.needs(message) is None
    assert there.result(message, payload).member == "zoe"
    wrong, swapped = world.origin(TAGS[TAG:] + TAGS[:TAG])
    with pytest.raises(SealError, match="other arguments"):
        there.result(msgspec.structs.replace(wrong, reader=2), swapped)


@pytest.mark.parametrize("by", ["zoe", "eve"])
def test_arguments_that_others_wrote_are_refused(by: str) -> None:
    world = World()
    other = MemberSeal(Circle(world.cluster, by), JOB)
    other.submit(Open(JOB, "map", "", b"f" * 32, Options()), b"f", {})
    page, payload, _ = other.page(Page(JOB, 0, 0, 1), b"payload", {})
    for seal in (world.seal, taken_up(world)):
        with pytest.raises(SealError, match="somebody else"):
            seal.arguments(argument(page), payload)
    with pytest.raises(SealError, match="another place"):
        world.seal.arguments(Argument(JOB, 1, 0, 4), world.payload)
