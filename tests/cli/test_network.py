"""What is known of this machine's network."""

from __future__ import annotations

import socket
from pathlib import Path

from raisin_cli import network
from raisin_core.addresses import parse_address


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} cannot be listened on" in network.free(f"127.0.0.1:{port}")
        assert f"port {port} cannot be listened on" in network.free(f"127.0.0.1:{port - 1}")
        assert network.answers(parse_address(f"127.0.0.1:{port}")) == ""


def test_ports_that_are_free() -> None:
    """Other programs may take one meanwhile, but not again and again."""
    assert any(_is_free() for _ in range(20))


def _is_free() -> bool:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    refused = network.answers(parse_address(f"127.0.0.1:{port}")) == "Connection refused"
    return network.free(f"127.0.0.1:{port}") == "" and refused


def test_firewalls_are_found_where_they_are_active(tmp_path: Path) -> None:
    etc, run = tmp_path / "etc", tmp_path / "run"
    (etc / "ufw").mkdir(parents=True)
    run.mkdir()
    (etc / "ufw" / "ufw.conf").write_text("# comment\nENABLED=no\n")
    assert network.firewalls(5757, etc, run) == []
    (etc / "ufw" / "ufw.conf").write_text("# comment\nENABLED=yes\n")
    (run / "firewalld.pid").write_text("1")
    ufw, firewalld = network.firewalls(5757, etc, run)
    assert ufw.command == "sudo ufw allow 5757:5758/tcp"
    assert "--add-port=5757-5758/tcp" in firewalld.command
