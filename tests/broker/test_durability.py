"""What survives: with "process" the death of the process, with "power" also a power cut; the count of runs always."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from raisin_broker.store.base import Durability
from raisin_broker.store.sql import SqlStore
from tests.broker.stores import commit, opened, page

NORMAL, FULL = 1, 2


@pytest.mark.parametrize(("durability", "level"), [("process", NORMAL), ("power", FULL)])
def test_the_level_is_set_and_set_again_after_the_run_was_counted(
    tmp_path: Path, durability: Durability, level: int
) -> None:
    store = SqlStore(tmp_path / "raisin.db", durability=durability)
    assert store._pragma("synchronous") == level
    seen: list[int] = []
    store._db.set_trace_callback(lambda sql: seen.append(FULL) if sql == "PRAGMA synchronous = FULL" else None)
    for _ in range(2):
        store.start()
        assert store._pragma("synchronous") == level
    assert seen[:2] == [FULL, FULL]
    commit(store, 1, opened(), page())
    store.close()


WATCHED = """
import os, sys
from pathlib import Path
from raisin_broker.store.sql import SqlStore
from tests.broker.stores import *
store = SqlStore(Path(sys.argv[1]), durability=sys.argv[2])
def told(word):
    os.write(1, word + b"\\n")
told(b"start")
store.start()
told(b"commit")
for number in range(5):
    commit(store, number + 1, opened(), page(number=number))
told(b"end")
"""


def syncs(path: Path, durability: Durability) -> tuple[int, int]:
    """How often the system was asked to bring data to the disk: at the start, and in five commits."""
    if not (strace := shutil.which("strace")):
        pytest.skip("needs strace")
    root, log = Path(__file__).parents[2], path.with_suffix(".strace")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(root), *sys.path]))}
    command = [strace, "-f", "-o", str(log), "-e", "trace=fsync,fdatasync,write", sys.executable, "-c", WATCHED]
    done = subprocess.run([*command, str(path), durability], env=environment, capture_output=True, text=True)
    if done.returncode and "ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.stdout.split() == ["start", "commit", "end"]
    _, start, commits = re.split(r'write\(1, "(?:start|commit)\\n"', log.read_text())
    count = re.compile(r"\b(?:fsync|fdatasync)\(").findall
    return len(count(start)), len(count(commits.split('write(1, "end')[0]))


def test_power_waits_for_the_disk_at_every_commit_and_process_does_not(tmp_path: Path) -> None:
    start, commits = syncs(tmp_path / "a.db", "process")
    assert start >= 1
    assert commits == 0
    start, commits = syncs(tmp_path / "b.db", "power")
    assert start >= 1
    assert commits >= 5
