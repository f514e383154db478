"""Whose results are loaded, on laptops of two people: from the mark in zoe's task process to anna's screen."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.laptops import Laptop, laptops, why_not
from tests.e2e.test_cluster_ten_lines import invited

pytestmark = pytest.mark.slow

PROGRAM = """
import dataclasses, enum, json, time, raisin

class Colour(enum.Enum):
    RED = 1

@dataclasses.dataclass
class Value:
    colour: Colour
    x: int

class Model:
    def __init__(self, x):
        self.x = x

class Mine(Exception):
    pass

def value(x):
    return Value(Colour.RED, x)

def model(x):
    time.sleep(0.02)
    return {"model": Model(x)}

def fails(x):
    raise Mine("what happened")

def refused(call):
    try:
        call()
    except raisin.UntrustedResult as error:
        return str(error)

raisin.connect()
zoe = {"where": ["zoe"]}
told = {"values": list(raisin.map(value, range(3), **zoe)) == [value(x) for x in range(3)]}
handle = raisin.Map(model, range(30), **zoe).start()
told["get"] = refused(lambda: handle.get(timeout=30))
told["done"], told["held"] = handle.progress().done, handle.progress().held
told["join"] = refused(lambda: handle.join(30))
told["all"] = refused(lambda: list(handle.get_all(timeout=30)))
told["accepted"] = [each["model"].x for each in handle.get(timeout=30, trust=[Model])]
told["records"] = sorted(each["res"]["model"].x for each in handle.get_all(timeout=30))
told["own"] = [each["model"].x for each in raisin.map(model, range(3), where=["anna"])]
told["beforehand"] = raisin.process(model, (5,), trust="all", **zoe)["model"].x
try:
    raisin.process(fails, (1,), **zoe)
except raisin.TaskError as error:
    told["error"] = [type(error).__name__, str(error)]
print(json.dumps(told))
"""


@pytest.fixture
def anna(folder: Path) -> Iterator[Laptop]:
    """A laptop in whose cluster zoe's is."""
    if reason := why_not():
        pytest.skip(reason)
    with laptops(folder, "anna", "zoe") as (anna, zoe):
        anna.raisin("cluster", "create", "lab", "--name", "anna", "--account", "anna")
        zoe.raisin(*invited(anna).split()[1:], "--yes")
        yield anna
        zoe.raisin("cluster", "stop")
        anna.raisin("cluster", "stop")


def test_results_of_others_wait_for_a_word(anna: Laptop) -> None:
    program = anna.home / "program.py"
    program.write_text(PROGRAM)
    done = anna.run(sys.executable, str(program), seconds=120)
    assert done.returncode == 0, f"{done.stderr}\n{anna.logs()}"
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["values"]
    assert "task 0 of model" in told["get"]
    assert "returned __main__.Model at ['model'] from zoe (account zoe)" in told["get"]
    assert "Stopped after 1 of 30; result kept. Accept: m.get(trust=[Model])" in told["get"]
    assert (told["done"], told["held"]) == (1, "zoe")
    assert "from zoe can only be loaded" in told["join"]
    assert told["all"] == told["get"]
    assert told["accepted"] == told["records"] == list(range(30))
    assert (told["own"], told["beforehand"]) == ([0, 1, 2], 5)
    assert told["error"] == ["RemoteError", "Mine: what happened"]
