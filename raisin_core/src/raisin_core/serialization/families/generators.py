"""Generators: what they still yield, drawn when it is written, and read when it is asked for.

Writing a generator consumes it. On the other side there is a real generator with the same name that yields, returns or
raises the same; only iteration travels, so it takes no values by `send`. Whoever shares a generator shares it there
too, also from item to item. Its end is an item of its own, `Returned` or `Raised`, so that a lost end is seen.

Rules of this file: nothing is drawn before the stream asks for it.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

from raisin_core.errors import SerializationError, Tampered, Truncated
from raisin_core.serialization import arrivals

if TYPE_CHECKING:
    from raisin_core.failures import Failure
    from raisin_core.serialization.arrivals import Channels
    from raisin_core.serialization.pickling import Pickler, Reducer

    AnyGenerator = types.GeneratorType[Any, Any, Any]


class Returned(NamedTuple):
    """The end of the items of a generator that returned."""

    value: object


class Raised(NamedTuple):
    """The end of the items of a generator that raised."""

    failure: Failure


class Going:
    """The channel in which a generator goes."""

    def __init__(self, channels: Channels) -> None:
        self.channels = ref(channels)
        self.number = 0
        self.begun = False

    def drawn(self, value: AnyGenerator) -> Iterator[object]:
        """What the generator yields, for this channel alone."""
        if _going.get(value) is not self:
            raise _elsewhere(value)
        self.begun = True
        yield from played(value)


_going: WeakKeyDictionary[AnyGenerator, Going] = WeakKeyDictionary()
_come: WeakKeyDictionary[arrivals.Arrivals, WeakValueDictionary[int, AnyGenerator]] = WeakKeyDictionary()


def reduce_generator(value: AnyGenerator, pickler: Pickler) -> Any:
    """Its remaining items in a channel; the same channel wherever it occurs in this stream."""
    if inspect.getgeneratorstate(value) == inspect.GEN_CLOSED:
        return rebuild_finished, (value.__name__, value.__qualname__)
    going = _going.get(value)
    if going is None or going.channels() is not pickler.channels:
        going = _begin(value, pickler.channels, going)
    return rebuild_generator, (going.number, value.__name__, value.__qualname__)


def _begin(value: AnyGenerator, channels: Channels, before: Going | None) -> Going:
    if inspect.getgeneratorstate(value) == inspect.GEN_RUNNING:
        raise SerializationError(f"the generator {value.__qualname__} is running: it cannot be written from inside")
    if before is not None and before.begun and before.channels() is not None:
        raise _elsewhere(value)
    going = _going[value] = Going(channels)
    going.number = channels.items(going.drawn(value))
    return going


def _elsewhere(value: AnyGenerator) -> SerializationError:
    return SerializationError(f"the generator {value.__qualname__} is being written to another stream")


def played(iterator: Any) -> Iterator[object]:
    """What an iterator yields, then how it ends. It is not closed when nobody wants the rest."""
    while True:
        try:
            item = next(iterator)
        except StopIteration as end:
            yield Returned(end.value)
            return
        except Exception as error:  # noqa: BLE001 - whatever the generator raises is its end
            from raisin_core.failures import Failure

            own = error.__traceback__  # of this very function; what follows is the generator's
            yield Raised(Failure.of(error.with_traceback(own and own.tb_next)))
            return
        yield item


def refuse(value: Any, pickler: Pickler) -> Any:
    """Coroutines belong to their event loop."""
    if isinstance(value, types.AsyncGeneratorType):
        tip = "collect it in its event loop: [each async for each in it]"
    else:
        tip = "await it in its event loop, or pass the function and its arguments"
    raise SerializationError(f"{type(value).__name__} {value.__qualname__} belongs to an event loop; {tip}")


# The reading side


def rebuild_generator(number: int, name: str, qualname: str) -> AnyGenerator:
    """A generator of the items in this channel."""
    here = arrivals.current()
    known = _come.setdefault(here, WeakValueDictionary())
    found = known.get(number)
    if found is None:
        found = known[number] = _named(_items(here.items(number)), name, qualname)
    return found


def rebuild_finished(name: str, qualname: str) -> AnyGenerator:
    """A generator that has nothing left."""
    generator = _named(_items(iter([Returned(None)])), name, qualname)
    next(generator, None)
    return generator


def _items(items: Iterator[object]) -> Generator[object, object, object]:
    for item in items:
        if type(item) in (Returned, Raised):
            for _ in items:  # which also looks whether the stream ends as it should
                raise Tampered("this stream was damaged: a generator goes on after its end")
        if type(item) is Returned:
            return item.value
        if type(item) is Raised:
            raise item.failure.error("In a generator, where it was written:")
        if (yield item) is not None:
            raise SerializationError("a generator that came with a stream can be iterated, but takes no values by send")
    raise Truncated("the stream ends before the generator in it")


def _named(generator: Any, name: str, qualname: str) -> AnyGenerator:
    generator.__name__, generator.__qualname__ = name, qualname
    named: AnyGenerator = generator
    return named


REDUCERS: Final[dict[type, Reducer]] = {
    types.GeneratorType: reduce_generator,
    types.CoroutineType: refuse,
    types.AsyncGeneratorType: refuse,
}
