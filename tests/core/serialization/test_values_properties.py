"""Values of every kind inside one another; the two ways of writing plain data; mutations of what was written."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from raisin_core.errors import InstallationError, SerializationError
from raisin_core.serialization.values import decode, encode, packing, plain
from raisin_core.serialization.values.base import Limits
from tests.core.serialization.alike import PLAIN, VALUES, alike, there_and_back

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FEW
@given(VALUES)
def test_any_value_comes_back(value):
    assert alike(there_and_back(value), value)


@FEW
@given(VALUES)
def test_with_and_without_msgspec_the_bytes_are_the_same(value):
    pytest.importorskip("msgspec")
    data = encode(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "msgspec", None)
        assert encode(value) == data
        found = decode(data)
    assert alike(found, value)


@MANY
@given(PLAIN)
def test_plain_values_come_back(value):
    assert alike(there_and_back(value), value)


@MANY
@given(PLAIN)
def test_pure_msgpack_is_that_of_msgspec(value):
    msgspec = pytest.importorskip("msgspec")
    try:
        data = msgspec.msgpack.encode(value)
    except (OverflowError, UnicodeEncodeError) as error:
        with pytest.raises(type(error)):
            packing.pack(value)
        return
    assert packing.pack(value) == data


@MANY
@given(st.integers(1, 127), st.binary(max_size=40))
@example(0b10, b"\xd6\xff\x00\x00\x00\x01")
@example(0b10, b"\x81\x80\x01")
@example(0b10, b"\x81\x90\x01")
@example(0b110, b"\x81\x92\x01\x02\x03")
@example(0b100, b"\x81\x92\x01\x02\x03")
@example(0b10, b"\xca\x3f\x80\x00\x00")
def test_both_readers_take_and_refuse_the_same(form, data):
    pytest.importorskip("msgspec")
    outcomes = []
    for reader in (plain.unpack, packing.unpack):
        try:
            outcomes.append(reader(memoryview(data), form, Limits()))
        except SerializationError:
            outcomes.append(SerializationError)
    assert alike(*outcomes)


@MANY
@given(VALUES, st.data())
def test_changed_bytes_are_read_or_refused(value, data):
    written = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(written) - 1))
        written[place] = data.draw(st.integers(0, 255))
    _read_or_refuse(bytes(written))


@FEW
@given(VALUES, st.data())
def test_cut_and_spliced_bytes_are_read_or_refused(value, data):
    written = encode(value)
    place, length = data.draw(st.integers(0, len(written))), data.draw(st.integers(1, 20))
    _read_or_refuse(written[:place])
    _read_or_refuse(written[:place] + written[place + length :])
    _read_or_refuse(written[:place] + written[place // 2 : place // 2 + length] + written[place:])


@MANY
@given(st.sampled_from([b"\x80\0\0\0\0", b"\x81\0\0\0\0", b"\x01", b"\x0f", b""]), st.binary(max_size=60))
def test_random_bytes_are_read_or_refused(start, data):
    _read_or_refuse(start + data)


@MANY
@given(st.integers(0, 127), st.binary(max_size=40))
def test_random_extensions_are_read_or_refused(code, data):
    _read_or_refuse(b"\x80\0\0\0\0" + packing.extension(code, len(data)) + data)


def _read_or_refuse(data):
    try:
        decode(data)
    except (SerializationError, InstallationError):  # the latter of a value that needs a package
        pass
