"""From nothing to a shared map: the lines of the first ten minutes, typed on laptops of their own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.programs import RUN
from tests.e2e.laptops import Laptop, laptops, why_not
from tests.e2e.support import until

pytestmark = pytest.mark.slow

ONE_CALL = "import platform, raisin; raisin.connect(); print(raisin.process(platform.node, where=['zoe']))"
SHARED_MAP = """
import json, platform, time, raisin

def where(n):
    time.sleep(0.05)
    return n * n

raisin.connect()
records = list(raisin.Map(where, range(60)).start().get_all(timeout=50))
print(json.dumps({"sum": sum(each["res"] for each in records), "hosts": sorted({each["host"] for each in records})}))
"""


@pytest.fixture(scope="module", autouse=True)
def possible() -> None:
    if reason := why_not():
        pytest.skip(reason)


@pytest.fixture
def two(folder: Path) -> Iterator[list[Laptop]]:
    with laptops(folder, "anna", "zoe") as made:
        yield made


@pytest.fixture
def three(folder: Path) -> Iterator[list[Laptop]]:
    with laptops(folder, "anna", "zoe", "server") as made:
        yield made


def test_two_laptops_from_nothing_to_a_shared_map(two: list[Laptop]) -> None:
    anna, zoe = two
    said = anna.raisin("cluster", "create", "lab", "--name", "anna", "--account", "anna")
    assert f"{anna.address}:5757" in said
    line = invited(anna)
    assert "a test task ran here" in zoe.raisin(*line.split()[1:], "--yes")
    assert anna.python(ONE_CALL) == "zoe-laptop\n"
    assert shared_map(anna) == {"sum": sum(n * n for n in range(60)), "hosts": ["anna-laptop", "zoe-laptop"]}
    assert {each["name"] for each in json.loads(anna.raisin("cluster", "members", "--json"))} == {"anna", "zoe"}
    assert_private(anna.home)
    assert_private(zoe.home)
    anna.raisin("cluster", "remove", "zoe", "--yes")
    assert {each["name"] for each in json.loads(anna.raisin("cluster", "members", "--json"))} == {"anna"}
    out = zoe.run(sys.executable, "-c", RUN, "cluster", "status")
    assert (out.returncode, "zoe was removed from lab" in out.stdout) == (1, True)
    zoe.raisin("cluster", "stop")
    anna.raisin("cluster", "stop")
    until(lambda: not anna.pids() and not zoe.pids(), "nothing runs on either")


def test_a_broker_on_a_third_machine_has_none_of_the_keys(three: list[Laptop], folder: Path) -> None:
    anna, zoe, server = three
    out = folder / "server.out"
    broker = server.start(sys.executable, "-c", RUN, "broker", "run", "--listen", f"{server.address}:5757", out=out)
    try:
        claim = until(lambda: [word for word in out.read_text().split() if word.startswith("rsb1-")], "a claim")[0]
        anna.raisin("cluster", "create", "lab", "--name", "anna", "--account", "anna", "--broker", claim)
        zoe.raisin(*invited(anna).split()[1:], "--yes")
        assert anna.python(ONE_CALL) == "zoe-laptop\n"
        assert shared_map(anna)["hosts"] == ["anna-laptop", "zoe-laptop"]
        secrets = secrets_of(anna)
        assert len(secrets) >= 3
        assert [path for path in files(server.home) if any(each in path.read_bytes() for each in secrets)] == []
    finally:
        broker.terminate()
        broker.wait(20)


def invited(anna: Laptop) -> str:
    """The one line that `raisin cluster invite` prints."""
    said = anna.raisin("cluster", "invite", "--name", "zoe")
    (line,) = said.splitlines()
    assert line.startswith("raisin join rsn1-")
    return line


def shared_map(laptop: Laptop) -> dict[str, object]:
    said: dict[str, object] = json.loads(laptop.python(SHARED_MAP))
    return said


def files(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file()]


def assert_private(home: Path) -> None:
    """Nobody else can read anything that was written."""
    assert [str(path) for path in home.rglob("*") if path.lstat().st_mode & 0o077 and "scratch" not in path.parts] == []


def secrets_of(laptop: Laptop) -> list[bytes]:
    """The epoch keys, the root key and the member key of a laptop, as bytes and as text."""
    code = """
from raisin_core.identity.profile import Profile
profile = Profile.load()
secrets = [*profile.keys.values(), profile.secrets.x25519, profile.secrets.ed25519, profile.secrets.curve.secret]
print(*(each.hex() for each in secrets))
"""
    found = [bytes.fromhex(each) for each in laptop.python(code).split()]
    keys = [path.read_bytes().strip() for path in (laptop.home / "clusters" / "lab").glob("*.key")]
    return [*found, *(each.hex().encode() for each in found), *keys]
