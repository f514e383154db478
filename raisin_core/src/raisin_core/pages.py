"""The page codec: consecutive tasks' arguments, or results, encoded together.

A page is a pickled list of segments. A run of plain atoms is one segment and costs a fraction of a microsecond per
task; any other value is a segment of its own, so that one that cannot be rebuilt harms no other task; a value above
`BLOB` bytes is left out, travels as a blob, and its digest stands in its place. A page that is large as a whole
becomes a blob, too. Sources of modules that values need stand first, each once.

Rules of this file: the standard library and cloudpickle only; no I/O: whoever calls `load` says where blobs are.
"""

from __future__ import annotations

import hashlib
import pickle
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from raisin_core.failures import Failure
from raisin_core.serialization import objects

TASKS: Final = 4096
BYTES: Final = 256 * 1024
BLOB: Final = 256 * 1024
ATOMS: Final = frozenset({int, float, str, bytes, bool, complex, type(None)})

_SIZED: Final = frozenset({str, bytes, tuple})
_RUN, _ONE, _BLOB, _TEXTS = 0, 1, 2, 3
_INLINE, _WHOLE = b"\0", b"\1"
_DIGEST: Final = 32

Fetch = Callable[[bytes], bytes]
Failed = Callable[[int, Exception], None]


class Encoded(NamedTuple):
    """A payload, and the blobs (by SHA-256) that must be where it goes."""

    payload: bytes
    blobs: dict[bytes, bytes]


class Written(NamedTuple):
    """A page of results, whether a value in it is a marked pickle (see plain_pages), and which tasks failed, by
    index."""

    page: Encoded
    opaque: bool
    failed: list[int]


def pack(data: bytes, blobs: dict[bytes, bytes] | None = None) -> Encoded:
    """Bytes as a payload: as they are, or as a blob where they are many."""
    blobs = blobs or {}
    if len(data) <= BLOB * 2:
        return Encoded(_INLINE + data, blobs)
    digest = hashlib.sha256(data).digest()
    return Encoded(_WHOLE + digest, {**blobs, digest: data})


def unpack(payload: bytes, fetch: Fetch) -> bytes:
    """What `pack` was given. Raises ValueError if it is no payload."""
    mark, rest = payload[:1], payload[1:]
    if mark == _INLINE:
        return rest
    if mark == _WHOLE and len(rest) == _DIGEST:
        return fetch(rest)
    raise ValueError(f"a payload that begins with {mark!r}")


def is_pickle(payload: bytes) -> bool:
    """Whether this is surely a payload that `encode` or `encode_outcomes` made."""
    return payload[:2] == _INLINE + b"\x80"


def encode(items: Sequence[Any], name: str = "argument", failed: Failed | None = None, first: int = 0) -> Encoded:
    """Encode values as one page. Raises SerializationError that names the value by its index (counted from `first`);
    with `failed`, says it there instead (by its place in the page) and puts None in the value's place.

    >>> list(decode(encode([1, 2, "three"]).payload, dict().__getitem__))
    [1, 2, 'three']
    """
    blobs: dict[bytes, bytes] = {}
    texts: dict[bytes, str] = {}
    segments: list[tuple[int, Any]] = []
    for atomic, group in groups(items):
        if atomic:
            segments.append((_RUN, group))
            continue
        for index, item in group:
            try:
                data = objects.dumps(item, f"{name} {first + index}", texts=texts)
            except Exception as error:
                if failed is None:
                    raise
                failed(index, error)
                segments.append((_RUN, [None]))
                continue
            if len(data) > BLOB:
                digest = hashlib.sha256(data).digest()
                blobs[digest] = data
                segments.append((_BLOB, digest))
            else:
                segments.append((_ONE, data))
    if texts:
        segments.insert(0, (_TEXTS, texts))
    return pack(pickle.dumps(segments, objects.PROTOCOL), blobs)


def slots(payload: bytes, fetch: Fetch) -> Iterator[Callable[[], Any]]:
    """One callable per value, which rebuilds it: what one of them raises harms no other."""
    for kind, content in pickle.loads(unpack(payload, fetch)):
        if kind == _RUN:
            for atom in content:
                yield partial(_same, atom)
        elif kind == _ONE:
            yield partial(objects.loads, content)
        elif kind == _TEXTS:
            objects.keep(content)
        else:
            yield partial(_load_blob, content, fetch)


def _same(atom: Any) -> Any:
    return atom


def _load_blob(digest: bytes, fetch: Fetch) -> Any:
    return objects.loads(fetch(digest))


