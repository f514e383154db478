"""Closed clusters for tests: machines with homes and keys of their own, on loopback, and a broker that has none.

A machine is a RAISIN_HOME. Everything is bounded in time and ends with the test.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from raisin_core.identity import documents, founding, keys
from raisin_core.identity.documents import Broker, Member
from raisin_core.identity.profile import Profile
from raisin_core.identity.secrets import Secrets
from raisin_core.identity.standing import read_book
from tests.closed.relay import two_in_a_row
from tests.e2e.support import PATIENCE, Done, Program, until

NAME: Final = "lab"
ROOT: Final = Path(__file__).parents[2]
BOTH: Final = ("client", "worker")


@contextlib.contextmanager
def at_home(home: Path) -> Iterator[None]:
    """This process is that machine's for a while."""
    before = os.environ.get("RAISIN_HOME")
    os.environ["RAISIN_HOME"] = str(home)
    try:
        yield
    finally:
        if before is None:
            del os.environ["RAISIN_HOME"]
        else:
            os.environ["RAISIN_HOME"] = before


class Machine:
    """A member's computer."""

    def __init__(self, folder: Path, name: str, account: str, roles: Sequence[str]) -> None:
        self.name, self.account, self.roles = name, account, sorted(roles)
        self.home = folder / name
        self.home.mkdir(mode=0o700)
        self.seed = secrets.token_bytes(32)
        self.secrets = Secrets.derive(self.seed)
        self.folder = folder
        self.programs: list[Program] = []

    @property
    def member(self) -> Member:
        return Member(self.name, self.account, self.roles, self.secrets.public)

    def belong(self, book: bytes, root: bytes | None = None) -> None:
        """Make and use the profile."""
        with at_home(self.home):
            Profile.create(NAME, self.seed, book, root)
            Profile.use(NAME)

    def profile(self) -> Profile:
        with at_home(self.home):
            return Profile.load()

    def start(self, command: Sequence[str], name: str, env: Mapping[str, str] | None = None) -> Program:
        """A program of this machine."""
        environment = {**os.environ, "RAISIN_HOME": str(self.home), **(env or {})}
        label = f"{self.name}-{name}-{len(self.programs)}"
        program = Program([sys.executable, *command], self.folder, label, cwd=self.folder, env=environment)
        self.programs.append(program)
        return program

    def worker(self, *options: str, slots: int = 1) -> Program:
        """Start its worker."""
        return self.start(["-m", "raisin_worker.main", "--slots", str(slots), "--end-with-stdin", *options], "worker")

    def script(self, code: str, *arguments: Any) -> Program:
        """Start an interpreter that runs this text."""
        file = self.folder / f"{self.name}-script-{len(self.programs)}.py"
        file.write_text(textwrap.dedent(code))
        return self.start([str(file), *map(str, arguments)], "script")

    def run(self, code: str, *arguments: Any, seconds: float = PATIENCE) -> Done:
        """Run a text to its end."""
        return self.script(code, *arguments).wait(seconds)

    def close(self) -> None:
        for program in reversed(self.programs):
            program.close()


class Closed:
    """A closed cluster: `root` is the machine that founded it, the broker's data directory has neither root nor epoch
    keys."""

    def __init__(self, folder: Path, root: str = "anna", address: str = "") -> None:
        self.folder = folder
        self.data = folder / "broker"
        self.data.mkdir(mode=0o700)
        own, _ = keys.load_or_make(self.data / "broker.key")
        pair = two_in_a_row()
        self.port = pair[0].getsockname()[1]
        for each in pair:
            each.close()
        self.address = f"127.0.0.1:{self.port}"
        self.root_seed = secrets.token_bytes(32)
        self.machines: dict[str, Machine] = {}
        self.root = self.machine(root, roles=("admin", *BOTH))
        self.book = founding.found(
            NAME, self.root_seed, self.root.member, Broker([address or self.address], own.public)
        )
        self.broker: Program | None = None

    def machine(self, name: str, account: str = "", roles: Sequence[str] = BOTH) -> Machine:
        """Another computer, which belongs to nothing yet."""
        made = self.machines[name] = Machine(self.folder, name, account or name, roles)
        return made

    def keys(self) -> Mapping[int, bytes]:
        """The keys of the epochs, as the root's machine knows them."""
        from raisin_core.identity.epochs import keys_of

        own = self.root.secrets
        return keys_of(read_book(self.book), own.x25519, own.public.x25519)

    def admit(self, *names: str, account: str = "", roles: Sequence[str] = BOTH) -> None:
        """Let computers in by invitation, and fold it into the roster; before the broker is started."""
        for name in names:
            guest = self.machine(name, account, roles)
            invited, seed = founding.invite(
                *(self.book, self.root_seed, self.keys()),
                name=name,
                account=guest.account,
                roles=roles,
                join_before=time.time() + 3600,
            )
            standing = read_book(invited)
            (grant,) = [each for each in standing.grants.values() if each.name == name]
            admitted = standing.admit(documents.admission(seed, guest.secrets, grant, standing.cluster), time.time())
            self.book = founding.fold(admitted.book, self.root_seed, self.keys())

    def moved(self, *addresses: str) -> bytes:
        """The book with other addresses of the broker."""
        broker = Broker(list(addresses), read_book(self.book).broker.key)
        return founding.move(self.book, self.root_seed, broker, self.keys())

    def begin(self, evil: bool = False, runs: Sequence[str] = ()) -> None:
        """Everybody gets the profile, workers run code of these accounts, and the broker is started, or an `evil`
        one."""
        for each in self.machines.values():
            if each.secrets.public.ed25519 in read_book(self.book).by_signature:
                each.belong(self.book, self.root_seed if each is self.root else None)
                with at_home(each.home):
                    each.profile().set_runs(list(runs))
        (self.data / "book").write_bytes(self.book)
        (self.data / "book").chmod(0o600)
        self.start_broker(evil)

    def start_broker(self, evil: bool = False) -> Program:
        """Start it (again)."""
        listen, data = self.address, str(self.data)
        if evil:
            self.twist("")
            command = ["-m", "tests.closed.evil", data, listen]
        else:
            command = ["-m", "raisin_broker.main", "--listen", listen, "--data", data, "--end-with-stdin"]
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "RAISIN_HOME": str(self.data), "PYTHONPATH": path}
        self.broker = Program([sys.executable, *command], self.folder, "broker", env=environment)
        self.broker.await_text(", pid ")
        return self.broker

    def twist(self, kind: str) -> None:
        """From now on the evil broker does this."""
        (self.data / "kind").write_text(kind)

    def await_workers(self, *names: str) -> None:
        """Wait until these members' workers are connected."""

        def here() -> bool:
            done = self.root.run(
                """
                import raisin
                raisin.connect()
                print(*[f"{each.name}" for each in raisin.members() if "worker" in str(each)])
                """
            )
            return all(name in done.out for name in names)

        until(here, f"workers of {names} are connected", show=self.show)

    def show(self) -> str:
        """All that was said."""
        programs = [program for each in self.machines.values() for program in each.programs]
        return "\n".join(each.show() for each in [*programs, *([self.broker] if self.broker else [])])

    def close(self) -> None:
        for each in self.machines.values():
            each.close()
        if self.broker is not None:
            self.broker.close()


@contextlib.contextmanager
def closed(folder: Path, **options: Any) -> Iterator[Closed]:
    """A cluster, ended afterwards."""
    made = Closed(folder, **options)
    try:
        yield made
    finally:
        made.close()
