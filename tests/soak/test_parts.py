"""The parts of the soak that can be tried without chaos: the plan of faults, and that audit and report bite."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from raisin_core.pages import BYTES
from tests.soak import audit, files, report, workload
from tests.soak.audit import StoredJob
from tests.soak.cluster import HOSTS, WORKERS
from tests.soak.faults import Fault, kinds, plan


@pytest.mark.parametrize("seed", range(20))
def test_faults_end_in_time_and_never_two_on_one_thing(seed: int) -> None:
    found = plan(seed, 600)
    assert all(fault.until <= 600 for fault in found)
    assert found == sorted(found)
    uses = {kind.name: kind.uses for kind in kinds(40, HOSTS)}
    busy: dict[tuple[str, str], float] = {}
    for fault in found:
        for use in uses[fault.kind]:
            assert busy.get((use, fault.target), 0) <= fault.at
            busy[use, fault.target] = fault.until


@pytest.mark.parametrize("seed", range(20))
def test_a_minute_has_most_kinds_and_one_closed_lid(seed: int) -> None:
    found = plan(seed, 60, lid=20, lids=WORKERS)
    names = [fault.kind for fault in found]
    assert names.count("lid") == 1
    assert len(set(names)) >= 8


def test_same_seed_same_faults() -> None:
    assert plan(3, 600) == plan(3, 600) != plan(4, 600)


def test_each_kind_comes_up_before_one_comes_twice() -> None:
    names = {kind.name for kind in kinds(40, HOSTS)}
    assert {fault.kind for fault in plan(1, 600)} == names


# -- audit -------------------------------------------------------------------------------------------------------------


def job(kind: str, tasks: int) -> dict[str, Any]:
    """What a client writes of a job that went well."""
    work = workload.Work(kind, tasks, 1)
    outcomes: list[tuple[int, workload.Outcome]] = [(index, workload.serial(work, index)) for index in range(tasks)]
    in_order = [[index, [*outcome[:-1], None]] for index, outcome in outcomes]
    return {
        "label": "zoe-1",
        "id": "aa",
        **work._asdict(),
        "kept": True,
        "attached": False,
        "first": outcomes,
        "second": in_order,
    }


@pytest.mark.parametrize("kind", [each.kind for each in workload.ROUND])
def test_serial_outcomes_are_right(kind: str) -> None:
    assert audit.of_job(job(kind, 60)) == []


def test_the_workload_raises_and_prints() -> None:
    raising, printing = workload.Work("raising", 60), workload.Work("printing", 60)
    assert workload.serial(raising, 7) == ["error", "ValueError", "task 7 cannot be done", ""]
    assert workload.serial(printing, workload.PRINTS)[-1] == "task 5 prints\n"
    assert [work.kind for work in map(workload.work, range(5))] == [work.kind for work in workload.ROUND]
    assert list(workload.elements(raising)) == list(range(60))


def test_bulky_work_needs_blobs_both_ways_and_is_its_own() -> None:
    works = [workload.Work("bulky", 40, salt) for salt in (1, 2)]
    given = [workload.data(work, 3) for work in works]
    assert given[0] != given[1]
    assert min(map(len, given)) > BYTES
    assert list(workload.elements(works[0]))[3] == (3, given[0])
    result = workload.compute("bulky", 9, workload.data(works[0], 9))
    assert isinstance(result, bytes)
    assert len(result) > BYTES


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda outcomes: outcomes.pop(3), "missing: 1, as [3]"),
        (lambda outcomes: outcomes.append(outcomes[3]), "more than once: 1, as [3]"),
        (lambda outcomes: outcomes.append((60, outcomes[3][1])), "never asked for: 1, as [60]"),
        (lambda outcomes: outcomes[5][1].__setitem__(1, 0), "another result: 1"),
        (lambda outcomes: outcomes[5][1].__setitem__(-1, ""), "another result: 1"),
    ],
)
def test_wrong_results_are_found(change: Any, complaint: str) -> None:
    for reading in ("first", "second"):
        bad = copy.deepcopy(job("printing", 60))
        change(bad[reading])
        assert [complaint in text for text in audit.of_job(bad) if f"{reading} reading" in text][:1] == [True]


@pytest.mark.parametrize(
    ("stored", "complaint"),
    [
        (StoredJob("aa", "zoe-1", "running", 60, [(0, 60)]), "is not over"),
        (StoredJob("aa", "zoe-1", "done", 60, [(0, 30), (29, 60)]), "recorded twice: [(29, 30)]"),
        (StoredJob("aa", "zoe-1", "done", 60, [(0, 30), (31, 60)]), "done with [(0, 30), (31, 60)] of 60"),
        (StoredJob("bb", "zoe-2", "done", 2, [(0, 2)]), "was to be kept and is gone"),
    ],
)
def test_a_wrong_database_is_found(stored: StoredJob, complaint: str) -> None:
    (found,) = audit.of_database([stored], [job("cheap", 60)])
    assert complaint in found


def test_a_right_database_is_right() -> None:
    well = StoredJob("aa", "zoe-1", "done", 60, [(0, 30), (30, 60)])
    half_made = StoredJob("bb", "zoe-2", "running", None, [(0, 5)])
    given_up = StoredJob("cc", "zoe-2", "cancelled", None, [(0, 5)])
    empty = StoredJob("dd", "zoe-3", "done", 0, [])
    jobs = [well, half_made, given_up, empty]
    assert audit.of_database(jobs, [job("cheap", 60)]) == []
    assert audit.half_made(jobs) == [half_made, given_up]


# -- report ------------------------------------------------------------------------------------------------------------


def test_the_report_counts(tmp_path: Any) -> None:
    witness = tmp_path / "witness"
    for line in ("zoe-1 0 77 1.0", "zoe-1 1 77 1.5", "zoe-1 0 78 9.0"):
        files.append(witness, line)
    for moment in (101.0, 102.0, 130.0, 151.0, 151.5):
        files.append(tmp_path / "progress", f"{moment} 1")
    faults = [Fault(3, "kill", "broker", 0, 1), Fault(9, "kill", "anna", 0, 1), Fault(9, "lid", "ben", 40, 1)]
    text = report.text(faults, [job("slow", 2)], witness, [tmp_path], 100.0, 150.0, 155.0, {"more": "yes"})
    for wanted in (
        "3: 2 kill, 1 lid",
        "1, 0 of them taken up again",
        "tasks done                     2",
        "1 of 2 begun (3 attempts, of one task up to 2)",
        "28.0 s, at +2.0 s",
        "first results after 1.0 s, all over after 5.0 s",
        "more                           yes",
    ):
        assert wanted in text


def test_tracebacks_are_found_but_those_of_logging() -> None:
    log = "1.0 --- Logging error ---\n1.0 Traceback (most recent call last):\n1.0   x\n1.0 OSError: a\n"
    log += (
        "1.0 \n1.0 Traceback (most recent call last):\n1.0   x\n1.0 OSError: b\n1.0 Message: 'm'\n1.0 Arguments: ()\n"
    )
    own = "2.0 Traceback (most recent call last):\n2.0   File\n2.0     x\n2.0 ValueError: c\n2.0 after\n"
    assert report.tracebacks(log + own + log) == ["ValueError: c"]
    assert report.tracebacks("1.0 all is well\n") == []
