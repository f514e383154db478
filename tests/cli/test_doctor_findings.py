"""What facts about a machine mean: pure."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from raisin_cli.doctor import findings, here
from raisin_cli.doctor.findings import Exposed, Finding

NOW = findings.RELEASED + 86_400.0


def test_the_worst_counts() -> None:
    assert findings.worst([]) == "ok"
    assert findings.worst([Finding("a", "wrong", ""), Finding("b", "ok", ""), Finding("c", "warning", "")]) == "wrong"


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        (findings.python((3, 11), "python"), "ok", "3.11"),
        (findings.python((3, 9), "python"), "wrong", "3.9"),
        (findings.python((3, 15), "python"), "warning", "3.15"),
        (findings.zeromq("27", "4.3.5", True), "ok", "with CURVE"),
        (findings.zeromq("27", "4.3.5", False), "wrong", "without CURVE"),
        (findings.cipher("cryptography"), "ok", "cryptography"),
        (findings.cipher(""), "wrong", "no library"),
        (findings.parts([]), "ok", "installed"),
        (findings.parts(["raisin-worker"]), "warning", "raisin-worker"),
        (findings.clock(NOW, NOW), "ok", "plausible"),
        (findings.clock(0.0, 0.0), "wrong", "slow"),
        (findings.clock(NOW * 2, NOW), "wrong", "fast"),
        (findings.clock(NOW, NOW + 3600), "warning", "future"),
        (findings.disk("/x", 10**12), "ok", "1000.0 GB"),
        (findings.disk("/x", 10**9), "warning", "1.0 GB"),
        (findings.disk("/x", 10**7), "wrong", "0.0 GB"),
        (findings.interpreter("python", ""), "ok", "python"),
        (findings.interpreter("python", "it lacks cloudpickle"), "wrong", "cloudpickle"),
        (findings.sandbox([]), "ok", "no sandbox isolates tasks yet"),
        (findings.sandbox(["anna"]), "warning", "anna"),
    ],
)
def test_one_fact(found: Finding, state: str, words: str) -> None:
    assert found.state == state
    assert words in found.text
    assert bool(found.advice) is (state != "ok")


def test_keys_that_do_not_fit_are_named_with_advice() -> None:
    assert [each.state for each in findings.keys("lab", [])] == ["ok"]
    (found,) = findings.keys("lab", ["a key is gone\tput it back"])
    assert found == Finding("keys", "wrong", "a key is gone", "put it back")


def test_many_exposed_files_are_counted() -> None:
    found = findings.permissions("/home", 20, [Exposed(f"/home/{n}", 0o644) for n in range(20)])
    assert len(found) == findings.SHOWN + 1
    assert "and 15 more" in found[-1].text
    assert "chmod 600 /home/0" in found[0].advice


@pytest.mark.skipif(os.name != "posix", reason="no modes of files")
def test_a_file_that_others_can_read_is_found(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "scratch").mkdir(mode=0o700)
    (tmp_path / "scratch" / "theirs").write_text("")
    (tmp_path / "key").touch(0o600)
    assert here.files(tmp_path).exposed == []
    assert here.files(tmp_path).total == 1
    (tmp_path / "key").chmod(0o640)
    assert here.files(tmp_path).exposed == [Exposed(str(tmp_path / "key"), 0o640)]
    tmp_path.chmod(0o755)
    assert [each.path for each in here.files(tmp_path).exposed] == [str(tmp_path), str(tmp_path / "key")]


def test_this_machine_is_looked_at(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    found = [*here.versions(), *here.machine(tmp_path / "not there yet"), here.interpreter(sys.executable)]
    assert findings.worst(each for each in found if each.area not in ("disk", "versions")) == "ok"
    assert {"versions", "permissions", "clock", "disk", "interpreter"} == {each.area for each in found}


def test_an_interpreter_that_cannot_run_tasks_is_wrong(tmp_path: Path) -> None:
    assert here.interpreter(str(tmp_path / "python")).state == "wrong"
    lame = tmp_path / "lame"
    lame.write_text("#!/bin/sh\nexit 1\n")
    lame.chmod(0o700)
    assert "cloudpickle" in here.interpreter(str(lame)).text
