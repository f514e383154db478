"""The same through multiprocessing.Pool.map: local, unrecorded."""

import json
import multiprocessing
import sys
import time

COUNT = 400_000


def noop(x):
    return x


with multiprocessing.Pool(int(sys.argv[1])) as pool:
    pool.map(noop, range(1000))
    began = time.perf_counter()
    got = pool.map(noop, range(COUNT))
    seconds = time.perf_counter() - began
assert got == list(range(COUNT))
print(json.dumps({"map, no-op tasks/s": COUNT / seconds}))
