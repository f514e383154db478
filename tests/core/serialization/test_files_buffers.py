"""Buffers of the `io` module."""

import io
import pickle
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.serialization.channels import Sent, travel


def again(value, **options):
    sent = Sent(**options)
    return pickle.loads(sent.dumps(value), buffers=sent.buffers)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=100), st.integers(0, 200))
def test_bytes(content, position):
    buffer = io.BytesIO(content)
    buffer.seek(position)
    copy = again(buffer)
    assert (type(copy), copy.getvalue(), copy.tell()) == (io.BytesIO, content, position)
    for each in (buffer, copy):
        each.write(b"more")
    assert copy.getvalue() == buffer.getvalue()


@settings(max_examples=100, deadline=None)
@given(
    st.text(st.sampled_from("a\r\nü\U0001f40d")), st.sampled_from([None, "", "\n", "\r", "\r\n"]), st.integers(0, 20)
)
def test_text(content, newline, position):
    buffer = io.StringIO(content, newline)
    buffer.seek(position)
    copy = again(buffer)
    assert (type(copy), copy.getvalue(), copy.tell()) == (io.StringIO, buffer.getvalue(), position)
    for each in (buffer, copy):
        each.write("a\r\nb\n")
        each.seek(0)
    assert copy.readlines() == buffer.readlines()


@pytest.mark.parametrize("make", [lambda: io.BytesIO(b"a"), lambda: io.StringIO("a")])
def test_attributes_and_sharing(make):
    buffer = make()
    buffer.name = [buffer]
    one, two = again([buffer, buffer])
    assert one is two
    assert one.name == [one]


@pytest.mark.parametrize("kind", [io.BytesIO, io.StringIO])
def test_closed_ones_arrive_closed(kind):
    buffer = kind()
    buffer.close()
    copy = again(buffer)
    assert (type(copy), copy.closed) == (kind, True)


class Mine(io.BytesIO):
    pass


def test_subclasses_keep_their_class():
    copy = again(Mine(b"content"))
    assert (type(copy).__name__, copy.getvalue()) == ("Mine", b"content")


def test_many_bytes_go_beside_the_object_without_a_copy():
    size = 1 << 24
    buffer = io.BytesIO(b"x" * size)
    buffer.seek(5)
    sent = Sent(out_of_band=True)
    tracemalloc.start()
    data = sent.dumps([buffer, io.BytesIO(b"small")])
    assert tracemalloc.get_traced_memory()[1] < size // 8
    tracemalloc.stop()
    assert len(data) < 1000
    assert len(sent.buffers) == 1
    buffer.write(b"later")
    copy, _ = pickle.loads(data, buffers=sent.buffers)
    assert (copy.tell(), copy.getvalue()) == (5, b"x" * size)


def test_many_bytes_in_the_object(tmp_path):
    content = b"x" * 100_000
    assert travel(io.BytesIO(content), tmp_path).getvalue() == content
