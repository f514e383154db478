"""The codec of result pages for readers who do not trust whoever wrote them: values, and no pickle at its outside.

A page is the byte `FORMAT` and one value: `[start, wall, cpu, rss, texts, failures, classes, segments]`. Times are
little-endian doubles, texts UTF-8. `classes` says which of the job's own classes numbers in values stand for, by name
and fields: the reader finds them in a table of its own, which another version of the program may have made. A failure
is `[traceback, type, text, pickle, type, text, pickle, ...]`, from the exception to its first cause. A segment is
`[kind, content]`: a run of plain values as one list (atoms and flat tuples may be JSON), or a value by itself, so that
no two tasks share what can change. What is no value is a marked pickle, `[kind, content, type, place]`, which says the
first part that is none and the way to it. Contents above `pages.BLOB` bytes travel as blobs; their digests stand in
their place.

Rules of this file: the standard library and cloudpickle only; no I/O. What is read is anybody's: everything is checked
before it is used, nothing is unpickled but what is accepted, and what is wrong is a ValueError.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, Final

from raisin_core import pages
from raisin_core.errors import InstallationError, StreamError
from raisin_core.failures import MAX_CHAIN, MAX_NAME, MAX_PICKLE, MAX_TEXT, Failure, Link
from raisin_core.marked import NOTHING, Accept, Untrusted, name_of
from raisin_core.pages import Fetch, Outcomes, Written
from raisin_core.serialization import objects, values
from raisin_core.serialization.values import Limits, NotAValue, plain
from raisin_core.serialization.values.encode import FORMS, GENERAL
from raisin_core.texts import plain as one_line

FORMAT: Final = b"\1"  # a pickle begins with another byte

MAX_CLASS: Final = 2000  # characters of a class's name and fields
MAX_PRINTED: Final = 1 << 18  # bytes of what one task printed
MOST: Final = 1 << 62

_RUN, _VALUE, _OPAQUE, _JSON, _BLOB = 0, 1, 2, 3, 4
_PARTS: Final = {_RUN: 2, _JSON: 2, _VALUE: 2, _VALUE | _BLOB: 2, _OPAQUE: 4, _OPAQUE | _BLOB: 4}  # of each kind
_DIGEST: Final = 32
_json: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))
_HEAD: Final = Limits(depth=8, count=1 << 19)
_TYPES: Final = (int, bytes, bytes, int, dict, dict, list, list)


def encode_outcomes(outcomes: Outcomes, classes: Sequence[type] = ()) -> Written:
    """Encode a result page; a value that cannot travel becomes the failure of its own task.

    `classes` are the job's own enums, namedtuples and dataclasses.
    """
    items = outcomes.items
    failures = {at: item for at, item in enumerate(items) if type(item) is Failure}
    segments = _Segments(classes, outcomes.start, failures)
    segments.add([None if at in failures else item for at, item in enumerate(items)] if failures else items)
    told = {at: _told(failure) for at, failure in failures.items()}
    texts = {index: _bytes(text) for index, text in outcomes.text.items()}
    times = _little(outcomes.wall).tobytes(), _little(outcomes.cpu).tobytes()
    about = [outcomes.start, *times, outcomes.rss, texts, told, segments.names(), segments.made]
    page = pages.pack(FORMAT + values.encode(about), segments.blobs)
    return Written(page, segments.opaque, sorted(outcomes.start + at for at in told))


class _Segments:
    """The segments of a page as they are made, and the blobs that they need."""

    def __init__(self, classes: Sequence[type], first: int, failures: dict[int, Failure]) -> None:
        self.made: list[list[Any]] = []
        self.blobs: dict[bytes, bytes] = {}
        self.opaque = False
        self._own = False  # whether there may be objects of the job's own classes
        self._classes, self._first, self._failures = classes, first, failures

    def names(self) -> list[bytes]:
        """What the numbers of classes stand for, where there are any."""
        return [_bytes(described(kind)) for kind in self._classes] if self._own else []

    def add(self, items: Sequence[Any]) -> None:
        for atomic, group in pages.groups(items):
            if atomic:
                self.made.append(_run(group))
            elif not self._as_run([item for _, item in group]):
                for at, item in group:
                    self._one(at, item)

    def _as_run(self, items: list[Any]) -> bool:
        """Several plain values at once, if nothing is shared and none is worth a blob of its own."""
        try:
            if len(items) == 1 or plain.form(items, whole=True) is None:
                return False
            data = values.encode(items)
        except Exception:  # noqa: BLE001 - such as a dict that another thread changes; find out which one it is
            return False
        if len(data) > pages.BLOB:
            return False
        self.made.append([_RUN, data])
        return True

    def _one(self, at: int, item: Any) -> None:
        try:
            data = values.encode(item, classes=self._classes)
        except NotAValue as why:
            self._marked(at, item, why.kind, why.place)
        except Exception:  # noqa: BLE001 - such as a dict that another thread changes
            self._marked(at, item, type(item), "")
        else:
            self._own = self._own or data[:1] >= GENERAL
            self._put(_VALUE, data)

    def _marked(self, at: int, item: Any, kind: type, place: str) -> None:
        """What is no value, as a pickle."""
        try:
            data = objects.dumps(item, f"result of task {self._first + at}")
            mark = [_bytes(one_line(name, MAX_NAME)) for name in (name_of(kind), place)]
        except Exception as error:  # noqa: BLE001 - its own code may raise anything
            self._failures[at] = Failure.of(error)
            self.made.append([_RUN, values.encode([None])])
            return
        self.opaque = True
        self._put(_OPAQUE, data, *mark)

    def _put(self, kind: int, data: bytes, *mark: bytes) -> None:
        if len(data) > pages.BLOB:
            digest = hashlib.sha256(data).digest()
            self.blobs[digest] = data
            kind, data = kind | _BLOB, digest
        self.made.append([kind, data, *mark])


def _run(items: list[Any]) -> list[Any]:
    """Atoms and flat tuples of these, as one list; what is shared is not looked for, since it cannot change."""
    try:
        if plain.msgspec is None:  # then the standard library's is the fastest
            return [_JSON, _json.encode(items).encode()]
        return [_RUN, FORMS[0b110 if tuple in set(map(type, items)) else 0b10] + plain.pack(items)]
    except (TypeError, ValueError, OverflowError):  # complex numbers, bytes, NaN, lone surrogates, long integers
        return [_RUN, values.encode(items)]


def described(kind: type) -> str:
    """A class of the job's own, told apart from others of its name and from itself with other fields."""
    fields: Any = getattr(kind, "__dataclass_fields__", None) or getattr(kind, "_fields", ())
    return f"{name_of(kind)}({', '.join(map(str, fields))})"[:MAX_CLASS]