def decode(payload: bytes, fetch: Fetch) -> list[Any]:
    """The values of a page. Raises whatever rebuilding one of them raises."""
    segments = pickle.loads(unpack(payload, fetch))
    if len(segments) == 1 and segments[0][0] == _RUN:
        run: list[Any] = segments[0][1]
        return run
    return [slot() for slot in slots(payload, fetch)]


def is_atomic(items: Iterable[Any]) -> bool:
    """Whether all are immutable plain atoms, or flat tuples of such (so that sharing them is harmless)."""
    kinds = set(map(type, items))
    if kinds <= ATOMS:
        return True
    return kinds <= ATOMS | {tuple} and all(set(map(type, item)) <= ATOMS for item in items if type(item) is tuple)


def groups(items: Sequence[Any]) -> Iterator[tuple[bool, Any]]:
    """Consecutive items as `(True, [atoms])` or `(False, [(index, item)])`."""
    if len(items) > 0 and is_run(items):
        yield True, list(items)
        return
    run: list[Any] = []
    others: list[tuple[int, Any]] = []
    for index, item in enumerate(items):
        if is_run((item,)):
            if others:
                yield False, others
                others = []
            run.append(item)
        else:
            if run:
                yield True, run
                run = []
            others.append((index, item))
    if run:
        yield True, run
    if others:
        yield False, others


def is_run(items: Sequence[Any]) -> bool:
    """Whether all are atoms, and none is worth a blob of its own."""
    if not is_atomic(items):
        return False
    sized = set(map(type, items)) & _SIZED
    return not sized or all(len(item) <= 4096 for item in items if type(item) in sized)


class Outcomes(NamedTuple):
    """The results of tasks `[start, start + len(items))`: values, with `Failure` in the place of one that raised.

    `wall` and `cpu` are seconds per task, or one mean for all where tasks are too short to be measured one by one;
    `rss` is the process's peak in bytes; `text` holds what tasks printed, by index.
    """

    start: int
    items: list[Any]
    wall: array[float]
    cpu: array[float]
    rss: int
    text: dict[int, str]

    def timing(self, index: int) -> tuple[float, float]:
        """Wall and CPU seconds of one task."""
        at = index - self.start
        return self.wall[at if len(self.wall) > 1 else 0], self.cpu[at if len(self.cpu) > 1 else 0]

    def moved(self, first: int, start: int, stop: int) -> Outcomes:
        """The results from task `first` on as those of tasks `[start, stop)`, which were answered by them."""
        low = first - self.start
        high = low + stop - start
        wall, cpu = (each[low:high] if len(each) > 1 else each for each in (self.wall, self.cpu))
        text = {index - first + start: told for index, told in self.text.items() if 0 <= index - first < stop - start}
        return Outcomes(start, self.items[low:high], wall, cpu, self.rss, text)


def encode_outcomes(outcomes: Outcomes) -> Encoded:
    """Encode a result page; a value that cannot travel becomes the failure of its own task."""
    failures = {at: item for at, item in enumerate(outcomes.items) if type(item) is Failure}
    items = [None if at in failures else item for at, item in enumerate(outcomes.items)] if failures else outcomes.items

    def failed(at: int, error: Exception) -> None:
        failures[at] = Failure.of(error)

    page = encode(items, "result of task", failed, outcomes.start)
    told = {at: tuple(failure) for at, failure in failures.items()}
    about = (outcomes.start, told, outcomes.wall.tobytes(), outcomes.cpu.tobytes(), outcomes.rss, outcomes.text)
    return pack(pickle.dumps((about, page.payload), objects.PROTOCOL), page.blobs)


def decode_outcomes(payload: bytes, fetch: Fetch) -> Outcomes:
    """The result page again; a value that cannot be rebuilt here becomes the failure of its own task."""
    return read_outcomes(unpack(payload, fetch), fetch)


def read_outcomes(data: bytes, fetch: Fetch) -> Outcomes:
    """A result page that was unpacked."""
    (start, told, wall, cpu, rss, text), page = pickle.loads(data)
    try:
        items = decode(page, fetch)
    except Exception:  # noqa: BLE001 - find out which one it is
        items = [_rebuilt(slot) for slot in slots(page, fetch)]
    if told:
        items = list(items)
        for at, failure in told.items():
            items[at] = Failure(*failure)
    return Outcomes(start, items, array("d", wall), array("d", cpu), rss, text)


def _rebuilt(slot: Callable[[], Any]) -> Any:
    try:
        return slot()
    except Exception as error:  # noqa: BLE001 - the value's own code may raise anything
        return Failure.of(error)
