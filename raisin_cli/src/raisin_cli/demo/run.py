"""The order of things: private cluster, first act with kills, second act, verification, last screen, the end.

Rules of this file: whatever happens, Ctrl-C and SIGTERM included, all processes end and the directory goes.
"""

from __future__ import annotations

import shutil
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import Final

from rich.console import Console

import raisin
from raisin_cli.demo import analysis, endings, report, sweep, verify
from raisin_cli.demo.chaos import Chaos
from raisin_cli.demo.cluster import Cluster, DemoError
from raisin_cli.demo.ledger import Act, Ledger
from raisin_cli.demo.picture import save
from raisin_cli.demo.screen import Screen
from raisin_cli.demo.witness import Witness, label, watched
from raisin_core.client.connection import Connection

LOOK_SECONDS: Final = 0.005
STALL_SECONDS: Final = 60.0
LARGE_SHARE: Final = 4
"""A file is large if it is among this part of all: a quarter."""


class Demo:
    """One run of it."""

    def __init__(self, root: Path, files: list[str], directory: Path, console: Console) -> None:
        self.root, self.files, self.directory, self.console = root, files, directory, console
        self.began = time.monotonic()
        self.ledger = Ledger()
        self.witness = Witness(directory / "witness")
        self.axes = sweep.axes()
        self.points = [label((b, a)) for b in self.axes[0] for a in self.axes[1]]

    def run(self) -> report.Outcome:
        """All of it. Raises DemoError if anything is wrong."""
        with Cluster(self.directory) as cluster, self._connect(cluster), Screen(self.console, cluster) as screen:
            screen.say(f"the broker listens on {cluster.address}; all is in {cluster.directory}")
            chaos = Chaos(cluster, self.witness, self.ledger, self._large())
            first, second = self._analysis(), self._sweep()
            screen.acts = {"Map: files": first, "Scan: points": second}
            for act in (first, second):
                act.start()
                self._see_through(act, first, chaos, screen)
            screen.say("computing a sample again, one after the other")
            grid = [[done.value for done in row] for row in second.handle.get(STALL_SECONDS)]
        chaos.settle()
        checked = self._verify(grid)
        return report.Outcome(
            [self.ledger.values[file] for file in self.files],
            grid,
            chaos.kills,
            chaos.spared,
            first.seconds,
            first.cpu,
            first.wall,
            second.seconds,
            second.cpu,
            checked,
            time.monotonic() - self.began,
        )

    def _connect(self, cluster: Cluster) -> Connection:
        return raisin.connect(cluster.address, broker_key=cluster.broker_key, key_file=cluster.key_file)

    def _analysis(self) -> Act:
        work = {"work": partial(analysis.examine, str(self.root)), "witness": str(self.witness.path)}
        handle = raisin.Map(watched, self.files, kwargs=work, name="analysis", where="cluster", progress=False)
        return Act(handle, len(self.files), self.ledger)

    def _sweep(self) -> Act:
        work = {"work": sweep.exponent, "witness": str(self.witness.path)}
        handle = raisin.Scan(watched, *self.axes, kwargs=work, name="sweep", where="cluster", progress=False)
        return Act(handle, len(self.points), self.ledger)

    def _large(self) -> Callable[[str], bool]:
        """Which tasks take a moment: the larger files (where there are none, any will do)."""
        sizes = sorted(((self.root / file).stat().st_size, file) for file in self.files)
        small = {file for _, file in sizes[: len(sizes) - len(sizes) // LARGE_SHARE]}
        return lambda task: task not in small

    def _see_through(self, act: Act, first: Act, chaos: Chaos, screen: Screen) -> None:
        """Until an act is over: restart what died, kill, draw. Raises DemoError when nothing comes any more."""
        count, since = -1, time.monotonic()
        while not act.wait(LOOK_SECONDS):
            screen.cluster.tend()
            chaos.step(first.done / first.total)
            screen.update(chaos.kills)
            if act.done != count:
                count, since = act.done, time.monotonic()
            elif time.monotonic() - since > STALL_SECONDS:
                tails = "\n".join(part.tail() for part in screen.cluster.parts)
                raise DemoError(f"nothing has come for {STALL_SECONDS:.0f} s: {act.handle.explain()}\n{tails}")
        chaos.look()
        screen.update(chaos.kills)

    def _verify(self, grid: list[list[float]]) -> tuple[int, int]:
        """How many files and points were computed again. Raises DemoError that says what is wrong."""
        tasks = [*self.files, *self.points]
        complaints = verify.counts(tasks, self.ledger)
        files = verify.sample(partial(analysis.examine, str(self.root)), self.files, self.ledger)
        points = verify.sample(lambda task: sweep.exponent(*map(float, task.split())), self.points, self.ledger)
        complaints += files.complaints + points.complaints
        flat = [value for row in grid for value in row]
        complaints += [
            f"{task}: get() says {value!r}, get_all() {self.ledger.values.get(task)!r}"
            for task, value in zip(self.points, flat, strict=True)
            if self.ledger.values.get(task) != value
        ]
        if complaints:
            raise DemoError(f"the verification failed:\n{verify.text(complaints)}")
        return files.computed, points.computed


def run(files: int | None, keep: bool, picture: Path | None) -> int:
    """Run the demo; the exit code is 0. Raises DemoError if anything is wrong."""
    console = _console()
    root = Path(sysconfig.get_path("stdlib"))
    found = analysis.library(root, files)
    if not found:
        raise DemoError(f"there are no .py files in {root}, where the standard library should be")
    with endings.in_order(), _directory(keep, console) as directory:
        outcome = Demo(root, found, directory, console).run()
    plain = console.color_system is None or console.options.ascii_only
    console.print(report.screen(outcome, plain))
    if picture is not None:
        save(report.screen(outcome, plain=False), picture)
    return 0


def _console() -> Console:
    """Standard output; letters that it cannot show become question marks."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = report.WIDTH
    return console


@contextmanager
def _directory(keep: bool, console: Console) -> Iterator[Path]:
    """A private directory; gone afterwards, unless it is to be kept."""
    path = Path(tempfile.mkdtemp(prefix="raisin-demo-"))
    try:
        yield path
    finally:
        with endings.undisturbed():
            if keep:
                console.print(f"kept: {path}", soft_wrap=True)
            else:
                shutil.rmtree(path, ignore_errors=True)