class Unknown:
    """In the place of a class that is not among the reader's own."""


def _told(failure: Failure) -> list[bytes]:
    links = [(_bytes(one_line(link.type, MAX_NAME)), _bytes(link.text), link.data) for link in failure.chain]
    return [_bytes(failure.traceback), *(part for link in links for part in link)]


def decode_outcomes(payload: bytes, fetch: Fetch, classes: Sequence[type] = (), accept: Accept = NOTHING) -> Outcomes:
    """The result page again, with `Untrusted` in the place of what was not accepted.

    A value that cannot be rebuilt here (NumPy is missing, its class is none of `classes`) becomes the failure of its
    own task. A page of `pages.encode_outcomes` is read where everything is accepted. Raises ValueError for what is no
    such page, and whatever `fetch` raises.
    """
    data = pages.unpack(payload, fetch)
    if data[:1] != FORMAT:
        if not accept.everything:
            raise ValueError("the page is a pickle, and pickles of this host are not loaded")
        return pages.read_outcomes(data, fetch)
    about = values.decode(memoryview(data)[1:], limits=_HEAD)
    if type(about) is not list or tuple(map(type, about)) != _TYPES:
        raise ValueError("no page of results")
    start, wall, cpu, rss, texts, told, names, segments = about
    items: list[Any] = []
    for some in _items(segments, fetch, _Table(names, classes), accept):
        items += some
        if len(items) > pages.TASKS:
            raise ValueError(f"a page of more than {pages.TASKS} results")
    if not (0 <= start <= MOST and 0 <= rss <= MOST):
        raise ValueError("a number that cannot be")
    for at, parts in told.items():
        items[_within(at, 0, len(items))] = _failure(parts)
    printed = {_within(index, start, start + len(items)): _text(text, MAX_PRINTED) for index, text in texts.items()}
    return Outcomes(start, items, _times(wall, len(items)), _times(cpu, len(items)), rss, printed)


