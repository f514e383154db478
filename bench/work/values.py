"""Values beside pickle (protocol 5), written and read in turn within one process; medians of the rounds' ratios.

python bench/work/values.py [ROUNDS]
"""

from __future__ import annotations

import gc
import json
import pickle
import statistics
import sys
import time

from raisin_core.serialization.values import decode, encode


def cases():
    """(name, value, how many times in a row)."""
    yield "list of 1,000,000 ints", list(range(10**6)), 1
    yield "list of 1,000,000 floats", [number / 7 for number in range(10**6)], 1
    yield "list of 100,000 texts", [f"text number {number}" for number in range(10**5)], 1
    rows = [{"a": number, "b": {"x": [number, number + 1], "y": f"s{number}"}} for number in range(10**5)]
    yield "list of 100,000 nested dicts", rows, 1
    yield "list of 100,000 tuples", [(number, number / 7, str(number)) for number in range(10**5)], 1
    yield "dict of 100,000 tuples as keys", {(number, number + 1): number / 7 for number in range(10**5)}, 1
    yield "small dict", {"a": 1, "b": 2.5, "c": "x"}, 10**4
    yield "small dict with a list", {"a": 1, "b": [1, 2, 3], "c": "x"}, 10**4
    yield "small dict with a set", {"a": 1, "b": {1, 2}, "c": (1, 2)}, 10**3
    try:
        import numpy as np
    except ImportError:
        return
    yield "array of 8 MB", np.arange(10**6, dtype=float), 3
    yield "NumPy scalar", np.float64(1.5), 10**3
    yield "list of 1000 small arrays", [np.arange(number) for number in range(1000)], 1


def seconds(write, read, value, times):
    """How long it takes to write, and to read what was written."""
    gc.collect()
    began = time.perf_counter()
    for _ in range(times):
        data = write(value)
    middle = time.perf_counter()
    for _ in range(times):
        read(data)
    return (middle - began) / times, (time.perf_counter() - middle) / times


def by_pickle(value):
    return pickle.dumps(value, 5)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print("| value | written, us | read, us | of pickle: written | read | both |\n|---|---|---|---|---|---|")
    figures = {}
    for name, value, times in cases():
        seconds(encode, decode, value, 1)
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(seconds(encode, decode, value, times))
            theirs.append(seconds(by_pickle, pickle.loads, value, times))
        ratios = [(a / c, b / d, (a + b) / (c + d)) for (a, b), (c, d) in zip(ours, theirs)]
        writing, reading, both = (statistics.median(column) for column in zip(*ratios))
        written, read = (statistics.median(column) * 1e6 for column in zip(*ours))
        print(f"| {name} | {written:,.1f} | {read:,.1f} | {writing:.2f} | {reading:.2f} | {both:.2f} |", flush=True)
        figures[f"values of pickle, {name}"] = both
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
