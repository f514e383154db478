from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import zmq

from raisin_core.client.talking import talk
from raisin_core.errors import BrokerUnreachable, NotAdmitted, VersionMismatch, WrongBrokerKey
from raisin_core.identity.keys import Keys
from raisin_core.link import Context
from raisin_core.messages import BeatBack, ListMembers, MemberLine, Members, Message, Publish, Refused, Roster

from .links import BROKER, STRANGER, ZOE, World, reserve_pair

LINES = Members([MemberLine("zoe", "client", "here", 1.0)])


@pytest.fixture
def world() -> Iterator[World]:
    context: Context = zmq.Context()
    made = World(context, "127.0.0.1:0")
    yield made
    made.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


class Asked:
    """A question under way in another thread, while the test's own serves the broker."""

    def __init__(self, world: World, pool: ThreadPoolExecutor) -> None:
        self._world, self._pool = world, pool

    def start(
        self, addresses: list[str], keys: Keys = ZOE, broker_key: bytes = BROKER.public, seconds: float = 10.0
    ) -> Future[tuple[Message, bytes]]:
        return self._pool.submit(talk, addresses, broker_key, keys, Publish(), b"a book", seconds)

    def end(self, under_way: Future[tuple[Message, bytes]]) -> tuple[Message, bytes]:
        self._world.until(under_way.done)
        return under_way.result()


@pytest.fixture
def asked(world: World, pool: ThreadPoolExecutor) -> Asked:
    return Asked(world, pool)


def test_a_question_and_its_answer(world: World, asked: Asked) -> None:
    broker = world.start_broker()
    under_way = asked.start([world.address])
    world.until(lambda: bool(broker.got))
    assert broker.got == [(Publish(), b"a book")]
    broker.answer(BeatBack())  # no answer to anything
    broker.answer(Roster(3, [1]), b"newer")
    assert asked.end(under_way) == (Roster(3, [1]), b"newer")


def test_silent_addresses_do_not_hold_it_up(world: World, asked: Asked) -> None:
    broker = world.start_broker()
    nobody = reserve_pair()
    under_way = asked.start([f"127.0.0.1:{nobody[0].getsockname()[1]}", world.address, world.address])
    world.until(lambda: bool(broker.got))
    broker.answer(LINES)
    assert asked.end(under_way) == (LINES, b"")
    for each in nobody:
        each.close()


def test_asks_again_when_the_connection_breaks_before_the_answer(world: World, asked: Asked) -> None:
    broker = world.start_broker()
    under_way = asked.start([world.address])
    world.until(lambda: bool(broker.got))
    broker.die()
    world.context.destroy(linger=0)
    world.context = zmq.Context()
    broker = world.start_broker()
    world.until(lambda: bool(broker.got))
    broker.answer(Roster(1))
    assert asked.end(under_way)[0] == Roster(1)


def test_nobody_there() -> None:
    first, second = reserve_pair()
    address = f"127.0.0.1:{first.getsockname()[1]}"
    with pytest.raises(BrokerUnreachable, match=f"nobody answers at {address}"):
        talk([address], BROKER.public, ZOE, ListMembers(), seconds=0.2)
    first.close()
    second.close()


def test_a_broker_that_says_nothing(world: World, asked: Asked) -> None:
    world.start_broker()
    with pytest.raises(BrokerUnreachable, match=f"{world.address} did not answer within 1 s"):
        asked.end(asked.start([world.address], seconds=1.0))


def test_another_key_at_one_address_is_said_when_no_other_answers(world: World, asked: Asked) -> None:
    world.start_broker()
    with pytest.raises(WrongBrokerKey, match=world.address):
        asked.end(asked.start([world.address], broker_key=STRANGER.public))


@pytest.mark.parametrize("others", [0, 1])
def test_a_key_that_is_not_admitted(world: World, asked: Asked, others: int) -> None:
    world.start_broker()
    nobody = reserve_pair()
    silent = [f"127.0.0.1:{nobody[0].getsockname()[1]}"] * others
    with pytest.raises(NotAdmitted, match=world.address):
        asked.end(asked.start([world.address, *silent], keys=STRANGER, seconds=60.0))
    for each in nobody:
        each.close()


@pytest.mark.parametrize(
    ("said", "error"),
    [(Refused("role", "a guest only joins"), NotAdmitted), (Refused("version", "speaks 9"), VersionMismatch)],
)
def test_refusals_that_are_errors(world: World, asked: Asked, said: Refused, error: type[Exception]) -> None:
    broker = world.start_broker()
    under_way = asked.start([world.address])
    world.until(lambda: bool(broker.got))
    broker.answer(said)
    with pytest.raises(error, match=said.reason):
        asked.end(under_way)


def test_other_refusals_are_answers(world: World, asked: Asked) -> None:
    broker = world.start_broker()
    under_way = asked.start([world.address])
    world.until(lambda: bool(broker.got))
    broker.answer(Refused("invitation", "used up"))
    assert asked.end(under_way)[0] == Refused("invitation", "used up")


def test_wrong_addresses_leave_nothing_behind() -> None:
    before = threading.active_count()
    for addresses in ([], ["127.0.0.1:5757", "no address!"]):
        with pytest.raises(ValueError, match="address"):
            talk(addresses, BROKER.public, ZOE, ListMembers())
    assert threading.active_count() == before
