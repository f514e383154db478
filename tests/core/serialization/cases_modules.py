"""Things of local modules, which readers do not have, and small families; see `matrix`."""

from __future__ import annotations

import atexit
import functools
import importlib
import logging
import queue
import shutil
import sys
import tempfile
import threading
from pathlib import Path

from matrix import Case  # type: ignore[import-not-found]

FILES = {
    "matrix_own.py": """
import dataclasses, enum, functools
from matrix_package import base
import matrix_package.part as part

class Color(enum.Enum):
    RED = 1

@dataclasses.dataclass(order=True)
class Point(base.Base):
    x: int
    y: "int" = dataclasses.field(default=2)

    def total(self):
        return super().total() + self.x + self.y + part.scale(1)

def make(x):
    point = Point(x)
    return point.total(), isinstance(point, base.Base), Color(1) is Color.RED

def same_class(point):
    return type(point) is Point and isinstance(point, base.Base) and point == Point(7)

@functools.lru_cache(maxsize=None)
def cached(n):
    return [(a, b) for a in range(n) for b in range(a)]

def items(n):
    from matrix_package.late import LATE
    yield from range(n)
    yield LATE

async def waits(n):
    return n + part.FACTOR

def named(name):
    return Color[name].value

def fails():
    raise KeyError("missing")
""",
    "matrix_package/__init__.py": "from . import part\n",
    "matrix_package/part.py": "FACTOR = 3\ndef scale(x):\n    return x * FACTOR\n",
    "matrix_package/base.py": "from .part import FACTOR\nclass Base:\n    def total(self):\n        return FACTOR\n",
    "matrix_package/late.py": "LATE = 'late'\n",
}


def folder() -> Path:
    """A folder with the modules, which goes when this process ends."""
    place = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    for name, text in FILES.items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(text, encoding="utf-8")
    return place


sys.path.insert(0, str(folder()))
own = importlib.import_module("matrix_own")
lock = threading.Lock()
full: queue.Queue[int] = queue.Queue()
full.put(5)


def of_a_module(x):
    return own.make(x)


def taken(semaphore):
    return [semaphore.acquire(blocking=False) for _ in range(3)]


def with_lock(n):
    with lock:
        return n + 1


def is_same_class(point):
    return own.same_class(point)


CASES = [
    Case("function of a module", own.make, (5,)),
    Case("method of a module's class", own.Point(3).total),
    Case("class of a module by itself", own.Point.mro()[1]().total),
    Case("object and its class", functools.partial(is_same_class, own.Point(7))),
    Case("cache in a module", own.cached, (4,)),
    Case("generator function of a module", own.items, (3,), "list"),
    Case("async function of a module", own.waits, (3,), "await"),
    Case("error in a module", own.fails, (), "raises"),
    Case("enumeration of a module", own.named, ("RED",)),
    Case("function that uses a module", of_a_module, (2,)),
    Case("function that uses a lock", with_lock, (2,)),
    Case("items of a queue", functools.partial(list, full.queue)),
    Case("semaphore", functools.partial(taken, threading.Semaphore(2))),
    Case("logger", logging.getLogger("matrix.own").getEffectiveLevel),
    Case("event", threading.Event().is_set),
]
