"""How much memory streams need: `serialize` in one process, `deserialize` in another, a pipe between them.

    python -m bench.streams [--size 1.0]        1.0: a 4 GB file, a 1 GB array, a generator of 10 million items

Each process says its peak resident memory over that of its start, in MB; for the array, over what the array itself
takes.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

import raisin

MB = 1 << 20


def peak() -> float:
    """The most memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else MB)


def now() -> float:
    """The memory that this process has, in MB. (What it had at most counts its parent's, too.)"""
    return psutil.Process().memory_info().rss / MB


def made(kind: str, size: float, place: str) -> Any:
    """What is sent."""
    if kind == "file":
        return Path(place)
    if kind == "array":
        import numpy

        return numpy.arange(int(size * 125_000_000), dtype="float64")
    return (at for at in range(int(size * 10_000_000)))


def used(kind: str, found: Any) -> int:
    """Look at all that arrived; how much of it there is."""
    if kind == "file":
        return found.stat().st_size
    if kind == "array":
        assert float(found[-1]) == len(found) - 1
        return found.nbytes
    total = count = 0
    for item in found:
        total += item
        count += 1
    assert total == count * (count - 1) // 2
    return count


def part(role: str, kind: str, size: float, place: str) -> None:
    """One of the two processes."""
    raisin.copy([1, {2}])  # modules that are imported late belong to the base
    own = 0
    if role == "write":
        value = made(kind, size, place)
        own = getattr(value, "nbytes", 0)
        base = now()
        for chunk in raisin.serialize(value, copy_file=1 << 40):
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        count = own
    else:
        base = now()
        value = raisin.deserialize(sys.stdin.buffer)
        count = used(kind, value)
        own = getattr(value, "nbytes", 0)
    over = peak() - base - (own / MB if role == "read" else 0)
    print(f"{kind:10} {role:6} {over:8.1f} MB over its base of {base:.0f} MB; {count:,}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=float, default=1.0)
    parser.add_argument("--part", nargs=3, metavar=("ROLE", "KIND", "PLACE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        part(options.part[0], options.part[1], options.size, options.part[2])
        return
    with tempfile.TemporaryDirectory() as folder:
        place = os.path.join(folder, "large.bin")
        for kind in ("file", "array", "generator"):
            if kind == "file":
                with open(place, "wb") as file:
                    for _ in range(max(1, int(options.size * 4000))):
                        file.write(os.urandom(1 << 20))
            start = time.perf_counter()
            command = [sys.executable, "-m", "bench.streams", "--size", str(options.size), "--part"]
            writer = subprocess.Popen([*command, "write", kind, place], stdout=subprocess.PIPE)
            reader = subprocess.Popen([*command, "read", kind, place], stdin=writer.stdout)
            assert writer.stdout is not None
            writer.stdout.close()
            if writer.wait() or reader.wait():
                raise SystemExit(f"{kind} failed")
            print(f"{kind:10} {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
