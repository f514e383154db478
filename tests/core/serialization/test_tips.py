"""What cannot travel is refused with its place and with what to do instead."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import os
import tempfile
import zlib

import pytest

import raisin
from raisin_core.errors import SerializationError

REFUSED = {
    "reader": (lambda: csv.reader(io.StringIO("a")), "list("),
    "hash": (hashlib.sha256, "digest"),
    "compressor": (zlib.compressobj, "what it was made from"),
    "comparison": (lambda: functools.cmp_to_key(lambda a, b: 0), "cmp_to_key was given"),
}


@pytest.mark.parametrize(("make", "tip"), REFUSED.values(), ids=REFUSED)
def test_refused_with_place_and_tip(make, tip):
    with pytest.raises(SerializationError, match=r"cannot serialize object\['deep'\]\[0\] \(an? .*; .*") as caught:
        raisin.dumps({"deep": [make()]})
    assert tip in str(caught.value)


def test_folders_that_are_gone_some_time():
    folder = tempfile.TemporaryDirectory()
    with folder as name:
        with os.scandir(name) as found, pytest.raises(SerializationError, match=r"a ScandirIterator\).*pass the paths"):
            raisin.dumps(found)
        with pytest.raises(SerializationError, match=r"object\._finalizer \(a finalize\).*raisin\.Folder"):
            raisin.dumps(folder)
