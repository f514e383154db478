"""A program of the soak: started on its host, killed, frozen, and started again as a service manager does.

All it writes goes through a pipe into `OUT`, each line with its time, so that it can speak when its disk cannot be
written to. Its standard input is a pipe of ours, so it ends when we do.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from tests.soak import files
from tests.soak.network import Network, send

TASK_PROCESS: Final = b"# raisin task process"
POLITE_SECONDS: Final = 5.0
THAW: Final = getattr(signal, "SIGCONT", signal.SIGTERM)
FREEZE: Final = getattr(signal, "SIGSTOP", signal.SIGTERM)


class Part:
    """A program on a host of its own name. `command` is asked at each start; `env` is added to our environment."""

    def __init__(
        self, name: str, network: Network, command: Callable[[], Sequence[str]], out: Path, env: dict[str, str]
    ) -> None:
        self.name, self.out = name, out
        self.held = False
        self.starts = 0
        self._network, self._command, self._env = network, command, env
        self._process: subprocess.Popen[bytes] | None = None
        self._start_at: float | None = None
        self._killed = False

    @property
    def pid(self) -> int | None:
        """Its process id, if it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start it."""
        self._start_at, self._killed = None, False
        self.starts += 1
        self._process = subprocess.Popen(
            self._network.command(self.name, self._command()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self._env},
            start_new_session=True,  # Ctrl-C is for us, and we end them in order
        )
        assert self._process.stdout is not None
        threading.Thread(target=_copy, args=(self._process.stdout, self.out), daemon=True).start()

    def tend(self, restart_after: float) -> int | None:
        """Start it again, `restart_after` seconds after it was seen dead, unless it is `held`.

        Gives its exit code, once, if it ended by itself."""
        if self._process is None or self._process.poll() is None:
            return None
        if self._start_at is None:
            self._close()
            self._start_at = time.monotonic() + restart_after
            return None if self._killed else self._process.returncode
        if time.monotonic() >= self._start_at and not self.held:
            self.start()
        return None

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def kill(self) -> int | None:
        """As `kill -9`, and wait for its end; the process id, None if it did not run."""
        pid = self.pid
        if pid is not None and self._process is not None:
            self.expect_end()
            self._process.kill()
            self._process.wait()
        return pid

    def expect_end(self) -> None:
        """Its end, should it come, is our doing."""
        self._killed = True

    def freeze(self, frozen: bool) -> int:
        """Stop all that runs on its host, or let it go on: a closed lid. How many processes that were."""
        pids = self._network.pids(self.name)
        for pid in pids:
            send(pid, FREEZE if frozen else THAW)
        return len(pids)

    def task_processes(self) -> list[int]:
        """Those on its host that run tasks."""
        return [pid for pid in self._network.pids(self.name) if TASK_PROCESS in _command_line(pid)]

    def stop(self) -> None:
        """End it politely, then less so; what it leaves on its host is not touched."""
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.terminate()
                self._process.wait(POLITE_SECONDS)
            self._process.kill()
            self._process.wait()
            self._close()

    def _close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()


def _command_line(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _copy(stream: IO[bytes], out: Path) -> None:
    with stream:
        for line in stream:
            files.append(out, f"{time.time():.3f} {line.decode(errors='replace').rstrip()}")
