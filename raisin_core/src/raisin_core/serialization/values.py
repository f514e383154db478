"""One object to bytes and back: cloudpickle, with errors that name the culprit.

Rules of this file: the standard library and cloudpickle only (task processes run it in any interpreter).
"""

from __future__ import annotations

import pickle
from typing import Any

from raisin_core.errors import SerializationError

PROTOCOL = 5


def dumps(value: object, name: str = "object") -> bytes:
    """The bytes of any object that cloudpickle takes. `name` is what the error calls it.

    Raises SerializationError, which names the part that cannot travel and the path to it.

    >>> loads(dumps({"a": 1}))
    {'a': 1}
    """
    import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(value, protocol=PROTOCOL)
    except Exception as error:
        from raisin_core.serialization.culprit import explain

        raise SerializationError(explain(value, name, error)) from error
    return data


def loads(data: bytes) -> Any:
    """The object again. Raises whatever its own code raises while it is rebuilt."""
    return pickle.loads(data)
