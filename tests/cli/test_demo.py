"""`raisin demo`, whole, as a program."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.programs import nothing_is_left, raisin, start

VICTIMS = ("task process of (?:anna|ben)", "worker (?:anna|ben)", "the broker")
ROW = r"^ *{}  +\S.*? +(\d+) +(\d+) +(\d+\.\d\d) s +(\d+) +(\d+) *$"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the demo makes its directory."""
    made = tmp_path / "place"
    made.mkdir()
    return made


def check(done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stderr) == (0, "")
    for victim in VICTIMS:
        assert len(re.findall(rf"\] kill -9 {victim} \(pid \d+\), in the middle of ", done.stdout)) == 1
        row = re.search(ROW.format(victim), done.stdout, re.MULTILINE)
        assert row, done.stdout
        in_hand, rerun, _, lost, twice = row.groups()
        assert int(rerun) <= int(in_hand)
        assert (lost, twice) == ("0", "0")
    assert re.search(r"\] +the broker was started again", done.stdout)
    assert re.search(r"\] +(anna|ben) was started again", done.stdout)
    assert "tasks have one result each" in done.stdout
    assert "most complex functions" in done.stdout
    assert "times as fast" in done.stdout
    assert "raisin worker run" in done.stdout


@pytest.mark.slow  # what it kills, tests/e2e/test_life.py and test_stopping.py kill on every Python
def test_the_whole_library_and_a_picture_of_it(place: Path, tmp_path: Path, home: Path) -> None:
    path = tmp_path / "demo.svg"
    done = raisin("demo", "--picture", str(path), TMPDIR=str(place))
    check(done)
    assert list(home.iterdir()) == []  # the user's own raisin is not touched
    nothing_is_left(place)
    picture = path.read_text()
    assert picture.startswith("<svg")
    assert "kill&#160;-9" in picture
    assert "@font-face" not in picture
    assert "▀" not in picture
    for private in (str(Path.home()), str(place), "/tmp"):
        assert private not in picture


@pytest.mark.slow
def test_keep(place: Path) -> None:
    done = raisin("demo", "--files", "10", "--keep", TMPDIR=str(place))
    check(done)
    assert "10 files" in done.stdout
    kept = re.search(r"^kept: (.*)$", done.stdout, re.MULTILINE)
    assert kept
    folders = sorted(path.name for path in Path(kept[1]).iterdir() if path.is_dir())
    assert folders == ["anna", "ben", "broker", "clients"]
    assert (Path(kept[1]) / "broker" / "raisin.db").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_ends_in_order_when_it_is_stopped(place: Path, number: signal.Signals, code: int) -> None:
    with start("demo", TMPDIR=str(place)) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "kill -9 worker" in line:  # so a part is missing at this moment
                break
        demo.send_signal(number)
        _, errors = demo.communicate(timeout=60)
    assert demo.returncode == code
    assert errors.strip() == ""
    nothing_is_left(place)


@pytest.mark.slow  # the workers wait for the broker, in vain
def test_its_processes_end_when_it_is_killed(place: Path) -> None:
    with start("demo", TMPDIR=str(place)) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "kill -9 task process" in line:
                break
        demo.kill()
        demo.communicate(timeout=60)
    for left in place.iterdir():  # the directory itself nobody can remove any more
        left.rename(place.parent / "left")
    nothing_is_left(place)


DOUBLED = """
from raisin_cli.demo.ledger import Ledger
add = Ledger.add
def twice(self, record):
    add(self, record)
    if record["index"] == 3:
        add(self, record)
Ledger.add = twice
"""
CHANGED = """
from raisin_cli.demo.ledger import Ledger
add = Ledger.add
def wrong(self, record):
    if record["index"] == 3:
        record["res"] = record["res"]._replace(value=record["res"].value._replace(lines=-1))
    add(self, record)
Ledger.add = wrong
"""


@pytest.mark.parametrize(
    ("sabotage", "said"), [(DOUBLED, ": counted 2 times"), (CHANGED, ": the cluster says Report(")]
)
@pytest.mark.slow
def test_it_fails_when_something_is_wrong(place: Path, sabotage: str, said: str) -> None:
    done = raisin("demo", "--files", "10", before=sabotage, TMPDIR=str(place))
    assert done.returncode == 1
    assert done.stderr.startswith("raisin: the verification failed:\n")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    nothing_is_left(place)
