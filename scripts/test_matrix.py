"""Runs the suite on this Python, and without its slow tests on every other Python of the matrix that is found.

    .venv/bin/python scripts/test_matrix.py [arguments of pytest]

Side by side run, since most tests wait for processes: the slow tests of this one, its quick ones, and the others, one
after the other. What is not the slow half of this one is shown when it is done. Where pytest is given arguments, this
one is not halved. Ends with one line that sums up all runs, `N passed, N failed`; exit code 1 if anything failed.
Rules of this file: the standard library only; its own Python is the default one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple, TextIO

ROOT: Final = Path(__file__).resolve().parent.parent
VERSIONS: Final = ("3.10", "3.11", "3.12", "3.13")
HANG: Final = 300  # seconds after which a single test has failed
PROBE: Final = "import sys, ensurepip, venv; print('%d.%d' % sys.version_info[:2])"
QUICK: Final = ("--quiet", "-m", "not slow")
SLOW_HALF: Final = ("-m", "slow")
NOTHING_SELECTED: Final = 5  # pytest's exit code; fine where the arguments ask for slow tests only


class Tally(NamedTuple):
    """What one run of pytest came to."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        text = f"{self.passed} passed, {self.failed} failed"
        return f"{text}, {self.skipped} skipped" if self.skipped else text


def main(arguments: Sequence[str]) -> int:
    """Run everything; 0 if all passed."""
    default = f"{sys.version_info[0]}.{sys.version_info[1]}"
    others = [version for version in VERSIONS if version != default]
    with ThreadPoolExecutor(1) as beside, ThreadPoolExecutor(1) as quick:
        running = [quick.submit(run_quick_half, default)] if not arguments else []
        running += [beside.submit(run_further, version, arguments) for version in others]
        tallies = {default: run(Path(sys.executable), arguments or SLOW_HALF)}
        for each in running:
            further, said = each.result()
            say(said)
            for version, tally in further.items():
                tallies[version] = sum_of([tallies.get(version, Tally()), tally])
    total = sum_of(tallies.values())
    if len(tallies) > 1:
        for version, tally in tallies.items():
            say(f"Python {version}: {tally}")
    say(str(total))
    return 1 if total.failed else 0


def sum_of(tallies: Iterable[Tally]) -> Tally:
    """What several runs came to."""
    return Tally(*map(sum, zip(*tallies)))


def run_quick_half(version: str) -> tuple[dict[str, Tally], str]:
    """Run the quick tests of this Python; what came of it, and what was said."""
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        tally = run(Path(sys.executable), QUICK, output=output)
        output.seek(0)
        return {version: tally}, f"== Python {version}, quick tests\n{output.read().rstrip()}"


def run_further(version: str, arguments: Sequence[str]) -> tuple[dict[str, Tally], str]:
    """Run the quick tests in an environment of their own; what came of it (nothing where that Python is not found),
    and what was said."""
    python = interpreter(version)
    if python is None:
        return {}, f"== Python {version}: not found (or without venv); not run"
    environment = f".venv-{version}"
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        made = subprocess.run(
            ["sh", "scripts/venv.sh", environment, "test", python],
            cwd=ROOT,
            check=False,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        if made.returncode:
            tally = Tally(failed=1)
        else:
            python_there = ROOT / environment / "bin" / "python"
            tally = run(python_there, [*arguments, *QUICK], may_be_empty=True, output=output)
        output.seek(0)
        return {version: tally}, f"== Python {version}\n{output.read().rstrip()}"


def run(python: Path, arguments: Sequence[str], may_be_empty: bool = False, output: TextIO | None = None) -> Tally:
    """One run of pytest, its output shown as it comes, or kept."""
    with tempfile.TemporaryDirectory(prefix="rsn-") as place:
        report = Path(place) / "report.xml"
        command = [str(python), "-m", "pytest", f"--timeout={HANG}", f"--junitxml={report}", *arguments]
        code = subprocess.run(
            command, cwd=ROOT, env=environ(), check=False, stdout=output, stderr=subprocess.STDOUT if output else None
        ).returncode
        tally = read(report) if report.exists() else Tally()
    fine = (0, NOTHING_SELECTED) if may_be_empty else (0,)
    if code not in fine and not tally.failed:
        say(f"pytest ended with exit code {code}")
        return tally._replace(failed=1)
    return tally


def read(report: Path) -> Tally:
    """The figures of a JUnit report; an error while a test is set up counts as a failure."""
    tally = Tally()
    for suite in xml.parse(report).getroot().iter("testsuite"):
        tests, failures, errors, skipped = (
            int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")
        )
        failed = failures + errors
        tally = Tally(tally.passed + tests - failed - skipped, tally.failed + failed, tally.skipped + skipped)
    return tally


def interpreter(version: str) -> str | None:
    """A Python of this version that can make environments: on the PATH, or of pyenv."""
    for candidate in candidates(version):
        try:
            # a shim of pyenv exists for versions that it then refuses to run, so: try it
            tried = subprocess.run([candidate, "-c", PROBE], capture_output=True, text=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if tried.returncode == 0 and tried.stdout.strip() == version:
            return candidate
    return None


def candidates(version: str) -> Iterator[str]:
    """Where a Python of this version may be."""
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield on_path
    for root in pyenv_roots():
        yield from (str(path) for path in sorted(root.glob(f"versions/{version}*/bin/python"), reverse=True))


def pyenv_roots() -> Iterator[Path]:
    """The directories of pyenv: as the environment says, the usual one, and where its shims on the PATH are."""
    if os.environ.get("PYENV_ROOT"):
        yield Path(os.environ["PYENV_ROOT"])
    yield Path.home() / ".pyenv"
    for prefix in (Path(sys.base_prefix), Path(sys.base_prefix).resolve()):
        if prefix.parent.name == "versions":
            yield prefix.parent.parent
    for each in os.environ.get("PATH", "").split(os.pathsep):
        if Path(each).name == "shims":
            yield Path(each).parent


def environ() -> dict[str, str]:
    """The environment of a run: without what would change how Python finds or keeps modules."""
    unwanted = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME")
    return {name: value for name, value in os.environ.items() if name not in unwanted}


def say(line: str) -> None:
    """Write a line at once, so that it stands in order with pytest's own."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
