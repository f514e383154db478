"""One soak: starts the cluster, lets faults come and go, heals it, and judges.

Rules of this file: bounded in time; whatever happens, everything that was made is removed.
"""

from __future__ import annotations

import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

from tests.soak import audit, files, report
from tests.soak.cluster import BROKER, CLIENTS, HOSTS, Cluster
from tests.soak.disk import Disk
from tests.soak.faults import Fault, plan
from tests.soak.injector import Injector
from tests.soak.network import HUB, KILL, Network, send

START_SECONDS: Final = 20.0
SETTLE_SECONDS: Final = 60.0
TURN_SECONDS: Final = 0.05
RESTART_SECONDS: Final = (0.1, 2.0)
EXCUSED_SECONDS: Final = 3.0
LEAVE_SECONDS: Final = 10.0
NO_BALLAST: Final = shutil.ignore_patterns("ballast")


class Settings(NamedTuple):
    """How long faults come (seconds), from which seed; how long a lid stays closed, on which hosts; how long all that
    was begun may take once faults have ended: silences of 15 s follow one another then."""

    seconds: float = 600.0
    seed: int = 1
    lid: float = 40.0
    lids: tuple[str, ...] = HOSTS
    settle: float = SETTLE_SECONDS

    @property
    def command(self) -> str:
        """What does the same again."""
        lids = "" if self.lids == HOSTS else f" --lids {','.join(self.lids)}"
        return f"python -m tests.soak --seconds {self.seconds:g} --seed {self.seed} --lid {self.lid:g}{lids}"


class Outcome(NamedTuple):
    """What is wrong, one line each; the report; where everything is, unless that was removed."""

    wrong: list[str]
    report: str
    folder: Path | None


