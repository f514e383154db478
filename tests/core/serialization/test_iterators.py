"""Iterators of the standard library: their state travels, and the original goes on."""

import collections
import itertools
import operator
import pickle
import sys
import threading
import warnings

import pytest

from raisin_core.errors import SerializationError
from raisin_core.serialization.families import iterators
from tests.core.serialization.channels import Arrived, Sent, travel


def latest(before, item):
    return item


def even(n):
    return n % 2 == 0


BUILTIN = {
    "list": lambda: iter([1, 2, 3]),
    "tuple": lambda: iter((1, 2, 3)),
    "range": lambda: iter(range(2, 20, 5)),
    "long range": lambda: iter(range(10**30, 10**30 + 3)),
    "str": lambda: iter("aü€"),
    "ascii": lambda: iter("abc"),
    "bytes": lambda: iter(b"abc"),
    "bytearray": lambda: iter(bytearray(b"abc")),
    "dict": lambda: iter({1: 2, 3: 4, 5: 6}),
    "values": lambda: iter({1: 2, 3: 4}.values()),
    "items": lambda: iter({1: 2, 3: 4}.items()),
    "reversed dict": lambda: reversed({1: 2, 3: 4}),
    "ordered": lambda: iter(collections.OrderedDict([(1, 2), (3, 4)])),
    "set": lambda: iter({1, 2, 3}),
    "frozenset": lambda: iter(frozenset((1, 2, 3))),
    "deque": lambda: iter(collections.deque([1, 2, 3])),
    "reversed deque": lambda: reversed(collections.deque([1, 2, 3])),
    "reversed list": lambda: reversed([1, 2, 3]),
    "reversed range": lambda: reversed(range(4)),
    "reversed tuple": lambda: reversed((1, 2, 3)),
    "callable": lambda: iter(iter([1, 2, 3]).__next__, 3),
    "map": lambda: map(operator.add, [1, 2, 3], iter([4, 5])),
    "zip": lambda: zip("abc", [1, 2, 3]),
    "strict zip": lambda: zip("ab", [1, 2], strict=True),
    "filter": lambda: filter(even, [1, 2, 3, 4]),
    "enumerate": lambda: enumerate("abc", 5),
    "large enumerate": lambda: enumerate("abc", 2**70),
}
ITERTOOLS = {
    "count": lambda: itertools.islice(itertools.count(5), 9),
    "float count": lambda: itertools.islice(itertools.count(0.5, 0.1), 9),
    "large count": lambda: itertools.islice(itertools.count(2**63 - 2), 5),
    "cycle": lambda: itertools.islice(itertools.cycle("abc"), 9),
    "repeat": lambda: itertools.repeat("a", 3),
    "endless repeat": lambda: itertools.islice(itertools.repeat("a"), 5),
    "chain": lambda: itertools.chain([1, 2], "ab", range(2)),
    "from iterable": lambda: itertools.chain.from_iterable([[1, 2], [], [3]]),
    "islice": lambda: itertools.islice(range(20), 2, 12, 3),
    "open islice": lambda: itertools.islice(range(6), 2, None),
    "takewhile": lambda: itertools.takewhile(even, [2, 4, 5, 6]),
    "dropwhile": lambda: itertools.dropwhile(even, [2, 4, 5, 6]),
    "accumulate": lambda: itertools.accumulate([1, 2, 3, 4]),
    "product sums": lambda: itertools.accumulate([1, 2, 3], operator.mul, initial=10),
    "none sums": lambda: itertools.accumulate([None, 1, 2], latest),
    "product": lambda: itertools.product("ab", [1, 2], repeat=2),
    "no product": lambda: itertools.product("ab", []),
    "permutations": lambda: itertools.permutations("abc", 2),
    "combinations": lambda: itertools.combinations("abcd", 2),
    "multisets": lambda: itertools.combinations_with_replacement("abc", 2),
    "starmap": lambda: itertools.starmap(pow, [(2, 3), (3, 2)]),
    "compress": lambda: itertools.compress("abcd", [1, 0, 1, 1]),
    "filterfalse": lambda: itertools.filterfalse(even, range(6)),
    "zip_longest": lambda: itertools.zip_longest("abc", [1], iter(()), fillvalue="-"),
    "tee": lambda: itertools.tee("abcd")[1],
}
REMAINING = {"pairwise": lambda: itertools.pairwise("abcd"), "memoryview": lambda: iter(memoryview(b"abcd"))}
if sys.version_info >= (3, 12):
    REMAINING["batched"] = lambda: itertools.batched("abcdefg", 3)


def after(make, count):
    iterator = make()
    for _ in range(count):
        next(iterator, None)
    return iterator


@pytest.mark.parametrize("kind", [*BUILTIN, *ITERTOOLS])
def test_state_travels_at_every_stage(kind):
    make = {**BUILTIN, **ITERTOOLS}[kind]
    for count in range(len(list(make())) + 2):
        original = after(make, count)
        sent = Sent()
        data = sent.dumps(original)
        assert not sent.iterators, "it was consumed"
        copy = pickle.loads(data)
        expected = list(after(make, count))
        assert (list(copy), list(original)) == (expected, expected), count
        assert list(copy) == []


