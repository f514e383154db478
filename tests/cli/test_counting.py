"""The demo's own bookkeeping: it must notice what raisin must not do."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from raisin_cli.demo import verify
from raisin_cli.demo.chaos import Chaos
from raisin_cli.demo.cluster import RESTARTS, Cluster, DemoError, Part
from raisin_cli.demo.ledger import Ledger
from raisin_cli.demo.witness import Done, Witness, watched


def record(task: str, value: Any, worker: str = "anna", pid: int = 1, ended: float = 0.0) -> dict[str, Any]:
    return {"args": (task,), "state": "done", "res": Done(value, pid, ended), "account": worker}


def failed(task: str) -> dict[str, Any]:
    return {"args": (task,), "state": "failed", "error": ValueError("no")}


def ledger(*records: dict[str, Any]) -> Ledger:
    made = Ledger()
    for each in records:
        made.add(each)
    return made


def test_counts_are_right() -> None:
    assert verify.counts(["a", "b"], ledger(record("a", 1), record("b", 2), record("other", 3))) == []


def test_what_is_wrong_is_noticed() -> None:
    full = ledger(record("a", 1), record("a", 1), failed("c"))
    complaints = verify.counts(["a", "b", "c"], full)
    assert complaints == ["c failed: ValueError('no')", "b: no result", "a: counted 2 times"]
    assert (full.lost({"a", "b", "c"}), full.twice({"a", "b", "c"})) == (2, 1)


def test_a_sample_finds_a_wrong_value() -> None:
    tasks = [str(n) for n in range(verify.SAMPLE)]
    full = ledger(*(record(task, int(task) + (task == "7")) for task in tasks))
    checked = verify.sample(int, tasks, full)
    assert checked == (verify.SAMPLE, ["7: the cluster says 8, this process 7"])


def test_a_sample_of_many_is_the_same_each_time() -> None:
    tasks = [str(n) for n in range(1000)]
    seen: list[list[str]] = [[], []]
    for run in seen:
        verify.sample(run.append, tasks, ledger())
    assert seen[0] == seen[1]
    assert len(set(seen[0])) == verify.SAMPLE


def test_long_lists_of_complaints_are_cut() -> None:
    assert verify.text([str(n) for n in range(9)]).splitlines()[-2:] == ["4", "... and 4 more"]


def test_the_witness_sees_every_beginning(tmp_path: Path) -> None:
    witness = Witness(tmp_path / "witness")
    assert witness.read() == []
    before = time.monotonic()
    done = watched("two words", 3, work=lambda text, n: text * n, witness=str(witness.path))
    watched("x", 1, work=str.__mul__, witness=str(witness.path))
    assert done[:2] == ("two wordstwo wordstwo words", os.getpid())
    first, second = witness.read()
    assert (first.pid, first.worker, first.label) == (os.getpid(), os.getppid(), "two words 3")
    assert before - 0.001 <= first.at <= second.at
    assert witness.read() == []
    with open(witness.path, "a") as file:
        file.write("1 2 3.0 half a li")
    assert witness.read() == []
    with open(witness.path, "a") as file:
        file.write("ne\n")
    assert [start.label for start in witness.read()] == ["half a line"]
    assert len(witness.starts) == 3


class Dying:
    """A cluster whose processes exist only on paper: the kills that `Chaos` wants are noted."""

    def __init__(self, home: Path) -> None:
        self.cluster = Cluster(home)
        for number, part in enumerate(self.cluster.parts):
            part.pid = 4_000_000 + number  # above what Linux gives out
        self.file = home / "witness"
        self.ledger = Ledger()
        self.chaos = Chaos(self.cluster, Witness(self.file), self.ledger, lambda task: task != "small")

    def begins(self, task: str, pid: int, worker: str) -> None:
        parent = next(part.pid for part in self.cluster.parts if part.name == worker)
        with open(self.file, "a") as file:
            file.write(f"{pid} {parent} {time.monotonic():.6f} {task}\n")

    def victims(self) -> list[str]:
        return [kill.victim for kill in self.chaos.kills]


def test_each_is_killed_at_work_and_after_the_last_one_is_back(home: Path) -> None:
    demo = Dying(home)
    demo.chaos.step(1.0)
    assert demo.victims() == []  # nobody is at work
    demo.begins("small", 4_100_000, "anna")
    demo.chaos.step(1.0)
    assert demo.victims() == []  # that is over too soon
    demo.begins("one", 4_100_000, "anna")
    demo.chaos.step(0.0)
    assert demo.victims() == []  # too early
    demo.begins("two", 4_100_000, "anna")
    demo.chaos.step(1.0)
    assert demo.victims() == ["task process of anna"]
    assert demo.chaos.kills[0].in_hand == {"small", "one", "two"}

    demo.begins("three", 4_200_000, "ben")
    demo.chaos.step(1.0)
    assert len(demo.victims()) == 1  # anna is not back
    now = time.monotonic() + 1
    demo.ledger.add(record("one", 0, "anna", 4_100_000, now))  # from the process that is dead
    demo.ledger.add(record("three", 0, "ben", 4_200_000, now))  # from another worker
    demo.ledger.add(record("old", 0, "anna", 4_100_001, now - 100))  # computed before
    demo.chaos.step(1.0)
    assert demo.chaos.kills[0].back is None
    demo.ledger.add(record("two", 0, "anna", 4_100_001, now))
    demo.begins("four", 4_100_001, "anna")
    demo.chaos.step(1.0)
    assert demo.chaos.kills[0].back is not None
    assert len(demo.victims()) == 1  # the other worker's turn
    demo.begins("five", 4_200_000, "ben")
    demo.chaos.step(1.0)
    assert demo.victims()[1:] == ["worker ben"]
    assert demo.chaos.kills[1].in_hand == {"five"}
    assert demo.chaos.spared == 1


def test_the_consequences_are_counted(home: Path) -> None:
    demo = Dying(home)
    demo.begins("one", 4_100_000, "anna")
    demo.begins("two", 4_100_000, "anna")
    demo.begins("three", 4_100_000, "anna")
    demo.chaos.step(1.0)
    demo.begins("one", 4_100_001, "anna")
    demo.begins("two", 4_100_001, "anna")
    for task in ("one", "two", "two"):
        demo.ledger.add(record(task, 0))
    demo.chaos.settle()
    kill = demo.chaos.kills[0]
    assert (kill.rerun, kill.lost, kill.twice) == (2, 1, 1)


def await_death(part: Part) -> None:
    assert part.process is not None
    part.process.wait(60)
    part.tend()


def while_it_is_tended(part: Part) -> None:
    while True:
        first = part.process
        while part.process is first:
            part.tend()
        await_death(part)


def test_a_part_that_does_not_start_says_why(home: Path) -> None:
    part = Part("it", home / "it", lambda: ["no_such_module"])
    part.start()
    with pytest.raises(DemoError, match=r"it did not start \(exit code 1\):\n.*No module named no_such_module"):
        await_death(part)
    part.stop()


def test_a_part_that_ran_before_gets_some_more_chances(home: Path) -> None:
    part = Part("it", home / "it", lambda: ["it"])
    (home / "it" / "it.py").write_text("print('here, pid 12')")
    part.start()
    assert part.process is not None
    part.process.wait(60)
    part.pid = 12  # it was seen while it ran
    part.tend()
    assert (part.deaths, part.pid) == (1, None)
    (home / "it" / "it.py").write_text("raise SystemExit('port in use')")
    with pytest.raises(DemoError, match="port in use"):
        while_it_is_tended(part)
    assert part.deaths == 1 + RESTARTS
    part.stop()
