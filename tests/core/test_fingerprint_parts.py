"""Parts in words, and as the bytes that a broker keeps."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raisin_core.analysis.encoding import LIMIT, decode, encode
from raisin_core.analysis.parts import Part, difference

FIT = Part("fit (helpers.py:14)", b"1", "/home/zoe/helpers.py", 14)
LOAD = Part("load (other.py:3)", b"2", "/home/zoe/other.py", 3)
NUMPY = Part("package numpy 1.26.4", b"3")
OLD = {"function fit": FIT, "function load": LOAD, "package numpy": NUMPY, "global SCALE": Part("global SCALE", b"4")}


def changed(*keys: str, **others: Part) -> dict[str, Part]:
    return {key: part._replace(digest=b"new") if key in keys else part for key, part in OLD.items()} | others


def without(*keys: str) -> dict[str, Part]:
    return {key: part for key, part in OLD.items() if key not in keys}


TWO = "helpers.py:14 changed, load changed (other.py:3)"
SAID = [
    (changed("function fit"), "helpers.py:14 changed"),
    (changed("function load"), "load changed (other.py:3)"),
    (changed("global SCALE"), "global SCALE changed"),
    (OLD | {"package numpy": Part("package numpy 2.0.1", b"5")}, "numpy 1.26.4 became 2.0.1"),
    (OLD | {"package numpy": Part("package numpy", b"5")}, "numpy 1.26.4 became (of no version)"),
    (OLD | {"function save": Part("save (other.py:9)", b"5")}, "calls save now"),
    (OLD | {"class Model": Part("Model (other.py:9)", b"5")}, "uses Model now"),
    (OLD | {"package pandas": Part("package pandas 2.1", b"5")}, "uses pandas 2.1 now"),
    (without("function load"), "no longer calls load"),
    (without("global SCALE"), "no longer uses global SCALE"),
    (changed("function fit", "global SCALE"), "helpers.py:14 changed, global SCALE changed"),
    (changed("function fit", "function load", "global SCALE"), f"{TWO} and 1 more"),
    (changed(*OLD), f"{TWO} and 2 more"),
    (OLD, "its parts refer to one another differently"),
]


@pytest.mark.parametrize(("new", "said"), SAID)
def test_the_difference_in_words(new, said):
    assert difference(OLD, new) == said


def test_a_changed_function_that_is_in_no_file():
    old, new = ({"function f": Part("f", digest, "<stdin>", 3)} for digest in (b"1", b"2"))
    assert difference(old, new) == "f changed"


PARTS = st.dictionaries(
    st.text(max_size=20),
    st.builds(Part, st.text(max_size=20), st.binary(max_size=32), st.text(max_size=20), st.integers(0, 2**31)),
)


@given(PARTS)
def test_there_and_back(parts):
    assert decode(encode(parts)) == parts
    assert list(decode(encode(parts))) == list(parts)


def test_many_parts_are_cut():
    parts = {f"global {n:05}": Part(f"global {n:05}", b"%32d" % n, "/a/file.py", n) for n in range(3000, 0, -1)}
    data = encode(parts)
    found = decode(data)
    assert LIMIT - 200 < len(data) <= LIMIT
    rest = found.pop("rest")
    assert list(found) == ["global 03000", *(f"global {n:05}" for n in range(1, len(found)))]
    assert rest.name == f"{3000 - len(found)} more parts"
    other = encode({**parts, "global 02999": parts["global 02999"]._replace(digest=b"x")})
    assert difference(decode(data), decode(other)) == f"{rest.name} changed"
    moved = encode({**parts, "global 02999": parts["global 02999"]._replace(line=7)})
    assert decode(moved)["rest"] == rest


def test_one_part_that_is_too_large():
    data = encode({"x" * LIMIT: Part("x", b"1"), "y": Part("y", b"2")})
    assert list(decode(data)) == ["rest"]


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x90\x90", msgspec.msgpack.encode([["a", "b", "c", "d", "e"]])])
def test_what_is_no_parts(data):
    with pytest.raises(ValueError, match="not the parts of a fingerprint"):
        decode(data)


def test_too_many_bytes():
    with pytest.raises(ValueError, match="at most 65536 bytes"):
        decode(b"\x90" * (LIMIT + 1))