@pytest.mark.parametrize(
    "kind",
    [*sorted(set(ITERTOOLS) - {"none sums"}), "map", "zip", "filter", "enumerate", "reversed tuple", "list", "range"],
)
def test_the_type_stays(kind, tmp_path):
    original = after({**BUILTIN, **ITERTOOLS}[kind], 1)
    assert type(travel(original, tmp_path)) is type(original)


@pytest.mark.parametrize("kind", [*REMAINING])
def test_others_give_what_they_still_have(kind, tmp_path):
    for count in range(5):
        original = after(REMAINING[kind], count)
        assert list(travel(original, tmp_path)) == list(after(REMAINING[kind], count))
        assert list(original) == []


def test_the_same_remainder_is_one(tmp_path):
    pairs = itertools.pairwise("abcde")
    one, two = travel([pairs, zip(pairs, "xy")], tmp_path)
    assert next(one) == ("a", "b")
    assert next(two) == (("b", "c"), "x")

    def sharing():
        yield shared
        yield shared

    shared = itertools.pairwise("abc")
    first, second = travel(sharing(), tmp_path)
    assert first is second


def test_what_they_share_stays_shared(tmp_path):
    below = iter(range(10))
    pairs, copy = travel((zip(below, below), below), tmp_path)
    assert next(pairs) == (0, 1)
    assert next(copy) == 2
    one, two = itertools.tee(iter(range(5)))
    next(one)
    one, two = travel((one, two), tmp_path)
    assert (list(one), list(two)) == ([1, 2, 3, 4], [0, 1, 2, 3, 4])


def test_a_list_and_its_iterator(tmp_path):
    items = [1, 2]
    items.append(iter(items))
    copy = travel(items, tmp_path)
    assert next(copy[2]) == 1
    copy.insert(1, "new")
    assert next(copy[3]) == "new"


@pytest.mark.parametrize("kind", [list, collections.deque])
@pytest.mark.parametrize("turned", [iter, reversed])
def test_inside_of_its_own_list_it_is_refused_once_it_has_begun(turned, kind, tmp_path):
    items = kind([1, 2, [], 3])
    each = turned(items)
    items[2].append(each)
    next(each)
    with pytest.raises(SerializationError, match="inside of the list"):
        travel(items, tmp_path)


def test_of_a_list_that_became_shorter(tmp_path):
    items = [1, 2, 3]
    iterator = after(lambda: iter(items), 2)
    items.clear()
    assert list(travel(iterator, tmp_path)) == list(iterator) == []


def test_groups(tmp_path):
    groups = itertools.groupby([1, 1, 2, 2, 2, 3])
    key, group = next(groups)
    next(group)
    groups, group = travel((groups, group), tmp_path)
    assert (key, list(group)) == (1, [1])
    assert [(key, list(group)) for key, group in groups] == [(2, [2, 2, 2]), (3, [3])]


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_over_generators_and_files(tmp_path):
    (path := tmp_path / "lines").write_text("a\nb\nc\n")
    with open(path) as file:
        next(file)
        copy = travel(zip(map(str.strip, file), (n for n in range(5))), tmp_path / "there")
        assert list(copy) == [("b", 0), ("c", 1)]
    files = list((tmp_path / "there").rglob("lines"))
    assert len(files) == 1


def test_a_strict_zip_stays_strict(tmp_path):
    copy = travel(after(lambda: zip("ab", [1], strict=True), 1), tmp_path)
    with pytest.raises(ValueError, match="zip"):
        next(copy)


def test_warnings_are_neither_shown_nor_lost():
    """Itertools' own warning is silent whatever the filters say; the user's filters stay as they are."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        copy = pickle.loads(Sent().dumps(after(ITERTOOLS["cycle"], 1)))
        assert list(copy)
        assert [str(each.message) for each in seen] == []
        warnings.warn("mine", DeprecationWarning, stacklevel=1)
        assert len(seen) == 1
        before = list(warnings.filters)
        Sent().dumps(itertools.repeat(1))
        assert warnings.filters == before


@pytest.mark.skipif(not (3, 12) <= sys.version_info < (3, 14), reason="the warning is of 3.12 and 3.13")
def test_users_are_still_warned():
    Sent().dumps(itertools.repeat(1))
    with pytest.warns(DeprecationWarning, match="itertools"):
        itertools.repeat(1).__reduce__()


def test_in_many_threads(tmp_path):
    failed = []

    def work():
        try:
            for _ in range(200):
                with_state = after(lambda: itertools.cycle("ab"), 1)
                assert next(pickle.loads(Sent().dumps(with_state))) == "b"
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_state_that_cannot_be_set_is_an_error():
    with pytest.raises(TypeError, match="cannot set the state"):
        iterators.set_state(object(), 1)


def test_endless_ones_are_read_as_far_as_wanted(tmp_path):
    pairs = travel(itertools.pairwise(itertools.count()), tmp_path)
    assert next(pairs) == (0, 1)
    assert isinstance(Arrived(Sent(), tmp_path).loads(Sent().dumps(itertools.count(3))), itertools.count)
