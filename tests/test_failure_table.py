"""The failure table: what happens when something goes wrong, and which tests show it.

Each row has dialogs in `tests/flows`, the first of which has its name, and tests with real processes in `tests/e2e`,
which begin with it. `docs/architecture.md` has the same table for people. Whoever adds a test adds it here.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOWS = ROOT / "tests" / "flows"
DOCUMENT = ROOT / "docs" / "architecture.md"


class Row(NamedTuple):
    """`flows` in `tests/flows`; `tests` in `tests/e2e`, each by what follows the row's name in its own."""

    event: str
    flows: tuple[str, ...]
    tests: tuple[str, ...]


ROWS = {
    "worker_lost": Row(
        "worker killed, cable pulled, lid closed",
        ("worker_lost", "worker_lost_and_woken"),
        (
            "by_kill_9_and_started_again",
            "by_kill_9_for_good",
            "by_its_cable",
            "while_its_lid_is_closed",
            "whose_late_result_is_the_first",
        ),
    ),
    "task_process_dies": Row(
        "task process dies (segfault, out of memory)",
        ("task_process_dies",),
        (
            "again_and_again",
            "and_only_the_task_that_ran_is_blamed",
            "once",
            "and_its_last_words_are_told",
            "on_different_hosts",
            "out_of_memory",
        ),
    ),
    "function_raises": Row(
        "function raises",
        ("function_raises",),
        (
            "its_type_arguments_and_attributes",
            "and_the_remote_traceback_comes_last",
            "twice_and_then_succeeds",
            "more_often_than_it_may",
            "without_retries",
            "and_is_tried_elsewhere",
            "to_the_end",
        ),
    ),
    "host_cannot_run_it": Row(
        "the host cannot run it (module, interpreter)",
        ("host_cannot_run_it",),
        ("and_another_can", "nor_can_any_other", "and_other_tasks_are_not_harmed", "with_another_python"),
    ),
    "broker_killed": Row(
        "broker killed",
        ("broker_killed", "all_back"),
        (
            "in_the_middle_loses_nothing",
            "while_elements_are_submitted",
            "does_not_take_back_strikes",
            "does_not_take_back_retries",
        ),
    ),
    "client_killed": Row(
        "client killed",
        ("client_killed",),
        (
            "on_a_cluster",
            "while_it_submits",
            "and_its_job_resumed_on_a_cluster",
            "on_the_embedded_cluster",
            "and_nobody_resumes",
        ),
    ),
    "disk_full": Row(
        "disk full",
        ("disk_full", "cancel_while_full"),
        ("while_a_job_runs", "and_the_broker_killed"),
    ),
    "database_locked": Row("database locked", ("database_locked",), ("for_some_seconds",)),
    "garbled_message": Row(
        "malformed, oversized or unknown message",
        ("garbled_message",),
        ("is_answered_and_logged", "upon_message", "that_is_too_large_for_the_socket", "of_random_bytes"),
    ),
}


def end_to_end() -> set[str]:
    """The names of all tests with real processes."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "tests" / "e2e").glob("test_*.py")]
    return {each.name for tree in trees for each in tree.body if isinstance(each, ast.FunctionDef)}


def table() -> list[list[str]]:
    """The cells of the table in the document, without its head."""
    section = DOCUMENT.read_text(encoding="utf-8").split("\n## What happens when\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("name", ROWS)
def test_a_row_has_its_dialogs(name: str) -> None:
    flows = ROWS[name].flows
    assert flows[0] == name
    assert [flow for flow in flows if not (FLOWS / f"{flow}.txt").is_file()] == []


@pytest.mark.parametrize("name", ROWS)
def test_a_row_has_its_tests_with_real_processes(name: str) -> None:
    found = {test for test in end_to_end() if test.startswith(f"test_{name}_")}
    assert found == {f"test_{name}_{rest}" for rest in ROWS[name].tests}
    assert found


def test_people_read_the_same_table() -> None:
    told = [(event, dialogs, tests) for event, _, dialogs, tests in table()]
    assert told == [(row.event, ", ".join(row.flows), f"`test_{name}_*`") for name, row in ROWS.items()]
    assert all(consequence for _, consequence, _, _ in table())
