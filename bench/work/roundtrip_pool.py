"""The same through multiprocessing.Pool.apply."""

import json
import multiprocessing
import statistics
import sys
import time


def noop(x):
    return x


with multiprocessing.Pool(int(sys.argv[1])) as pool:
    for number in range(50):
        pool.apply(noop, (number,))
    took = []
    for number in range(500):
        began = time.perf_counter()
        assert pool.apply(noop, (number,)) == number
        took.append((time.perf_counter() - began) * 1000)
print(json.dumps({"round trip, median ms": statistics.median(took)}))
