"""Buffers, iterators and names of paths; see `matrix`. Files and generators are in `test_files_streams`."""

from __future__ import annotations

import functools
import io
import itertools
import operator
import pathlib
from collections import OrderedDict, deque

from matrix import Case  # type: ignore[import-not-found]

ITERATORS = {
    "list": lambda: iter([1, 2, 3]),
    "range": lambda: iter(range(2, 20, 5)),
    "long range": lambda: iter(range(10**30, 10**30 + 3)),
    "str": lambda: iter("aü€"),
    "ascii": lambda: iter("abc"),
    "bytes": lambda: iter(b"abc"),
    "dict": lambda: iter({1: 2, 3: 4}),
    "ordered": lambda: iter(OrderedDict([(1, 2), (3, 4)]).items()),
    "set": lambda: iter({1, 2, 3}),
    "deque": lambda: iter(deque([1, 2, 3])),
    "reversed deque": lambda: reversed(deque([1, 2, 3])),
    "reversed list": lambda: reversed([1, 2, 3]),
    "reversed range": lambda: reversed(range(4)),
    "map": lambda: map(operator.add, [1, 2, 3], iter([4, 5])),
    "zip": lambda: zip("ab", [1, 2], strict=True),
    "filter": lambda: filter(None, [1, 0, 2]),
    "enumerate": lambda: enumerate("abc", 5),
    "count": lambda: itertools.islice(itertools.count(2**63 - 2), 5),
    "cycle": lambda: itertools.islice(itertools.cycle("abc"), 9),
    "repeat": lambda: itertools.repeat("a", 3),
    "chain": lambda: itertools.chain([1, 2], "ab"),
    "islice": lambda: itertools.islice(range(20), 2, 12, 3),
    "takewhile": lambda: itertools.takewhile(bool, [2, 4, 0, 6]),
    "dropwhile": lambda: itertools.dropwhile(bool, [2, 0, 0, 6]),
    "accumulate": lambda: itertools.accumulate([1, 2, 3], operator.mul, initial=10),
    "groupby": lambda: map(operator.itemgetter(0), itertools.groupby("aab")),
    "product": lambda: itertools.product("ab", [1, 2], repeat=2),
    "permutations": lambda: itertools.permutations("abc", 2),
    "combinations": lambda: itertools.combinations("abcd", 2),
    "multisets": lambda: itertools.combinations_with_replacement("abc", 2),
    "starmap": lambda: itertools.starmap(pow, [(2, 3), (3, 2)]),
    "compress": lambda: itertools.compress("abcd", [1, 0, 1, 1]),
    "filterfalse": lambda: itertools.filterfalse(None, [0, 1, 0]),
    "zip_longest": lambda: itertools.zip_longest("abc", [1], fillvalue="-"),
    "tee": lambda: itertools.tee("abcd")[1],
}


def after(make, count):
    iterator = make()
    for _ in range(count):
        next(iterator, None)
    return functools.partial(list, iterator)


def buffers():
    data, text = io.BytesIO(b"a\nb\n"), io.StringIO("a\r\nb\r\nc", newline=None)
    data.seek(2)
    text.readline()
    return [data.read, text.read, io.TextIOWrapper(io.BytesIO("aü\r\nb".encode("utf-16")), "utf-16", newline="").read]


CASES = [
    *(Case(f"{kind}, {n} seen", after(make, n)) for kind, make in ITERATORS.items() for n in range(5)),
    *(Case(f"buffer {n}", read) for n, read in enumerate(buffers())),
    Case("path of Windows", functools.partial(repr, pathlib.PureWindowsPath(r"C:\data\a.csv"))),
    Case("path of POSIX", functools.partial(repr, pathlib.PurePosixPath("/data/a.csv"))),
]
