"""The cluster of the soak: broker, workers, clients and the relay, each on its own host, with their keys and roster.

Peers know the broker by the relay's end of their own cable. The broker's data are on the small disk; all else is in
`folder`, one directory a host.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Final

from raisin_core import home
from raisin_core.identity import keys, roster
from tests.soak import network
from tests.soak.disk import Disk
from tests.soak.network import Network
from tests.soak.part import Part
from tests.soak.workload import WORKERS

BROKER: Final = "broker"
CLIENTS: Final = ("zoe", "max")
PEERS: Final = WORKERS + CLIENTS
HOSTS: Final = (BROKER, *PEERS)
PORT: Final = 5757
SLOTS: Final = 2
ROOT: Final = Path(__file__).resolve().parents[2]


class Cluster:
    """All programs of the soak. `parts` has those that may die; the relay does not."""

    def __init__(self, folder: Path, net: Network, disk: Disk, seed: int) -> None:
        self.folder, self.network, self.disk = folder, net, disk
        self.witness = folder / "witness"
        self.directories = {name: home.private_directory(folder / name) for name in (network.HUB, *HOSTS)}
        self._make_keys()
        self.relay = self._part(network.HUB, "-m", "tests.soak.relay", json.dumps(self._relay_config(seed)))
        self.parts = {name: self._make(name) for name in HOSTS}

    def _make_keys(self) -> None:
        """Each machine's own key; whom the broker admits stands in its roster."""
        own, _ = keys.load_or_make(self.disk.path / "broker.key")
        self.broker_key = own.public.decode()
        for name in PEERS:
            key, _ = keys.load_or_make(self._key_file(name))
            role = "worker" if name in WORKERS else "client"
            roster.add(self.disk.path / "roster.toml", key.public, name, [role])

    def _key_file(self, name: str) -> Path:
        return self.directories[name] / ("worker.key" if name in WORKERS else "client.key")

    def _relay_config(self, seed: int) -> dict[str, object]:
        lines = {name: self.network.relay_address(name) for name in PEERS}
        return {"broker": self.network.address(BROKER), "port": PORT, "seed": seed, "lines": lines}

    def _make(self, name: str) -> Part:
        address, data = f"{self.network.relay_address(name)}:{PORT}", str(self.directories[name])
        if name == BROKER:
            listen = f"{self.network.address(BROKER)}:{PORT}"
            words = ["-m", "raisin_broker.main", "--listen", listen, "--data", str(self.disk.path)]
            return self._part(name, *words, "--verbose", "--end-with-stdin")
        if name in WORKERS:
            words = ["-m", "raisin_worker.main", "--broker", address, f"--broker-key={self.broker_key}"]
            return self._part(name, *words, "--data", data, "--slots", str(SLOTS), "--verbose", "--end-with-stdin")
        words = [name, data, address, self.broker_key, str(self._key_file(name)), str(self.witness)]
        return self._part(name, "-m", "tests.soak.client", *words)

    def _part(self, name: str, *words: str) -> Part:
        path = [
            str(ROOT),
            *(os.path.abspath(each) for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each),
        ]
        env = {
            "PYTHONPATH": os.pathsep.join(path),
            "RAISIN_HOME": str(self.directories[name]),
            "PYTHONFAULTHANDLER": "1",
        }
        return Part(name, self.network, lambda: [sys.executable, *words], self.folder / f"{name}.out", env)

    def order(self, line: str, delay: float = 0.0, loss: float = 0.0, silent: str = "") -> None:
        """How the relay is to treat a peer's line from now on: see the relay."""
        self.relay.tell(json.dumps({"line": line, "delay": delay, "loss": loss, "silent": silent}))

    def enough(self) -> None:
        """Clients end after the job that they are at."""
        for name in CLIENTS:
            (self.directories[name] / "enough").touch()

    def stop(self) -> None:
        """End all programs, clients first, the relay last."""
        for part in (*reversed(self.parts.values()), self.relay):
            part.stop()

    def processes(self) -> dict[str, list[int]]:
        """What runs on the hosts."""
        found = {name: self.network.pids(name) for name in (network.HUB, *HOSTS)}
        return {name: pids for name, pids in found.items() if pids}
