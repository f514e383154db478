"""What serialization costs, in pairs within one process: raisin's, and what it is compared with.

    python -m bench.serialization [--rounds 7] [--out NAME] [CASE ...]

Each round measures every case for both sides, one right after the other; the ratio is the median of the rounds' ratios.
Cases that need NumPy are left out where it is not installed. Results go to bench/results/.
"""

from __future__ import annotations

import argparse
import base64
import datetime
import pickle
import platform
import random
import statistics
import tempfile
import time
import types
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle

import raisin
from raisin_core.serialization import objects, sealed, values

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("cloudpickle", "msgspec", "numpy", "zstandard", "cryptography", "pycryptodomex")
SMALL = {"name": "a", "size": 3, "weights": [0.5, 1.5], "flags": {"x": True, "y": None}}
Work = Callable[[], object]


class Case(NamedTuple):
    """Two ways to do the same; `times` in a row are measured together. Setting up gives fresh ones each round."""

    name: str
    goal: float
    times: int
    make: Callable[[], tuple[Work, Work]]


def small() -> Iterator[Case]:
    for name, value in (("an int", 123456), ("a small dict", SMALL)):
        yield Case(f"dumps + loads of {name}", 3.0, 3000, lambda value=value: _text(value))
    yield Case("serialize + deserialize of a small dict", 2.0, 3000, lambda: _stream(SMALL, cloudpickle.dumps))


def large() -> Iterator[Case]:
    rng = random.Random(1)
    ints = [rng.randrange(1 << 30) for _ in range(1_000_000)]
    dicts = [{"id": at, "tags": ["a", "b"], "at": {"x": at * 0.5, "y": -1.0}} for at in range(100_000)]
    for name, value in (("1e6 ints", ints), ("1e5 nested dicts", dicts)):
        yield Case(f"serialize + deserialize of {name}", 1.1, 1, lambda value=value: _stream(value, pickle.dumps))
        yield Case(f"{name} to a file and back", 1.1, 1, lambda value=value: _files(value))
        yield Case(f"values of {name}", 1.2, 1, lambda value=value: _values(value))


def arrays() -> Iterator[Case]:
    try:
        import numpy
    except ImportError:
        return
    array = numpy.random.default_rng(1).random(1 << 25)  # 256 MiB
    yield Case("256 MiB array to a file and back", 1.1, 1, lambda: _files(array))
    yield Case("dumps of a 256 MiB array, beside base64 of it", 1.3, 1, lambda: _base64(array))
    yield Case("values of an 8 MiB array", 1.2, 5, lambda: _values(array[: 1 << 20]))


def functions() -> Iterator[Case]:
    yield Case("a function, for the first time", 1.5, 1, lambda: _functions(fresh=True))
    yield Case("the same function again, from the third time on", 0.2, 1, lambda: _functions(fresh=False))


def seals() -> Iterator[Case]:
    yield Case("sealing 64 MiB, beside the cipher alone", 1.25, 1, _sealing)


def _text(value: object) -> tuple[Work, Work]:
    def theirs() -> object:
        text = base64.b64encode(pickle.dumps(value, 5)).decode("ascii")
        return pickle.loads(base64.b64decode(text))

    return (lambda: raisin.loads(raisin.dumps(value))), theirs


def _stream(value: object, dumps: Callable[..., bytes]) -> tuple[Work, Work]:
    return (
        lambda: raisin.deserialize(raisin.serialize(value)),
        lambda: pickle.loads(dumps(value, protocol=5)),
    )


def _values(value: object) -> tuple[Work, Work]:
    return (lambda: values.decode(values.encode(value))), (lambda: pickle.loads(pickle.dumps(value, 5)))


def _files(array: Any) -> tuple[Work, Work]:
    def there_and_back(dump: Callable[..., None], load: Callable[..., Any]) -> object:
        with tempfile.TemporaryFile() as file:
            dump(array, file)
            file.seek(0)
            return load(file)

    theirs = lambda: there_and_back(lambda value, file: pickle.dump(value, file, 5), pickle.load)  # noqa: E731
    return (lambda: there_and_back(raisin.dump, raisin.load)), theirs


def _base64(array: Any) -> tuple[Work, Work]:
    return (lambda: raisin.dumps(array)), (lambda: base64.b64encode(array.data).decode("ascii"))


def _functions(fresh: bool) -> tuple[Work, Work]:
    """Fifty functions of a file: new ones, or ones that were sent before."""
    with tempfile.NamedTemporaryFile("w", suffix=".py", prefix="bench_", delete=False) as file:
        body = "    z = x * SCALE\n    return [z + each for each in range(y)]\n"
        file.write("SCALE = 3\n\n" + "\n".join(f"def f{at}(x, y={at}):\n{body}" for at in range(50)))
    module = types.ModuleType("__main__")
    exec(compile(Path(file.name).read_text(), file.name, "exec"), module.__dict__)
    found = [module.__dict__[f"f{at}"] for at in range(50)]
    objects.dumps(found[0])  # the file itself is read once
    if not fresh:
        for each in found * 2:  # the second time they are remembered
            objects.dumps(each)
    return (lambda: [objects.dumps(each) for each in found]), (lambda: [cloudpickle.dumps(each) for each in found])


def _sealing() -> tuple[Work, Work]:
    from raisin_core.ciphers import aes_gcm

    data, cipher, nonce = random.Random(1).randbytes(1 << 26), aes_gcm(bytes(32)), bytes(12)
    step = 1 << 20
    pieces = [memoryview(data)[at : at + step] for at in range(0, len(data), step)]

    def theirs() -> object:
        return [cipher.encrypt(nonce, piece, b"") for piece in pieces]

    stream = sealed.seal(iter(pieces), "password")
    next(stream)  # the key is derived
    return (lambda: list(stream)), theirs


def measure(case: Case, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds per run of ours and theirs."""
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(rounds):
        for work, figures in zip(case.make(), (ours, theirs)):
            start = time.perf_counter()
            for _ in range(case.times):
                work()
            figures.append((time.perf_counter() - start) / case.times)
    return ours, theirs


def row(case: Case, ours: list[float], theirs: list[float]) -> str:
    ratio = statistics.median(a / b for a, b in zip(ours, theirs))
    cells = [f"{statistics.median(each) * 1e6:,.1f}" for each in (ours, theirs)]
    return f"| {case.name} | {cells[0]} | {cells[1]} | {ratio:.2f} | {case.goal} |"


def versions() -> str:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"no {name}")
    return f"Python {platform.python_version()}, {', '.join(found)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", help="name of the file in bench/results, without .md")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="words of the cases wanted")
    options = parser.parse_args()
    lines = [f"# Serialization, {datetime.date.today()}", "", versions(), ""]
    lines += ["| case | raisin, us | compared with, us | ratio | goal |", "|---|---|---|---|---|"]
    for case in (*small(), *large(), *arrays(), *functions(), *seals()):
        if all(word in case.name for word in options.cases):
            lines.append(row(case, *measure(case, options.rounds)))
            print(lines[-1], flush=True)
    if options.out:
        (RESULTS / f"{options.out}.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
