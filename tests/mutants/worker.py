"""Mutants of the worker's machine, and of the end of the line that it shares with the client."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

MACHINE, STATE, LINE = "raisin_worker/machine.py", "raisin_worker/state.py", "raisin_core/peer.py"
DELIVERY = "raisin_worker/delivery.py"

MUTANTS: Final = (
    Mutant(
        "does not say again what has no verdict",
        DELIVERY,
        "            self._say_results(each)\n        self._say_crashes(self.state.crashes.keys())",
        "            pass\n        self._say_crashes(self.state.crashes.keys())",
    ),
    Mutant("does not tell of a crash", MACHINE, "            self.delivery.blame(lease, event)\n", ""),
    Mutant(
        "blames the first task of the range for a crash",
        DELIVERY,
        "            index = max(died.index, lease.start)",
        "            index = lease.start",
    ),
    Mutant("keeps pages that nobody knows of", MACHINE, "        self.state.forget_pages()\n", ""),
    Mutant(
        "runs on when a job is over",
        MACHINE,
        "                self.out.append(start(self.state, self.state.slots[lease.slot]))",
        "                pass",
    ),
    Mutant(
        "says nothing of a lease whose pages were dropped",
        MACHINE,
        "            if lease.job == message.job and not self.state.has_pages(lease):",
        "            if lease.job != message.job and not self.state.has_pages(lease):",
    ),
    Mutant(
        "never leaves a silent connection",
        LINE,
        "        if self._connected and now - self._heard >= self._silence:",
        "        if self._connected and now < self._heard:",
    ),
    Mutant(
        "does not answer who it is",
        LINE,
        "        return now - self._hello_at >= HELLO_SECONDS or self.welcome is not None",
        "        return self.welcome is None and now < self._hello_at",
    ),
)
