"""`raisin doctor`: each single fault is found, named, and nothing else is."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from raisin_cli.doctor import reach
from raisin_core.identity import keys
from tests.cli.laptops import Double, Laptop

OWN = keys.make()


@pytest.fixture
def broker() -> Iterator[Double]:
    made = Double()
    yield made
    made.close()


@pytest.fixture
def anna(broker: Double, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Laptop:
    made = Laptop(home / "anna", monkeypatch, capsys)
    made.good("cluster", "create", "lab", "--name", "anna", "--broker", broker.claim, "--no-worker")
    return made


def wrong(anna: Laptop) -> dict[str, str]:
    """What the doctor finds wrong: area -> text."""
    said = anna.raisin("doctor", "--json")
    found = {each["area"]: each for each in json.loads(said.out) if each["state"] == "wrong"}
    assert all(each["advice"] for each in found.values())
    assert said.code == (1 if found else 0)
    return {area: each["text"] for area, each in found.items()}


def test_nothing_is_wrong(anna: Laptop) -> None:
    assert wrong(anna) == {}
    said = anna.good("doctor")
    for area in ("versions", "permissions", "clock", "disk", "keys", "reachability", "interpreter", "sandbox"):
        assert f" {area} " in said
    assert "no sandbox isolates tasks yet" in said


def test_without_a_cluster_it_looks_at_the_machine(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = Laptop(home / "nobody", monkeypatch, capsys).good("doctor")
    assert "none is active" in said


def test_a_file_that_others_can_read(anna: Laptop) -> None:
    (anna.home / "clusters" / "lab" / "settings.toml").touch(0o600)
    (anna.home / "clusters" / "lab" / "settings.toml").chmod(0o604)
    found = wrong(anna)
    assert "settings.toml (mode 0604)" in found.pop("permissions")
    assert set(found) <= {"keys"}  # the profile refuses it as well


def test_a_key_that_is_gone(anna: Laptop) -> None:
    (anna.home / "clusters" / "lab" / "member.key").unlink()
    assert set(wrong(anna)) == {"keys"}


def test_a_book_that_was_changed(anna: Laptop) -> None:
    book = anna.home / "clusters" / "lab" / "book"
    book.write_bytes(book.read_bytes()[:-1] + b"x")
    assert set(wrong(anna)) == {"keys"}


@pytest.mark.parametrize(
    ("area", "break_it"),
    [
        ("clock", lambda patch: patch.setattr("raisin_cli.doctor.here.time.time", lambda: 0.0)),
        ("disk", lambda patch: patch.setattr("raisin_cli.doctor.findings.NO_DISK", 10**18)),
        ("interpreter", lambda patch: patch.setattr("raisin_cli.doctor.examine.sys.executable", "/no/python")),
        ("versions", lambda patch: patch.setattr("raisin_cli.doctor.here._cipher", lambda: "")),
    ],
)
def test_one_fault_of_the_machine(
    anna: Laptop, monkeypatch: pytest.MonkeyPatch, area: str, break_it: Callable[[pytest.MonkeyPatch], None]
) -> None:
    break_it(monkeypatch)
    assert set(wrong(anna)) == {area}


def test_a_broker_that_is_gone(anna: Laptop, broker: Double) -> None:
    broker.close()
    assert "nobody listens" in wrong(anna)["reachability"]


# -- which of address, port, firewall and key ------------------------------------------------------------------------


def looked(address: str, broker: Double) -> str:
    found = reach.address(address, broker.keys.public, OWN)
    assert found.advice or found.state == "ok"
    return found.text


def test_all_is_well(broker: Double) -> None:
    assert "it admits this machine" in looked(broker.address, broker)


def test_the_name_is_wrong(broker: Double) -> None:
    assert "wrong is the address: the name no-such-host.invalid" in looked("no-such-host.invalid:5757", broker)


def test_it_is_no_address(broker: Double) -> None:
    assert "wrong is the address" in looked("lab:port", broker)


def test_the_port_is_wrong(broker: Double) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert f"wrong is the port: the machine answers, but nobody listens on port {port}" in looked(
        f"127.0.0.1:{port}", broker
    )


def test_the_second_port_is_closed(broker: Double) -> None:
    broker.second.close()
    assert "wrong is the port: port " in looked(broker.address, broker)


def test_a_firewall_drops(broker: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    def dropped(*_: object) -> socket.socket:
        raise TimeoutError("timed out")

    monkeypatch.setattr(reach.socket, "create_connection", dropped)
    assert "wrong is the firewall or address: nothing comes back" in looked("192.0.2.1:5757", broker)


def test_the_key_is_wrong(broker: Double) -> None:
    found = reach.address(broker.address, keys.make().public, OWN)
    assert "wrong is the key" in found.text


def test_something_else_listens(broker: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "TALK_SECONDS", 0.5)
    silent = [socket.create_server(("127.0.0.1", 0))]
    while len(silent) == 1:
        with contextlib.suppress(OSError):
            silent.append(socket.create_server(("127.0.0.1", silent[0].getsockname()[1] + 1)))
            break
        silent[0].close()
        silent[0] = socket.create_server(("127.0.0.1", 0))
    try:
        found = looked(f"127.0.0.1:{silent[0].getsockname()[1]}", broker)
    finally:
        for each in silent:
            each.close()
    assert "accepts connections and says nothing" in found


def test_one_good_address_is_enough(broker: Double) -> None:
    found = reach.broker(["no-such-host.invalid:1", broker.address], broker.keys.public, OWN)
    assert [each.state for each in found] == ["warning", "ok"]
    assert reach.broker([], broker.keys.public, OWN)[0].state == "wrong"
