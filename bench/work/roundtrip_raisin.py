"""Milliseconds from raisin.process(f, (x,)) to its result, one at a time."""

import json
import statistics
import time

import raisin


def noop(x):
    return x


for number in range(50):
    raisin.process(noop, (number,))
took = []
for number in range(500):
    began = time.perf_counter()
    assert raisin.process(noop, (number,)) == number
    took.append((time.perf_counter() - began) * 1000)
print(json.dumps({"round trip, median ms": statistics.median(took)}))
