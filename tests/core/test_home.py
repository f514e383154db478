from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from raisin_core import home, logs

posix = pytest.mark.skipif(os.name != "posix", reason="modes and forks are POSIX's")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def child(program: str, *args: object) -> Iterator[subprocess.Popen[str]]:
    """A Python that runs `program`; whatever happens, it does not outlive the test."""
    command = [sys.executable, "-c", program, *map(str, args)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line_from(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


HOLDER = """
import sys
from pathlib import Path
from raisin_core.home import Lock
print(Lock(Path(sys.argv[1])).acquire(blocking=False), flush=True)
sys.stdin.readline()
"""


# -- where things are ------------------------------------------------------------------------------------------------


def test_home_is_raisin_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAISIN_HOME", str(tmp_path / "a"))
    assert home.home() == tmp_path / "a"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAISIN_HOME", "b")
    assert home.home() == tmp_path / "b"
    assert not home.home().exists()


def test_home_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    platformdirs = pytest.importorskip("platformdirs")
    monkeypatch.delenv("RAISIN_HOME")
    assert home.home() == Path(platformdirs.user_data_dir("raisin", appauthor=False))


def test_platformdirs_is_not_imported_in_vain() -> None:
    program = "import sys; from raisin_core import home; home.home(); sys.exit('platformdirs' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@posix
def test_private_directory_is_made_and_closed(tmp_path: Path) -> None:
    assert mode(home.private_directory(tmp_path / "a" / "b")) == 0o700
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    assert mode(home.private_directory(tmp_path / "open")) == 0o700


def test_private_directory_in_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        home.private_directory(tmp_path / "file")


@posix
def test_runtime_directory_is_inside_a_short_home(home: Path) -> None:
    from raisin_core.home import runtime_directory

    assert runtime_directory() == home / "run"
    assert mode(home / "run") == 0o700


@posix
def test_runtime_directory_of_a_long_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = long_home(monkeypatch, tmp_path)
    try:
        assert home.runtime_directory() == path
        assert home.runtime_directory() == path  # also the second time
        assert mode(path) == 0o700
        assert len(str(path / ("x" * home.MAX_SOCKET_NAME))) < home.MAX_SOCKET_PATH
    finally:
        path.rmdir()


@posix
def test_runtime_directory_that_others_may_enter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = long_home(monkeypatch, tmp_path)
    path.mkdir()
    path.chmod(0o755)
    try:
        with pytest.raises(PermissionError, match="only you"):
            home.runtime_directory()
    finally:
        path.rmdir()


@posix
def test_runtime_directory_that_is_a_link(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = long_home(monkeypatch, tmp_path)
    path.symlink_to(home.private_directory(tmp_path / "trap"))
    try:
        with pytest.raises(PermissionError, match="only you"):
            home.runtime_directory()
    finally:
        path.unlink()


def long_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Set a home too long for sockets; the directory in /tmp that will be used."""
    path = tmp_path / ("long" * 30)
    monkeypatch.setenv("RAISIN_HOME", str(path))
    return Path(f"/tmp/raisin-{os.getuid()}-{hashlib.sha256(os.fsencode(path)).hexdigest()[:8]}")


# -- files -----------------------------------------------------------------------------------------------------------


def test_write_private(tmp_path: Path) -> None:
    path = tmp_path / "file"
    home.write_private(path, b"one")
    home.write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["file"]
    if os.name == "posix":
        assert mode(path) == 0o600


def test_write_private_that_fails_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    home.write_private(path, b"old")

    def full(number: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        home.write_private(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


# -- locks -----------------------------------------------------------------------------------------------------------


def test_lock_excludes_within_a_process(tmp_path: Path) -> None:
    one, two = home.Lock(tmp_path / "lock"), home.Lock(tmp_path / "lock")
    with one:
        assert one.held
        assert not two.acquire(blocking=False)
        with pytest.raises(RuntimeError):
            one.acquire()
    assert not one.held
    assert two.acquire(blocking=False)
    two.release()
    two.release()  # harmless


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    lock = home.Lock(tmp_path / "lock")
    with child(HOLDER, tmp_path / "lock") as process:
        assert line_from(process) == "True"
        assert not lock.acquire(blocking=False)
        process.kill()
        process.wait()
        assert lock.acquire(blocking=True)
    lock.release()


def test_lock_blocks_until_it_is_free(tmp_path: Path) -> None:
    one, two = home.Lock(tmp_path / "lock"), home.Lock(tmp_path / "lock")
    one.acquire()
    order: list[str] = []

    def wait() -> None:
        two.acquire()
        order.append("taken")
        two.release()

    thread = threading.Thread(target=wait)
    thread.start()
    order.append("released")
    one.release()
    thread.join(10)
    assert order == ["released", "taken"]


def test_lock_file_deleted_by_somebody(tmp_path: Path) -> None:
    """Whoever locks the file at the path holds the lock, not who locked a file that is gone."""
    one, two = home.Lock(tmp_path / "lock"), home.Lock(tmp_path / "lock")
    real = home._lock_file

    def delete_first(number: int, blocking: bool) -> bool:
        monkeypatch.setattr(home, "_lock_file", real)
        (tmp_path / "lock").unlink()
        assert two.acquire(blocking=False)
        return real(number, blocking)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(home, "_lock_file", delete_first)
        assert not one.acquire(blocking=False)
    two.release()


@posix
def test_lock_is_not_kept_by_a_forked_child(tmp_path: Path) -> None:
    program = """
import os, sys, signal
from pathlib import Path
from raisin_core.home import Lock
lock = Lock(Path(sys.argv[1]))
lock.acquire()
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    lock.release()  # not its own: must do nothing
    os.write(writer, b"x")
    signal.pause()
os.read(reader, 1)
print(child, flush=True)
sys.stdin.readline()
"""
    lock = home.Lock(tmp_path / "lock")
    with child(program, tmp_path / "lock") as process:
        forked = int(line_from(process))
        try:
            assert not lock.acquire(blocking=False)  # the parent still has it
            process.kill()
            process.wait()
            assert lock.acquire(blocking=False)  # though its child lives
        finally:
            os.kill(forked, signal.SIGKILL)
            lock.release()


# -- who is alive ----------------------------------------------------------------------------------------------------


def test_alive() -> None:
    since = home.started(os.getpid())
    assert since is not None
    assert home.alive(os.getpid(), since)
    assert not home.alive(os.getpid(), since - 1)  # another process with the same number
    assert json.loads(json.dumps(since)) == since


def test_a_process_that_ended_is_not_alive() -> None:
    with child("input()") as process:
        since = home.started(process.pid)
        assert since is not None
        process.kill()
        process.wait()
        assert not home.alive(process.pid, since)
        assert home.started(process.pid) is None


@posix
def test_a_zombie_is_not_alive() -> None:
    with child("input()") as process:
        since = home.started(process.pid)
        assert since is not None
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, and still there
        assert not home.alive(process.pid, since)


def test_the_way_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psutil")
    monkeypatch.setattr(home.sys, "platform", "darwin")
    test_alive()
    test_a_process_that_ended_is_not_alive()


@pytest.mark.parametrize(
    ("system", "expected"),
    [("zoe.lab.example.org", "zoe"), ("zo\x1b[31me", "zo[31me"), ("", "localhost"), ("x" * 99, "x" * 64)],
)
def test_host_name(monkeypatch: pytest.MonkeyPatch, system: str, expected: str) -> None:
    monkeypatch.setattr(home.socket, "gethostname", lambda: system)
    assert home.host_name() == expected


# -- logs ------------------------------------------------------------------------------------------------------------


def test_log_lines(tmp_path: Path) -> None:
    logger = logs.setup("lines", tmp_path)
    logger.info("hello %s", "zoe\n2026-01-01 1 ERROR forged\x1b[2J")
    logger.debug("not wanted")
    path = tmp_path / "lines.log"
    first, second = path.read_text().splitlines()
    assert first.endswith(f" {os.getpid()} INFO hello zoe")
    assert second == "    2026-01-01 1 ERROR forged\\x1b[2J"
    if os.name == "posix":
        assert mode(path) == 0o600


def test_log_verbose(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("verbose", tmp_path, verbose=True).debug("detail")
    assert "DEBUG detail" in capsys.readouterr().err
    assert "DEBUG detail" in logs.tail(tmp_path / "verbose.log")
    logs.setup("verbose", tmp_path).info("once")
    assert logs.tail(tmp_path / "verbose.log").count("once") == 1


def test_log_rotates_among_two_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two handlers on one file, as two processes have: neither goes on writing to a file that was rotated away."""
    monkeypatch.setattr(logs, "SIZE", 2000)
    logger = logs.setup("shared", tmp_path)
    first = logger.handlers[0]
    logger.removeHandler(first)
    second = logs.setup("shared", tmp_path).handlers[0]
    first.setFormatter(second.formatter)
    for number in range(200):
        for handler in (first, second):
            handler.handle(logger.makeRecord(logger.name, 20, "", 0, f"number {number}", (), None))
    first.close()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["shared.log", "shared.log.1", "shared.log.2"]
    kept = [line.split()[-1] for name in reversed(files) for line in (tmp_path / name).read_text().splitlines()]
    assert kept == [str(number) for number in range(200) for _ in "ab"][-len(kept) :]  # in order, no gap
    assert len(kept) > 50


def test_tail(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    assert logs.tail(path) == ""
    path.write_bytes(b"x" * 100_000 + b"\n" + b"".join(b"line %d\n" % n for n in range(20)) + b"\xff\x1b[2J\n")
    assert logs.tail(path, 3) == "line 18\nline 19\n\ufffd?[2J"
    assert len(logs.tail(path).splitlines()) == 15


@pytest.fixture(autouse=True)
def _let_go_of_logs() -> Iterator[None]:
    yield
    for name in ("lines", "verbose", "shared"):
        logger = logs.logging.getLogger(f"raisin.{name}")
        for handler in logger.handlers[:]:
            logger.removeHandler(handler)
            handler.close()
