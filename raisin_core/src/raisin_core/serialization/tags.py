"""Digests of values that are the same wherever they are computed: what `resume=` knows tasks by.

Equal values have equal digests in other processes, under other hash seeds and on other Pythons; what counts as equal is
said in `canonical`. `stable` is for data that functions use, `tag` and `tags` are for the arguments of tasks: they are
keyed, so that who stores them cannot guess values.

Rules of this file: the standard library and cloudpickle only.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b, sha256
from typing import Final

from raisin_core.errors import SerializationError
from raisin_core.serialization.canonical import ATOMS, Canonical, Code, flat

SIZE: Final = 16  # bytes of a tag
LONGEST_KEY: Final = 64  # bytes


def stable(value: object, code: Code | None = None, name: str = "object") -> bytes:
    """The digest (32 bytes) of any value that can travel.

    `code` gives what stands for functions and classes in it, their fingerprints by default; where it is given, it is
    also asked for the classes of objects. Raises SerializationError, which names the part that has no digest and the
    path to it from `name`.

    >>> stable([1, 2]) == stable([1, 2]), stable([1, 2]) == stable([1, 2.0])
    (True, False)
    """
    return sha256(_canonical(value, code, name)).digest()


def tag(key: bytes, value: object, name: str = "argument") -> bytes:
    """The keyed digest (16 bytes) of a value; `key` has at most 64 bytes. Raises SerializationError as `stable` does.

    >>> tag(b"key", 7) == tags(b"key", [7])
    True
    """
    return blake2b(_form(value, name), digest_size=SIZE, key=_checked(key)).digest()


def tags(key: bytes, values: Iterable[object], name: str = "element") -> bytes:
    """The tags of many values, joined, 16 bytes each; errors call the values `element 0`, `element 1`, ..."""
    start, found = blake2b(digest_size=SIZE, key=_checked(key)), []
    for index, value in enumerate(values):
        atom = ATOMS.get(type(value))
        state = start.copy()
        state.update(atom(value) if atom is not None else _form(value, name, index))
        found.append(state.digest())
    return b"".join(found)


def _form(value: object, name: str, index: int | None = None) -> bytes:
    if type(value) in ATOMS:
        return ATOMS[type(value)](value)
    if type(value) is tuple:
        try:
            return flat(value)
        except KeyError:  # not only atoms
            return _canonical(value, None, name, index)
    return _canonical(value, None, name, index)


def _canonical(value: object, code: Code | None, name: str, index: int | None = None) -> bytes:
    try:
        return Canonical(code or _fingerprint, classes=code is not None).form(value)
    except Exception as error:
        from raisin_core.serialization.culprit import explain

        place = name if index is None else f"{name} {index}"
        raise SerializationError(explain(value, place, error)) from error


def _fingerprint(value: object) -> bytes:
    from raisin_core.analysis.fingerprint import fingerprint

    return fingerprint(value, {}).digest


def _checked(key: bytes) -> bytes:
    if len(key) > LONGEST_KEY:
        raise ValueError(f"a key of tags has at most {LONGEST_KEY} bytes, this one has {len(key)}")
    return key
