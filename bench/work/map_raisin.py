"""No-op tasks per second through raisin.map, durable and encrypted."""

import json
import time

import raisin

COUNT = 400_000


def noop(x):
    return x


list(raisin.map(noop, range(1000)))
began = time.perf_counter()
got = list(raisin.map(noop, range(COUNT)))
seconds = time.perf_counter() - began
assert got == list(range(COUNT))
print(json.dumps({"map, no-op tasks/s": COUNT / seconds}))
