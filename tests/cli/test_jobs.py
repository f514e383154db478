"""What the commands about jobs print, write and refuse, without a cluster."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest

from raisin_cli import files, said
from raisin_cli.waiting import PATIENCE, Line
from tests.cli.programs import raisin


class Nasty:
    def __repr__(self) -> str:
        return "a\x1b[2Jb\nc\u202e"


class Broken(Exception):
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __repr__


class Point(NamedTuple):
    x: int
    y: int


# -- what is printed -------------------------------------------------------------------------------------------------


def test_a_result_is_one_printable_line() -> None:
    assert said.value_line([1, "é\n日本"]) == "[1, 'é\\n日本']"
    assert said.value_line(Nasty()) == "a\\x1b[2Jb\\nc\\u202e"
    assert said.value_line(Broken()) == "<Broken: its repr raised RuntimeError: no repr>"


def test_an_error_is_one_printable_line() -> None:
    assert said.error_line(ValueError("bad\x1b[31m value\nand more")) == "ValueError: bad value"
    assert said.error_line(KeyError()) == "KeyError"
    assert said.error_line(Broken()) == "Broken: (no text)"
    assert len(said.error_line(ValueError("x" * 10_000))) < 400
    assert said.error_line(type("Odd\x1b[2J\u202e", (Exception,), {})("x")) == "Odd?: x"


@pytest.mark.parametrize("value", [None, True, 0, -1.5, "é\x1b", [1, [2]], {"a": {"b": []}}, "", [], {}], ids=repr)
def test_json_says_what_it_can(value: Any) -> None:
    line = said.value_record(7, value)
    assert json.loads(line) == {"index": 7, "res": value}
    assert line.isascii()
    assert line.isprintable()


def test_tuples_are_lists_in_json() -> None:
    assert json.loads(said.value_record((1, 2), (3, (4,)))) == {"index": [1, 2], "res": [3, [4]]}
    assert json.loads(said.value_record(0, Point(1, 2)))["res"] == [1, 2]


DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "value", [{1: 2}, {"a": b"x"}, b"x", float("nan"), [float("inf")], {1, 2}, Nasty(), 1j, Broken]
)
def test_what_json_cannot_say_is_its_repr(value: Any) -> None:
    """Nothing is said as something that it is not: keys stay what they are, and the output stays JSON."""
    found = json.loads(said.value_record(0, value), parse_constant=pytest.fail)
    assert found == {"index": 0, "res": said.value_line(value), "repr": True}


def test_what_is_too_deep_for_json_is_a_line_too() -> None:
    found = json.loads(said.value_record(0, DEEP))
    assert found["repr"]
    assert "RecursionError" in found["res"] or found["res"].startswith("[[[")


# -- what is written -------------------------------------------------------------------------------------------------


def write(target: Path, content: bytes, force: bool = False) -> int:
    return files.write_whole(target, lambda file: file.write(content) and None, force)


def test_a_file_is_private_and_whole(tmp_path: Path) -> None:
    target = tmp_path / "out"
    assert write(target, b"content") == 7
    assert target.read_bytes() == b"content"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    if os.name == "posix":
        assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_what_exists_is_only_overwritten_when_told(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_bytes(b"precious")
    for attempt in (lambda: files.check_target(target, False), lambda: write(target, b"new")):
        with pytest.raises(click.ClickException, match=r"exists already; .* --force"):
            attempt()
    assert target.read_bytes() == b"precious"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    files.check_target(target, True)
    write(target, b"new", force=True)
    assert target.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_same_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", link)
    target = tmp_path / "out"
    write(target, b"content")
    with pytest.raises(click.ClickException, match="exists already"):
        write(target, b"new")
    assert target.read_bytes() == b"content"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_dangling_link_is_something_that_exists(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path / "nowhere")
    with pytest.raises(click.ClickException, match="exists already"):
        write(tmp_path / "out", b"x")
    assert not (tmp_path / "nowhere").exists()


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(file: Any) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write_whole(tmp_path / "out", fail, False)
    assert list(tmp_path.iterdir()) == []


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="there is no directory"):
        files.check_target(tmp_path / "no" / "out", False)


# -- the line while waiting ------------------------------------------------------------------------------------------


class Progress(NamedTuple):
    done: int = 5
    failed: int = 1
    total: int = 20
    waits: str = ""


class Handle:
    name = "fit\x1b[2J"

    def __init__(self) -> None:
        self.said = Progress()

    def progress(self) -> Progress:
        return self.said


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def line(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO) -> tuple[Line, Any]:
    monkeypatch.setattr(sys, "stderr", stream)
    handle: Any = Handle()
    return Line(handle, "HINT"), handle


def test_a_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    stream = Terminal()
    drawn, handle = line(monkeypatch, stream)
    drawn.tick()
    assert stream.getvalue() == "", "what is quick needs no line"
    clock[0] += 61.5
    drawn.tick()
    assert stream.getvalue() == "\rfit: 5/20 done, 1 failed, 01:01\x1b[K"
    handle.said = Progress(6, 0, -1)
    drawn.tick()
    assert stream.getvalue().endswith("\rfit: 6 done, 01:01\x1b[K")
    drawn.clear()
    drawn.clear()
    assert stream.getvalue().endswith("01:01\x1b[K\r\x1b[K")


def test_elsewhere_it_says_once_what_holds_the_job_up(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    stream = io.StringIO()
    told, handle = line(monkeypatch, stream)
    for waits in ("", "no worker is connected", ""):
        handle.said = Progress(waits=waits)
        told.tick()
        clock[0] += PATIENCE
    assert stream.getvalue() == "", "a moment without workers is not worth a word"
    handle.said = Progress(waits="no worker\x1b[2J is\nconnected")
    for _ in range(3):
        told.tick()
        clock[0] += PATIENCE
    assert stream.getvalue() == "raisin: nothing of it runs: no worker is connected. HINT\n"


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ["jobs", "more"],
        ["jobs", "--limit", "0"],
        ["job"],
        ["results"],
        ["results", "3f2a", "90b1"],
        ["results", "3f2a", "--json", "--output", "x"],
        ["cancel"],
        ["explain"],
        ["jobs", "--broker", "lab:5757"],
        ["jobs", "--broker-key", "x"],
        ["jobs", "--broker", "lab:5757", "--broker-key", "short"],
        ["jobs", "--broker", "no address", "--broker-key", "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"],
    ],
    ids=" ".join,
)
def test_wrong_usage(command: list[str], home: Path) -> None:
    done = raisin(*command)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Error:" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(home.glob("embedded-*")) == [], "no cluster was started for that"


@pytest.mark.parametrize("command", ["job", "results", "cancel", "explain"])
def test_what_is_no_id(command: str, home: Path) -> None:
    done = raisin(command, "\x1b[2Jxyz")
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "is no job id" in done.stderr
    assert "\x1b" not in done.stderr
    assert list(home.glob("embedded-*")) == []


def test_an_output_that_exists_is_found_out_first(tmp_path: Path, home: Path) -> None:
    (tmp_path / "out").write_text("precious")
    done = raisin("results", "3f2a", "--output", str(tmp_path / "out"))
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr == f"raisin: {tmp_path / 'out'} exists already; choose another name, or overwrite it with --force\n"
    )
    assert list(home.glob("embedded-*")) == []


@pytest.mark.slow  # the same on every Python
def test_nobody_at_that_address(tmp_path: Path) -> None:
    where = {"RAISIN_BROKER": "127.0.0.1:9", "RAISIN_BROKER_KEY": "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"}
    done = raisin("jobs", **where, RAISIN_KEY_FILE=str(tmp_path / "own.key"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "own.key").exists(), "the environment's key file was taken"
