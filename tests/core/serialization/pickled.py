"""Objects to bytes and back with the pickler alone, without a stream around."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable, Iterator
from typing import Any

from raisin_core.serialization.pickling import Pickler


class Nothing:
    """Channels that must not be used."""

    copy_file = False

    def content(self, chunks: Iterable[bytes | memoryview]) -> int:
        raise AssertionError("nothing goes beside")

    def items(self, iterator: Iterator[object]) -> int:
        raise AssertionError("nothing goes beside")


def dumps(value: object) -> bytes:
    file = io.BytesIO()
    Pickler(file, Nothing()).dump(value)
    return file.getvalue()


def again(value: object) -> Any:
    return pickle.loads(dumps(value))
