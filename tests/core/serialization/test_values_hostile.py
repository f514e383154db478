"""Bytes from anybody: nothing is loaded or called, and nothing takes more memory, depth or time than is its due."""

import copyreg
import os
import pickle
import subprocess
import sys
import threading
import tracemalloc
from fractions import Fraction

import pytest

from raisin_core.errors import SerializationError, StreamError
from raisin_core.serialization.values import Limits, NotAValue, base, decode, encode, packing, plain

GENERAL = b"\x80\0\0\0\0"


def general(body):
    return GENERAL + body


def extension(code, content):
    return packing.extension(code, len(content)) + content


class Shout:
    def __reduce__(self):
        return (os.system, ("echo raisin-was-here",))


def _exploits():
    """Published ways of having a pickle run or read what it should not."""
    yield "os.system", pickle.dumps(Shout())
    yield "os.system, protocol 0", b"cos\nsystem\n(S'echo raisin-was-here'\ntR."
    yield "inst", b"(S'echo raisin-was-here'\nios\nsystem\n."
    yield "obj", b"(cos\nsystem\nS'echo raisin-was-here'\no."
    yield "stack global", b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x14echo raisin-was-here\x85R."
    yield "dotted stack global", b"\x80\x04\x8c\x05posix\x8c\x0fsystem.__call__\x93\x8c\x04true\x85R."
    yield "builtins", b"cbuiltins\neval\n(S'1'\ntR."
    yield (
        "numpy _reconstruct",
        (
            b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tS'b'\ntR(K\x01(K\x01tcnumpy\ndtype\n(S'O8'\n"
            b"I0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI63\ntbI00\nS'\\x41\\x41\\x41\\x41\\x41\\x41\\x41\\x41'\ntb."
        ),
    )
    yield "extension 1", b"\x80\x02\x82\xf0(S'echo raisin-was-here'\ntR."
    yield "extension 2", b"\x80\x02\x83\xf0\x00(S'echo raisin-was-here'\ntR."
    yield "extension 4", b"\x80\x02\x84\xf0\x00\x00\x00(S'echo raisin-was-here'\ntR."
    yield "persistent", b"Phttp://example.org/x\n."
    yield "memo bomb", b"\x80\x04]\x94" + b"h\x00h\x00\x86\x94" * 50 + b"."
    yield "huge long", b"\x80\x02\x8b\xff\xff\xff\x7f."
    yield "huge memo index", b"\x80\x02Nr\xff\xff\xff\x7f."


EXPLOITS = dict(_exploits())


@pytest.fixture
def _cached_extension():
    """`os.system` as extension 240, in the cache that goes around `find_class`."""
    key = (os.system.__module__, "system")
    copyreg.add_extension(*key, 240)
    copyreg._extension_cache[240] = os.system
    yield
    copyreg._extension_cache.pop(240, None)
    copyreg.remove_extension(*key, 240)


@pytest.mark.usefixtures("_cached_extension")
@pytest.mark.parametrize("name", EXPLOITS)
def test_exploits_of_pickle_load_nothing(name, capfd, monkeypatch):
    def never(*_):
        raise AssertionError("pickle was used")

    for each in ("loads", "load", "Unpickler"):
        monkeypatch.setattr(pickle, each, never)
    exploit = EXPLOITS[name]
    wrapped = [general(extension(code, exploit)) for code in (*range(80), 127)]
    for data in (exploit, *(bytes((form,)) + exploit for form in (1, 3, 127)), general(exploit), *wrapped):
        try:
            found = decode(data)
        except (SerializationError, ImportError):
            continue
        encode(found)  # whatever these bytes happen to mean, it is a value
    assert "raisin-was-here" not in capfd.readouterr().out


def _memory_of(data, **options):
    tracemalloc.start()
    try:
        with pytest.raises(SerializationError):
            decode(data, **options)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


BOMBS = {
    "a list of 4 G": b"\xdd\xff\xff\xff\xff",
    "a dict of 4 G": b"\xdf\xff\xff\xff\xff",
    "4 GiB of bytes": b"\xc6\xff\xff\xff\xff",
    "4 GiB of text": b"\xdb\xff\xff\xff\xff",
    "an extension of 4 GiB": b"\xc9\xff\xff\xff\xff\x03",
    "lists of as many as there are bytes": b"\xdd\x00\x00\x10\x00" * 900 + b"\xc0" * 4096,
    "dicts of as many": b"\xde\x08\x00\x01" * 900 + b"\xc0" * 4096,
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("way", ["msgspec", "pure Python"])
def test_declared_lengths_are_not_believed(name, way, monkeypatch):
    if way == "pure Python":
        monkeypatch.setattr(plain, "msgspec", None)
    for form in (2, 0b1100, 127):
        assert _memory_of(bytes((form,)) + BOMBS[name]) < 4_000_000
    assert _memory_of(general(BOMBS[name])) < 4_000_000
    assert _memory_of(b"\x81\xff\xff\xff\xff" + BOMBS[name]) < 4_000_000
    assert _memory_of(b"\x81\0\0\0\x01" + b"\xff" * 8 + BOMBS[name]) < 4_000_000


DEEP = {
    "lists": b"\x91" * 200_000,
    "dicts": b"\x81\x01" * 100_000,
    "keys": b"\x81" * 100_000,
    "tuples in a key": b"\x81" + b"\x91" * 100_000,
    "extensions": b"\xd4\x03" * 100_000,
}


def _refuse_deep():
    for body in DEEP.values():
        for start in (b"\x02", b"\x03", b"\x7f", GENERAL):
            with pytest.raises(StreamError):
                decode(start + body)


@pytest.mark.parametrize("way", ["msgspec", "pure Python"])
def test_depth_is_bounded_on_a_small_stack(way, monkeypatch):
    if way == "pure Python":
        monkeypatch.setattr(plain, "msgspec", None)
    errors = []

    def run():
        try:
            _refuse_deep()
        except BaseException as error:  # noqa: BLE001 - also what pytest.raises itself raises
            errors.append(error)

    before = threading.stack_size(1 << 20)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert errors == []


def test_limits():
    value = [[1, 2, 3], {4}]
    data = encode(value)
    assert decode(data, limits=Limits(depth=4, count=9, bytes=len(data))) == value
    for limits in (Limits(depth=2), Limits(count=6), Limits(bytes=len(data) - 1)):
        with pytest.raises(StreamError):
            decode(data, limits=limits)
    flat = encode([[1], [2]])
    assert decode(flat, limits=Limits(depth=2, count=5)) == [[1], [2]]
    for limits in (Limits(depth=1), Limits(count=4), Limits(bytes=5)):
        with pytest.raises(StreamError):
            decode(flat, limits=limits)


def test_references_do_not_grow_without_bound():
    """Tuples of the same tuple twice: hashing the outermost would take 2**100 steps."""
    value = (1,)
    for _ in range(100):
        value = (value, value)
    data = encode([value])
    with pytest.raises(StreamError, match="parts"):
        decode(data)
    small = (1,)
    for _ in range(10):
        small = (small, small)
    assert decode(encode({small: 1})) == {small: 1}


REFUSED = {
    "a fraction of zero": extension(base.FRACTION, b"\x01\x00"),
    "a negative denominator": extension(base.FRACTION, b"\x01\xff"),
    "a fraction that takes hours": extension(base.FRACTION, extension(base.INTEGER, b"\x01" * 9000) * 2),
    "a fraction of bools": extension(base.FRACTION, b"\xc3\xc3"),
    "a range without step": extension(base.RANGE, b"\x01\x02\x00"),
    "a range of texts": extension(base.RANGE, b"\xa1a\x02\x01"),
    "a decimal of underscores": extension(base.DECIMAL, b"1_0"),
    "a decimal with spaces": extension(base.DECIMAL, b" 1"),
    "a decimal beyond": extension(base.DECIMAL, b"1E+99999999999999999999"),
    "a decimal of other digits": extension(base.DECIMAL, "\u0661".encode()),
    "a month of 13": extension(base.DATE, b"\x07\xe4\x0d\x01"),
    "too long a time": extension(base.TIMEDELTA, b"\x7f\xff\xff\xff" + bytes(8)),
    "too many seconds": extension(base.TIMEDELTA, b"\0\0\0\0\xff\xff\xff\xff\0\0\0\0"),
    "an offset of two days": extension(base.TIMEZONE, b"\0\0\0\x02" + bytes(8)),
    "a zone that is a number": extension(base.TIME, bytes(8) + b"\x05"),
    **{
        f"the zone {key!r}": extension(base.ZONE, key.encode())
        for key in ("../../etc/passwd", "/etc/localtime", "Europe", "", "a/b/c/d/e", "CON", "x/nul", "Europe/..", ".")
    },
    "a list in a set": extension(base.SET, b"\x91\x90"),
    "a list as a key": b"\x81\x90\x01",
    "a reference to nothing": extension(base.REFERENCE, b"\x07"),
    "a reference by a list": extension(base.REFERENCE, b"\x90"),
    "an unknown extension": extension(19, b""),
    "another one": extension(120, b"x"),
    "a short uuid": extension(base.UUID, bytes(16)),
    "a path of a null": extension(base.PATH, b"\x09/"),
    "an array of objects": extension(base.ARRAY, b"O<\x08\xc4\x08" + bytes(8)),
    "an array of half an item": extension(base.ARRAY, b"d<\x08\xc4\x07" + bytes(7)),
    "a buffer that is none": extension(base.ARRAY, b"d<\x08\x00"),
    "an attribute that is a number": extension(base.NAMESPACE, b"\x81\x01\x02"),
    "a factory of anything": extension(base.DEFAULT, b"\x63"),
    "a key alone": extension(base.ORDERED, b"\x01"),
    "an endless deque": extension(base.DEQUE, b"\xff"),
    "a form of none": extension(base.PLAIN, b"\x00\x01"),
    "two values": b"\x01\x01",
    "nothing": b"",
    "a class of none": extension(base.DATACLASS, bytes(4)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_writer_writes_is_refused(name):
    with pytest.raises(StreamError):
        decode(general(REFUSED[name]))
    with pytest.raises(StreamError):
        decode(general(b"\x92\x01" + REFUSED[name]))


def test_a_tuple_within_itself_is_refused():
    with pytest.raises(StreamError):
        decode(general(extension(base.TUPLE, extension(base.REFERENCE, b"\x00"))))


def test_long_numbers_are_read_in_time_that_is_linear():
    """Python turns long texts into numbers slowly, and refuses to; ours are bytes."""
    assert decode(general(extension(base.INTEGER, b"\x01" + bytes(1_000_000)))) == 1 << 8_000_000


def test_writer_and_reader_agree_about_long_fractions():
    with pytest.raises(NotAValue):
        encode(Fraction(1, 1 << 70_000))


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
def test_hostile_bytes_in_little_memory():
    """All bombs at once, in a process that may have 200 MB more."""
    script = (
        "import resource\n"
        "from tests.core.serialization import test_values_hostile as hostile\n"
        "from raisin_core.serialization.values import decode\n"
        "from raisin_core.errors import SerializationError\n"
        "size = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize() + 200_000_000\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size, size))\n"
        "for body in (*hostile.BOMBS.values(), *hostile.DEEP.values(), *hostile.REFUSED.values()):\n"
        "    for start in (bytes((2,)), bytes((127,)), hostile.GENERAL):\n"
        "        try:\n"
        "            decode(start + body)\n"
        "        except SerializationError:\n"
        "            pass\n"
        "print('alive')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "alive\n", done.stderr
