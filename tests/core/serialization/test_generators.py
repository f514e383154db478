"""Generators that travel: what they still yield, when it is asked for, and how they end."""

import asyncio
import inspect
import pathlib
import types

import pytest

from raisin_core.errors import SerializationError, TaskFailed, Truncated
from tests.core.serialization.channels import Arrived, Sent, travel


def counting(n, log=None):
    for i in range(n):
        if log is not None:
            log.append(i)
        yield i
    return "done"


def whole(generator):
    """All that it yields, and what it returns."""
    found = []
    while True:
        try:
            found.append(next(generator))
        except StopIteration as end:
            return found, end.value


def test_it_is_a_generator_of_the_same_name(tmp_path):
    copy = travel(counting(3), tmp_path)
    assert type(copy) is types.GeneratorType
    assert (copy.__name__, copy.__qualname__) == ("counting", "counting")
    assert inspect.getgeneratorstate(copy) == inspect.GEN_CREATED
    assert whole(copy) == ([0, 1, 2], "done")


def test_what_it_has_yielded_does_not_come_again(tmp_path):
    original = counting(4)
    next(original)
    assert whole(travel(original, tmp_path)) == ([1, 2, 3], "done")
    assert list(original) == []


def test_items_are_drawn_when_they_are_asked_for(tmp_path):
    copy = travel(counting(1000, log := []), tmp_path)
    assert log == []
    next(copy)
    assert log == [0]
    assert sum(copy) == sum(range(1000))


def test_finished_ones_arrive_finished(tmp_path):
    original = counting(1)
    list(original)
    copy = travel(original, tmp_path)
    assert inspect.getgeneratorstate(copy) == inspect.GEN_CLOSED
    assert whole(copy) == ([], None)
    closed = counting(1)
    closed.close()
    assert list(travel(closed, tmp_path)) == []


def test_what_it_raises_comes_after_its_items(tmp_path):
    def failing():
        yield 1
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error

    copy = travel(failing(), tmp_path)
    assert next(copy) == 1
    with pytest.raises(ValueError, match="second") as caught:
        next(copy)
    assert type(caught.value.__cause__) is KeyError
    assert list(copy) == []


def test_what_cannot_travel_is_told_as_text(tmp_path):
    class Odd(Exception):
        def __reduce__(self):
            raise TypeError("no")

    def failing():
        raise Odd("what happened")
        yield

    with pytest.raises(TaskFailed, match="what happened"):
        next(travel(failing(), tmp_path))


def test_interrupts_are_no_item(tmp_path):
    def interrupted():
        yield 1
        raise KeyboardInterrupt

    copy = travel(interrupted(), tmp_path)
    next(copy)
    with pytest.raises(KeyboardInterrupt):
        next(copy)


def test_expressions_and_yield_from(tmp_path):
    assert list(travel((x**2 for x in range(4)), tmp_path)) == [0, 1, 4, 9]

    def outer():
        return (yield from travel(counting(2), tmp_path)) * 2

    assert whole(outer()) == ([0, 1], "donedone")


def test_the_same_one_twice_is_one(tmp_path):
    generator = counting(4)
    one, two = travel([generator, generator], tmp_path)
    assert one is two


def test_the_same_one_in_two_items_is_one(tmp_path):
    def sharing():
        inner = counting(4)
        yield inner
        yield inner

    one, two = travel(sharing(), tmp_path)
    assert one is two
    assert list(one) == [0, 1, 2, 3]


def test_one_that_yields_itself(tmp_path):
    def strange():
        yield holder
        yield 5

    holder = [strange()]
    (copy,) = travel(holder, tmp_path)
    (again,) = next(copy)
    assert again is copy
    assert list(copy) == [5]


def test_of_generators_and_files(tmp_path):
    (path := tmp_path / "file").write_text("content")

    def mixed():
        yield (i for i in range(3))
        yield path
        path.write_text("changed")
        yield path

    generator, one, two = travel(mixed(), tmp_path / "there")
    assert list(generator) == [0, 1, 2]
    assert (one.read_text(), two.read_text()) == ("content", "changed")
    assert type(one) is type(pathlib.Path())


def test_a_running_one_is_refused():
    def inside():
        yield Sent().dumps(generator)

    generator = inside()
    with pytest.raises(SerializationError, match="is running"):
        next(generator)


def test_one_that_goes_elsewhere_is_refused(tmp_path):
    generator = counting(3)
    first = Arrived(sent := Sent(), tmp_path).loads(sent.dumps(generator))
    second = Arrived(other := Sent(), tmp_path).loads(other.dumps(generator))
    assert next(second) == 0
    with pytest.raises(SerializationError, match="another stream"):
        next(first)
    with pytest.raises(SerializationError, match="another stream"):
        Sent().dumps(generator)
    assert list(second) == [1, 2]


def test_what_an_abandoned_stream_left_can_travel(tmp_path):
    generator = counting(3)
    first = travel(generator, tmp_path)
    assert next(first) == 0
    del first
    assert list(travel(generator, tmp_path)) == [1, 2]


def test_it_takes_no_values(tmp_path):
    def echo():
        yield (yield 1)

    copy = travel(echo(), tmp_path)
    assert next(copy) == 1
    with pytest.raises(SerializationError, match="takes no values"):
        copy.send("value")


def test_throw_and_close(tmp_path):
    copy = travel(counting(3), tmp_path)
    next(copy)
    with pytest.raises(LookupError):
        copy.throw(LookupError("mine"))
    copy = travel(counting(3), tmp_path)
    next(copy)
    copy.close()
    assert list(copy) == []


def test_a_lost_end_is_seen(tmp_path):
    sent = Sent()
    data = sent.dumps(counting(3))
    sent.iterators[1] = iter([1, 2])
    copy = Arrived(sent, tmp_path).loads(data)
    assert [next(copy), next(copy)] == [1, 2]
    with pytest.raises(Truncated):
        next(copy)


def test_coroutines_and_async_generators_are_refused():
    async def later():
        return 1

    async def each():
        yield 1

    coroutine = later()
    with pytest.raises(SerializationError, match="await it in its event loop"):
        Sent().dumps([coroutine])
    assert asyncio.run(coroutine) == 1
    with pytest.raises(SerializationError, match="async for"):
        Sent().dumps(each())