def _items(segments: list[Any], fetch: Fetch, table: _Table, accept: Accept) -> Iterator[list[Any]]:
    for segment in segments:
        kind, content, *mark = _checked(segment)
        if kind in (_RUN, _JSON):
            run = values.decode(content) if kind == _RUN else _from_json(content)
            if type(run) is not list:
                raise ValueError("no run of values")
            yield run
        elif mark:
            name, place = (one_line(_text(part, 4 * MAX_NAME), MAX_NAME) for part in mark)
            found = Untrusted(name, place, content, bool(kind & _BLOB))
            yield [found.load(fetch) if accept.takes(name) else found]
        else:
            yield [table.value(fetch(content) if kind & _BLOB else content)]


def _from_json(text: bytes) -> Any:
    """Atoms and flat tuples. Raises ValueError."""
    try:
        found = json.loads(text.decode())
    except RecursionError as error:
        raise ValueError("no run of values: it is too deep") from error
    if type(found) is list and list in set(map(type, found)):
        return [tuple(each) if type(each) is list else each for each in found]
    return found


def _checked(segment: Any) -> Any:
    if type(segment) is not list or not segment or type(segment[0]) is not int:
        raise ValueError("no segment")
    kind = segment[0]
    if _PARTS.get(kind) != len(segment) or any(type(part) is not bytes for part in segment[1:]):
        raise ValueError(f"no segment of kind {kind}")
    if kind & _BLOB and len(segment[1]) != _DIGEST:
        raise ValueError("a blob that has no name")
    return segment


class _Table:
    """The reader's own classes, by the numbers of a page. Raises ValueError."""

    def __init__(self, names: list[Any], classes: Sequence[type]) -> None:
        own = {described(kind): kind for kind in classes} if names else {}
        said = [_text(name, 4 * MAX_CLASS) for name in names]
        self._classes = [own.get(name, Unknown) for name in said]
        self._unknown = [one_line(name) for name in said if name not in own]

    def value(self, data: bytes) -> Any:
        """A value, or why it cannot be made here."""
        try:
            return values.decode(data, classes=self._classes)
        except InstallationError as error:
            return Failure.of(error)
        except StreamError as error:
            if not self._unknown:
                return Failure.of(error)
            return Failure.of(StreamError(f"it is of a class that is not known here: {', '.join(self._unknown[:3])}"))


def _within(number: Any, start: int, stop: int) -> int:
    if type(number) is not int or not start <= number < stop:
        raise ValueError("something of a task that is not in the page")
    return number


def _failure(parts: Any) -> Failure:
    """A failure as it was told. Raises ValueError."""
    if type(parts) is not list or len(parts) % 3 != 1 or not 1 <= len(parts) // 3 <= MAX_CHAIN:
        raise ValueError("no chain of exceptions")
    if any(type(data) is not bytes or len(data) > MAX_PICKLE for data in parts[3::3]):
        raise ValueError("no exception")
    links = zip(parts[3::3], parts[1::3], parts[2::3])
    chain = tuple(Link(data, _text(name, 4 * MAX_NAME), _text(text, 5 * MAX_TEXT)) for data, name, text in links)
    return Failure(chain, _text(parts[0], 5 * MAX_TEXT))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(data: Any, most: int) -> str:
    if type(data) is not bytes or len(data) > most:
        raise ValueError("no text, or too long")
    return data.decode("utf-8", "surrogatepass")  # UnicodeDecodeError is a ValueError


def _times(data: bytes, count: int) -> array[float]:
    """Seconds: one mean for all, or each task's own. Raises ValueError."""
    found = array("d")
    found.frombytes(data)
    found = _little(found)
    if len(found) not in (1, count) or not (min(found, default=0.0) >= 0 and math.isfinite(sum(found))):
        raise ValueError("times that cannot be")
    return found


def _little(times: array[float]) -> array[float]:
    if sys.byteorder == "little":
        return times
    turned = array("d", times)
    turned.byteswap()
    return turned
