"""A link to a broker that may be at several addresses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import zmq

from raisin_core.identity.roster import Member
from raisin_core.link import Connected, Context, Disconnected, HandshakeFailed, Link
from raisin_core.messages import Beat, Get

from .links import BROKER, STRANGER, ZOE, World, reserve_pair

DIGEST = b"d" * 32


@pytest.fixture
def world() -> Iterator[World]:
    context: Context = zmq.Context()
    made = World(context, "127.0.0.1:0")
    yield made
    made.close()


def test_of_several_addresses_the_one_where_the_broker_is(world: World) -> None:
    broker, nobody = world.start_broker(), reserve_pair()
    addresses = [f"127.0.0.1:{nobody[0].getsockname()[1]}", "no-such-host.invalid", world.address]
    made = world.link = Link(world.context, addresses, BROKER.public, ZOE)
    assert made.address == ", ".join(addresses)
    world.hear(Connected)
    assert (made.address, made.connected) == (world.address, True)
    made.send(Beat())
    made.send(Get(DIGEST, 0))  # blobs go to the same one
    world.until(lambda: len(broker.got) == 2)
    assert len(made.sockets()) == 4
    for each in nobody:
        each.close()


def test_a_broker_that_moved_is_found_again(world: World) -> None:
    before, after = world.start_broker(), reserve_pair()
    addresses = [world.address, f"127.0.0.1:{after[0].getsockname()[1]}"]
    made = world.link = Link(world.context, addresses, BROKER.public, ZOE)
    world.hear(Connected)
    before.die()
    world.hear(Disconnected)
    world.reserved, world.address = after, addresses[1]
    world.start_broker()
    world.hear(Connected)
    assert made.address == addresses[1]


def test_new_addresses_count_from_the_next_attempt_on(world: World) -> None:
    nobody = reserve_pair()
    made = world.link = Link(world.context, f"127.0.0.1:{nobody[0].getsockname()[1]}", BROKER.public, ZOE)
    world.hear(HandshakeFailed)
    world.start_broker()
    made.move([world.address])
    made.reset()
    world.hear(Connected)
    for each in nobody:
        each.close()


def test_another_key_at_one_address_ends_nothing_while_others_are_silent(world: World) -> None:
    world.start_broker()
    nobody = reserve_pair()
    addresses = [world.address, f"127.0.0.1:{nobody[0].getsockname()[1]}"]
    made = world.link = Link(world.context, addresses, STRANGER.public, ZOE)
    while True:
        failed = world.hear(HandshakeFailed)
        assert not failed.over
        if failed.reason == "key":
            break
    assert all(each in failed.detail for each in addresses)
    assert made.sockets()
    for each in nobody:
        each.close()


def test_a_broker_that_said_no_is_asked_again_while_others_are_silent(world: World) -> None:
    broker, nobody = world.start_broker(), reserve_pair()
    addresses = [world.address, f"127.0.0.1:{nobody[0].getsockname()[1]}"]
    world.link = Link(world.context, addresses, BROKER.public, STRANGER)
    while world.hear(HandshakeFailed).reason != "refused":
        pass
    broker.members[STRANGER.public] = Member(STRANGER.public, "new", frozenset({"worker"}))
    world.hear(Connected)
    for each in nobody:
        each.close()


def test_it_is_over_when_it_is_over_everywhere(world: World) -> None:
    world.start_broker()
    made = world.link = Link(world.context, [world.address, f"tcp://{world.address}"], BROKER.public, STRANGER)
    while not (failed := world.hear(HandshakeFailed)).over:
        pass
    assert (failed.reason, made.sockets()) == ("refused", [])


def test_no_address_is_an_error(world: World) -> None:
    for wrong in ([], ["127.0.0.1:5757", "tcp://host:port"]):
        with pytest.raises(ValueError, match="address"):
            Link(world.context, wrong, BROKER.public, ZOE)
