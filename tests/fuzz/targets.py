"""What is fed with damaged bytes, what it is made of when it is not damaged, and what it may do then."""

from __future__ import annotations

import datetime
import decimal
import fractions
import functools
import io
import pathlib
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final, NamedTuple

import raisin
from raisin_core.serialization import sealed, values
from raisin_core.serialization.streams import text
from tests.fuzz import machines
from tests.fuzz.framing import misframed, reframed
from tests.fuzz.mutations import damaged, repaired

PASSWORD: Final = "swordfish"
sealed._derive = functools.lru_cache(maxsize=1000)(sealed._derive)  # type: ignore[assignment]  # a fifth of a second each


class Target(NamedTuple):
    """`read` gets a mutation of one of `samples`. It may raise what raisin raises about bytes, and what else is in
    `raises`; what it returns is given to `right`, with the bytes it came from."""

    samples: Callable[[], list[bytes]]
    mutate: Callable[[bytes, Random], bytes]
    read: Callable[[bytes], object]
    right: Callable[[object, bytes], bool]
    raises: tuple[type[Exception], ...] = ()


def plain() -> list[Any]:
    """Values of all kinds."""
    shared = [1]
    return [
        *(
            None,
            True,
            0,
            -1,
            1 << 40,
            1 << 200,
            1.5,
            float("nan"),
            -0.0,
            2j,
            "text",
            "\ud800",
            b"bytes",
            bytearray(b"x"),
        ),
        *(
            [1, [2, [3]]],
            (1, (2,)),
            {1: "a", "b": [None]},
            {1, 2},
            frozenset("ab"),
            range(1, 9, 2),
            slice(1, None),
            ...,
        ),
        *(shared, [shared, shared], {"a": shared, (1, 2): shared}, OrderedDict(a=1), deque([1, 2], 3)),
        datetime.datetime(2026, 1, 2, 3, 4, 5, 6, datetime.timezone.utc),
        *(datetime.date(2026, 1, 2), datetime.time(1, 2), datetime.timedelta(3, 4)),
        *(decimal.Decimal("1.50"), fractions.Fraction(1, 3), uuid.UUID(int=7), pathlib.PurePosixPath("a/b")),
        [{"id": at, "tags": ["a", "b"], "at": {"x": at * 0.5}} for at in range(20)],
        list(range(3000)),
        *_arrays(),
    ]


def _arrays() -> Iterator[Any]:
    try:
        import numpy
    except ImportError:
        return
    yield numpy.arange(10)
    yield numpy.zeros((3, 4), dtype=[("a", "<i4"), ("b", "<f8", (2,))])
    yield numpy.arange(20000, dtype="float64").reshape(100, 200)
    yield numpy.datetime64("2026-01-02")
    try:
        import pandas
        import pyarrow  # noqa: F401
    except ImportError:
        return
    yield pandas.DataFrame({"a": [1, 2], "b": ["x", None]}, index=["p", "q"])


def _items() -> Iterator[object]:
    yield 1
    yield [2, {"a": 3}]
    yield from range(100)


def _streams(**options: Any) -> list[bytes]:
    return [b"".join(raisin.serialize(value, **options)) for value in plain()]


def _from_file(data: bytes) -> object:
    file = io.BytesIO(data)
    found = raisin.load(file, trust="values")
    return [found, raisin.load(file, trust="values")] if file.tell() < len(data) else found


def anything(found: object, data: bytes) -> bool:
    """Nobody can say what damaged bytes without a check mean; they must only not harm."""
    return True


def nothing(found: object, data: bytes) -> bool:
    """What was sealed and is not as it was must not be read."""
    return False


def seeded(data: bytes, rng: Random) -> bytes:
    """Another case of a machine."""
    return rng.randbytes(8)


def _all(data: bytes) -> object:
    found = raisin.deserialize(data, password=PASSWORD)
    return list(found) if hasattr(found, "__next__") else found


SEALED: Final[list[Any]] = [[1, 2], {"a": {1}}, list(range(9999)), "text"]


def same(found: object, data: bytes) -> bool:
    """The text around what was sealed has bits without a meaning; whatever is read must be what was written."""
    return found in SEALED


