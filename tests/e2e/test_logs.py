"""Logs beside the state, private and rotated; and their tail in the error where the cluster does not start."""

from __future__ import annotations

import logging
import stat

import pytest

from raisin_core import logs
from tests.e2e import support
from tests.e2e.support import await_gone

pytestmark = pytest.mark.slow

USE = "import raisin; print(raisin.process(abs, (-1,)))"


def test_each_part_has_its_log_beside_its_state(own_home):
    assert own_home.run(USE).ok() == "1\n"
    await_gone(own_home.home)
    directory = support.embedded_directory(own_home.home)
    for part in ("broker", "worker"):
        log = directory / part / f"{part}.log"
        assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert "listening on ipc://" in (directory / "broker" / "broker.log").read_text()
    assert "stopping" in (directory / "broker" / "broker.log").read_text()


def test_logs_of_a_running_broker_rotate(folder, monkeypatch):
    """Strangers cannot fill the disk with their knocking."""
    monkeypatch.setattr(logs, "SIZE", 2000)
    logger = logs.setup("e2e", folder)
    try:
        for n in range(200):
            logger.warning("refused number %d", n)
    finally:
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
            handler.close()
        logging.getLogger("raisin.e2e").disabled = True
    files = sorted(path.name for path in folder.glob("e2e.log*"))
    assert files == ["e2e.log", "e2e.log.1", "e2e.log.2"]
    assert all(path.stat().st_size <= 2000 for path in folder.glob("e2e.log*"))
    assert "refused number 199" in (folder / "e2e.log").read_text()
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.glob("e2e.log*"))


def start_error(own_home) -> str:
    """What an interpreter says that cannot start the cluster."""
    done = own_home.run("import raisin\nraisin.process(abs, (-1,))", seconds=60)
    assert done.code == 1
    return done.err[done.err.rindex("raisin_core.errors.") :]


def test_a_damaged_database(own_home):
    assert own_home.run(USE).ok() == "1\n"
    await_gone(own_home.home)
    directory = support.embedded_directory(own_home.home)
    for path in (directory / "broker").glob("raisin.db*"):
        path.unlink()
    (directory / "broker" / "raisin.db").write_bytes(b"this is no database" * 100)
    said = start_error(own_home)
    assert said.startswith("raisin_core.errors.StartError: the cluster of this machine did not start: ")
    assert "broker.out:\nraisin-broker: " in said
    assert f"{directory / 'broker' / 'raisin.db'}" in said
    await_gone(own_home.home)


def test_a_file_in_the_place_of_the_directory(own_home):
    own_home.home.mkdir(mode=0o700)
    own_home.home.joinpath("run").write_text("a file")
    done = own_home.run("import raisin\nraisin.process(abs, (-1,))", seconds=60)
    assert done.code == 1
    assert done.err.rstrip().endswith(f"FileExistsError: [Errno 17] File exists: '{own_home.home / 'run'}'")


def test_a_log_that_cannot_be_written(own_home):
    """Its path is taken by a directory."""
    assert own_home.run(USE).ok() == "1\n"
    await_gone(own_home.home)
    log = support.embedded_directory(own_home.home) / "broker" / "broker.log"
    log.unlink()
    log.mkdir()
    said = start_error(own_home)
    assert "StartError: the cluster of this machine did not start" in said
    assert f"raisin-broker: [Errno 21] Is a directory: '{log}'" in said
    await_gone(own_home.home)


def test_a_home_with_a_long_path(folder):
    """Longer than a socket's may be."""
    home = folder / ("long" * 40)
    made = support.Interpreters(home, folder)
    try:
        assert made.run(USE).ok() == "1\n"
    finally:
        made.close()
    await_gone(home)


@pytest.mark.parametrize("name", ["with space", "ümläut", "percent%20", "quote'\"", "semi;colon"])
def test_a_home_with_a_strange_path(folder, name):
    made = support.Interpreters(folder / name, folder)
    try:
        assert made.run(USE).ok() == "1\n"
    finally:
        made.close()
    await_gone(folder / name)


def test_damaged_keys_are_named(own_home):
    assert own_home.run(USE).ok() == "1\n"
    await_gone(own_home.home)
    file = support.embedded_directory(own_home.home) / "client.key"
    file.write_text("nonsense")
    done = own_home.run("import raisin\nraisin.process(abs, (-1,))")
    assert done.code == 1
    assert f"{file} holds no key pair" in done.err


@pytest.mark.parametrize(("value", "slots"), [("1", 1), ("3", 3)])
def test_slots_can_be_chosen(own_home, value, slots):
    done = own_home.run(
        """
        import os, raisin, time
        def run(n):
            time.sleep(0.2)
            return os.getpid()
        print(len(set(raisin.map(run, range(12), chunksize=1))))
        """,
        env={"RAISIN_SLOTS": value},
    )
    assert done.ok() == f"{slots}\n"


def test_a_wrong_number_of_slots(own_home):
    done = own_home.run("import raisin\nraisin.process(abs, (-1,))", env={"RAISIN_SLOTS": "many"})
    assert done.code == 1
    assert done.err.rstrip().endswith("UsageError: RAISIN_SLOTS must be a whole number from 1 on, not 'many'")
