"""Computers on which people type commands: real `raisin` programs on loopback, each computer with a home of its own.

What they start in the background is ended with the test.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from raisin_cli import programs
from raisin_core.identity.profile import Profile
from tests.cli.programs import RUN
from tests.closed.relay import two_in_a_row
from tests.closed.support import at_home
from tests.e2e.support import Done, Program

SECONDS: Final = 60.0


def free_port() -> int:
    """A port that is free, and the next one too."""
    pair = two_in_a_row()
    port: int = pair[0].getsockname()[1]
    for each in pair:
        each.close()
    return port


class Computer:
    """A home, and who types there. `before`: Python that each command runs first; `env`: what its shell exports."""

    def __init__(self, folder: Path, name: str, before: str = "", env: Mapping[str, str] | None = None) -> None:
        self.name, self.folder, self.before = name, folder, before
        self.home = folder / name
        self.env = {**os.environ, "RAISIN_HOME": str(self.home), "COLUMNS": "100", **(env or {})}
        self.typed: list[Program] = []

    def start(self, code: str, *arguments: str, stdin: str | None = None) -> Program:
        """Start an interpreter that runs this text."""
        command = [sys.executable, "-c", f"{self.before}\n{code}", *arguments]
        label = f"{self.name}-{len(self.typed)}"
        self.typed.append(Program(command, self.folder, label, stdin, cwd=self.folder, env=self.env))
        return self.typed[-1]

    def python(self, code: str, *arguments: Any) -> str:
        """Run a text of Python to its end; what it printed. Fails where it does not end well."""
        return self.start(code, *map(str, arguments)).wait(SECONDS).ok()

    def typing(self, *arguments: str, stdin: str | None = None) -> Program:
        """Start a command, whatever comes of it."""
        return self.start(RUN, *arguments, stdin=stdin)

    def raisin(self, *arguments: str) -> str:
        """Type a command that must go well; what it said."""
        return self.typing(*arguments).wait(SECONDS).ok()

    def bad(self, *arguments: str) -> Done:
        """Type a command that must fail, and say so in a line."""
        done = self.typing(*arguments).wait(SECONDS)
        assert done.code == 1, done
        assert "Traceback" not in done.err
        return done

    def profile(self, name: str | None = None) -> Profile:
        with at_home(self.home):
            return Profile.load(name)

    def names(self) -> list[str]:
        """The clusters that it belongs to."""
        with at_home(self.home):
            return Profile.names()

    def create(self, cluster: str, *options: str) -> None:
        """Found a cluster, with its broker here."""
        listen = f"127.0.0.1:{free_port()}"
        self.raisin("cluster", "create", cluster, "--name", self.name, "--listen", listen, *options)

    def invite(self, name: str, *options: str) -> str:
        """The invitation that is to be pasted."""
        return self.raisin("cluster", "invite", "--name", name, *options).split()[-1]

    def close(self) -> None:
        for program in self.typed:
            program.close()
        with at_home(self.home):
            for path in sorted((self.home / "clusters").glob("*/")):
                programs.stop_all(path.name)


@contextlib.contextmanager
def computers(folder: Path, names: Sequence[str], **options: Any) -> Iterator[list[Computer]]:
    """Some computers, whose programs end afterwards."""
    made = [Computer(folder, name, **options) for name in names]
    try:
        yield made
    finally:
        for each in made:
            each.close()
