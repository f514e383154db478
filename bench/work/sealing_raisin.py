"""MB/s through `seal` and `unseal` together, after key derivation, from memory, by each library that is installed."""

import itertools
import json
import os
import statistics
import time

from raisin_core.ciphers import by_cryptodomex, by_cryptography, choice
from raisin_core.serialization.sealed import CHUNK, Cost, seal, unseal

LIBRARIES = {"cryptography": by_cryptography, "pycryptodomex": by_cryptodomex}
SIZE = {"cryptography": 256 << 20, "pycryptodomex": 64 << 20}  # bytes; the latter is some thirty times slower
PASSES = 3


def figures(one_pass):
    """By library: the median of a few passes through the data, in MB/s."""
    found = {}
    for library, module in LIBRARIES.items():
        if module.available():
            data = memoryview(os.urandom(SIZE[library]))
            seconds = statistics.median(one_pass(module, data) for _ in range(PASSES))
            found[f"MB/s sealed and opened again, {library}"] = len(data) / seconds / 1e6
    return found


def sealed_and_opened(module, data):
    choice.LIBRARIES = (module.__name__.rpartition(".")[2],)
    choice.library.cache_clear()
    stream = seal([data], "password", Cost(log_n=4, r=1, p=1))
    read = unseal(source(itertools.chain([next(stream)], stream)), "password")
    began, size = time.perf_counter(), 0
    while found := read(CHUNK):
        size += len(found)
    assert size == len(data)
    return time.perf_counter() - began


def source(pieces):
    """A `read` that hands the pieces on as they are where they fit."""
    rest = b""

    def read(size):
        nonlocal rest
        rest = rest or next(pieces, b"")
        found, rest = (rest, b"") if len(rest) <= size else (rest[:size], rest[size:])
        return found

    return read


if __name__ == "__main__":
    print(json.dumps(figures(sealed_and_opened)))
