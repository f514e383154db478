"""Where a host can be reached."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import psutil
import pytest

from raisin_core.interfaces import own_addresses

FOUR, SIX = socket.AF_INET, socket.AF_INET6
INTERFACES = {
    "lo": [(FOUR, "127.0.0.1"), (SIX, "::1")],
    "eth0": [(FOUR, "203.0.113.9"), (SIX, "fe80::1%eth0"), (SIX, "2001:db8::7"), (-1, "00:00:5e:00:53:01")],
    "wlan0": [(FOUR, "192.168.1.20"), (FOUR, "169.254.3.4")],
}


@pytest.fixture
def interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {name: [SimpleNamespace(family=a, address=b) for a, b in many] for name, many in INTERFACES.items()}
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: found)


@pytest.mark.usefixtures("interfaces")
def test_all_that_others_can_use() -> None:
    both = ["192.168.1.20:5757", "203.0.113.9:5757", "[2001:db8::7]:5757"]
    assert sorted(own_addresses("[::]:5757")) == sorted(both)
    assert sorted(own_addresses("*:5757")) == sorted(own_addresses("0.0.0.0:5757")) == sorted(both[:2])


@pytest.mark.usefixtures("interfaces")
def test_a_broker_that_listens_on_one_address_is_there() -> None:
    assert own_addresses("127.0.0.1:6000") == ["127.0.0.1:6000"]
    assert own_addresses("ipc:///run/a") == ["ipc:///run/a"]


def test_a_host_without_a_network_has_at_least_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "net_if_addrs", dict)
    assert own_addresses("*:5757") == ["127.0.0.1:5757"]
    with pytest.raises(ValueError, match="is no address of a broker"):
        own_addresses("")