class Several:
    """Generators and files, in the items of a generator, too."""

    def __init__(self, depth: int = 1) -> None:
        self.numbers = iter(_items())
        self.inner = [each for each in (_runs(), _items()) if depth]
        self.file = io.BytesIO(b"content" * 20000)
        self.path = pathlib.Path(__file__).with_name("__init__.py")
        self.more = (Several(depth - 1) for _ in range(2)) if depth else None
        self.large = [bytes(100_000), print]


def _runs() -> Iterator[object]:
    yield from range(3000)
    yield from ("x" * 100,) * 200


MOST: Final = 3000  # items that are read of one generator


def _read_all(data: bytes) -> object:
    """Everything that is in a stream, as far as it goes, the generators in turns; what its temporary files were."""
    waiting = [raisin.deserialize(data)]
    seen = 0
    while waiting and seen < MOST:
        each = waiting.pop(seen % len(waiting))
        seen += 1
        if isinstance(each, Several):
            waiting += [each.numbers, each.more, *each.inner, each.file]
            each.path.read_bytes()
        elif isinstance(each, io.BytesIO):
            each.read()
        elif hasattr(each, "__next__"):
            found = next(each, waiting)
            waiting += [] if found is waiting else [each, found]
    return None


def _reframed(data: bytes) -> object:
    found = raisin.deserialize(data)
    return [list(found.numbers), [list(each) for each in found.inner], found.file.read(), found.large[0]]


@functools.lru_cache(maxsize=1)
def _expected() -> list[Any]:
    again = Several()
    return [list(again.numbers), [list(each) for each in again.inner], again.file.read(), again.large[0]]


def _lazy() -> list[bytes]:
    return [b"".join(raisin.serialize(each, compresslevel=0)) for each in (Several(), Several(0), _items(), [_runs()])]


TARGETS: Final = {
    "values": Target(lambda: [values.encode(each) for each in plain()], damaged, values.decode, anything),
    "streams": Target(
        lambda: _streams(compresslevel=0) + _streams(compresslevel=6),
        lambda data, rng: repaired(damaged(data, rng)) if rng.random() < 0.8 else damaged(data, rng),
        lambda data: raisin.deserialize(data, trust="values"),
        anything,
    ),
    "files": Target(
        lambda: [data * 2 for data in _streams(compresslevel=1) if data.startswith(b"</>raisin")],
        damaged,
        _from_file,
        anything,
    ),
    "texts": Target(
        lambda: ["".join(text.written([data])).encode() for data in _streams()],
        damaged,
        lambda data: raisin.loads(data, trust="values"),
        anything,
    ),
    "sealed": Target(
        lambda: [
            b"".join(raisin.serialize(each, password=PASSWORD)) for each in ([1, 2], {"a": {1}}, list(range(9999)))
        ],
        damaged,
        _all,
        nothing,
    ),
    "sealed items": Target(
        lambda: [b"".join(raisin.serialize(_items(), password=PASSWORD))],
        damaged,
        _all,
        nothing,
    ),
    "sealed texts": Target(
        lambda: [raisin.dumps(each, password=PASSWORD).encode() for each in SEALED],
        damaged,
        _all,
        same,
    ),
    "frames": Target(_lazy, misframed, _read_all, anything, (Exception,)),
    "values in frames": Target(
        lambda: _lazy() + [data for data in _streams(compresslevel=0) if data.startswith(b"</>raisin")],
        misframed,
        lambda data: raisin.deserialize(data, trust="values"),
        anything,
    ),
    "other frames": Target(
        lambda: [b"".join(raisin.serialize(Several(), compresslevel=each)) for each in (0, 1)],
        reframed,
        _reframed,
        lambda found, data: found == _expected(),
    ),
    "headers": Target(machines.headers, damaged, machines.decoded, machines.sound),
    "bundles": Target(
        machines.bundles,
        damaged,
        machines.unbundled,
        machines.all_sound,
    ),
    "broker": Target(lambda: [b"seed"], seeded, machines.broker, anything),
    "worker": Target(lambda: [b"seed"], seeded, machines.worker, anything),
    "client": Target(lambda: [b"seed"], seeded, machines.client, anything),
}
