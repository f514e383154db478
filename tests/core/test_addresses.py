from __future__ import annotations

import pytest

from raisin_core.addresses import Address, endpoints, parse_address


@pytest.mark.parametrize(
    ("address", "control", "bulk"),
    [
        ("lab:5757", "tcp://lab:5757", "tcp://lab:5758"),
        ("tcp://lab.example.org:6000", "tcp://lab.example.org:6000", "tcp://lab.example.org:6001"),
        (" lab ", "tcp://lab:5757", "tcp://lab:5758"),
        (":6000", "tcp://127.0.0.1:6000", "tcp://127.0.0.1:6001"),
        ("[::1]:6000", "tcp://[::1]:6000", "tcp://[::1]:6001"),
        ("[fe80::1%eth0]", "tcp://[fe80::1%eth0]:5757", "tcp://[fe80::1%eth0]:5758"),
        ("ipc:///run/x y", "ipc:///run/x y", "ipc:///run/x y.bulk"),
    ],
)
def test_endpoints(address: str, control: str, bulk: str) -> None:
    assert endpoints(address) == (control, bulk)
    assert endpoints(str(parse_address(address))) == (control, bulk)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "tcp://",
        "::1:5757",
        "lab:",
        "lab:x",
        "lab:-1",
        "lab:65535",
        "lab:99999",
        "lab:\u0665\u0667",  # digits, but not ours
        "udp://lab:1",
        "lab:0",
        "*:5757",
        "a b:1",
        "zoe@lab:1",
        "lab:1/x",
        "ipc://relative",
        "ipc://@abstract",
        "ipc:///" + "x" * 100,
        "ipc:///a\0b",
    ],
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ValueError, match="is no address of a broker"):
        endpoints(address)


def test_addresses_to_listen_at() -> None:
    assert parse_address("*:0") == Address("*", 0)
    assert parse_address(":0") == Address("127.0.0.1", 0)