def soak(settings: Settings, say: Callable[[str], object], keep: bool = False) -> Outcome:
    """Run one. Logs and results are kept where something is wrong, or with `keep`."""
    folder = Path(tempfile.mkdtemp(prefix="raisin-soak-"))
    kept = True
    try:
        with ExitStack() as stack:
            network = stack.enter_context(Network(HOSTS))
            disk = stack.enter_context(Disk(folder / "disk"))
            run = Soak(settings, Cluster(folder, network, disk, settings.seed), say)
            stack.callback(run.end)
            run.run()
        kept = keep or bool(run.wrong)
    finally:
        if kept:
            say(f"logs and results: {folder}\nthe same again: {settings.command}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return Outcome(run.wrong, run.report, folder if kept else None)


class Soak:
    """One run. `wrong` gathers what must not be."""

    def __init__(self, settings: Settings, cluster: Cluster, say: Callable[[str], object]) -> None:
        self.settings, self.cluster, self.injector = settings, cluster, Injector(cluster)
        self.wrong: list[str] = []
        self.report = ""
        self.faults = plan(settings.seed, settings.seconds, settings.lid, settings.lids)
        self._say, self._dice = say, random.Random(settings.seed)
        self._ends: list[tuple[float, Fault, Callable[[], object]]] = []
        self._over: set[str] = set()
        self._began = self._healed = self._trouble_at = 0.0

    def run(self) -> None:
        """From start to report."""
        self._began = time.time()
        self.cluster.relay.start()
        self._until(lambda: "listening" in self.output(HUB), START_SECONDS, "the relay listens", tend=False)
        for part in self.cluster.parts.values():
            part.start()
        self._suffer()
        self._recover()
        self._judge()

    # -- faults ------------------------------------------------------------------------------------------------------

    def _suffer(self) -> None:
        waiting = list(self.faults)
        while waiting or self._ends or self._elapsed() < self.settings.seconds:
            while waiting and waiting[0].at <= self._elapsed():
                self._begin(waiting.pop(0))
            for entry in [each for each in self._ends if each[0] <= self._elapsed()]:
                self._finish(entry)
            self._turn()
        self._healed = time.time()
        self.log("faults have ended")

    def _begin(self, fault: Fault) -> None:
        words, end = self.injector.begin(fault)
        self.log(f"{fault.kind:10} {fault.target:7} {words}" + (f", for {fault.lasts:.1f} s" if fault.lasts else ""))
        self._ends.append((fault.until, fault, end))

    def _finish(self, entry: tuple[float, Fault, Callable[[], object]]) -> None:
        self._ends.remove(entry)
        entry[2]()
        if entry[1].lasts:
            self.log(f"{entry[1].kind:10} {entry[1].target:7} is over")

    def _turn(self) -> None:
        """What a service manager does; and note who ended without having been killed."""
        if self.injector.disk_trouble:
            self._trouble_at = time.time()
        for name, part in self.cluster.parts.items():
            if name in self._over:
                continue
            code = part.tend(self._dice.uniform(*RESTART_SECONDS))
            if code is not None:
                self._ended(name, code)
        time.sleep(TURN_SECONDS)

    def _ended(self, name: str, code: int) -> None:
        if code == 0 and name in CLIENTS and (self.cluster.directories[name] / "enough").exists():
            self._over.add(name)
        elif name == BROKER and code == 1 and time.time() - self._trouble_at < EXCUSED_SECONDS:
            self.log(f"           {name:7} does not start on such a disk")
        else:
            self.log(f"           {name:7} ended by itself, exit code {code}")
            self.wrong.append(f"{name} ended by itself with exit code {code}: see {name}.out")

    # -- the end -----------------------------------------------------------------------------------------------------

    def _recover(self) -> None:
        self.cluster.enough()
        self._until(lambda: self._over >= set(CLIENTS), self.settings.settle, "both clients have all their results")
        if not self.wrong:
            self._until(self._all_finished, LEAVE_SECONDS, "no job is left unfinished")

    def _judge(self) -> None:
        over = time.time()
        folders = [self.cluster.directories[name] for name in CLIENTS]
        given = [job for folder in folders for job in audit.results(folder)]
        jobs = audit.stored(self._database)
        self.wrong += [text for job in given for text in audit.of_job(job)] + audit.of_database(jobs, given)
        self.wrong += [] if given else ["no job was done at all"]
        self._stop()
        more = {
            "jobs given up half made": len(audit.half_made(jobs)),
            "commits that failed": self.output(BROKER).count("ERROR not committed"),
            "starts of programs": ", ".join(f"{name} {part.starts}" for name, part in self.cluster.parts.items()),
        }
        self.report = report.text(
            self.faults, given, self.cluster.witness, folders, self._began, self._healed, over, more
        )

    def _stop(self) -> None:
        """End all programs; then nothing may run on any host, and nobody may have shown a traceback."""
        self.cluster.stop()
        self._until(lambda: not self.cluster.processes(), LEAVE_SECONDS, "no process is left over", tend=False)
        for name in HOSTS:
            self.wrong += [f"{name} shows a traceback: {line}" for line in report.tracebacks(self.output(name))]

    def end(self) -> None:
        """Leave nothing running, however it came to this; keep what was on the disk."""
        for _, _, heal in self._ends:
            with suppress(RuntimeError, OSError):
                heal()
        self.cluster.stop()
        for pid in chain.from_iterable(self.cluster.processes().values()):
            send(pid, KILL)
        shutil.copytree(self.cluster.disk.path, self.cluster.folder / "disk-copy", ignore=NO_BALLAST)

    # -- small things ------------------------------------------------------------------------------------------------

    def log(self, text: str) -> None:
        """Say what happens, and when."""
        line = f"+{self._elapsed():6.1f} s  {text}"
        self._say(line)
        files.append(self.cluster.folder / "faults.log", f"{time.time():.3f} {line}")

    def output(self, name: str) -> str:
        """All that a program has written."""
        path = self.cluster.folder / f"{name}.out"
        return path.read_text() if path.exists() else ""

    def _elapsed(self) -> float:
        return time.time() - self._began

    @property
    def _database(self) -> Path:
        return self.cluster.disk.path / "raisin.db"

    def _all_finished(self) -> bool:
        return not audit.unfinished(audit.stored(self._database))

    def _until(self, condition: Callable[[], bool], seconds: float, what: str, tend: bool = True) -> None:
        """Wait for it, tending the programs meanwhile; in vain is wrong, and then everyone says where they are."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                self.log(f"waited {seconds:g} s in vain until {what}")
                self.wrong.append(f"waited {seconds:g} s in vain until {what}")
                self._ask_where()
                return
            if tend:
                self._turn()
            else:
                time.sleep(TURN_SECONDS)

    def _ask_where(self) -> None:
        """Clients go on after their stacks are shown, broker and workers die of it (and are started again)."""
        for name, part in self.cluster.parts.items():
            if part.pid is not None:
                part.expect_end()
                send(part.pid, signal.SIGUSR1 if name in CLIENTS else signal.SIGABRT)
