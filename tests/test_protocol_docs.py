"""docs/protocol.md says what raisin_core.messages says: its tables word by word, its dialogs by name,
direction and field."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from raisin_core.messages import MESSAGES

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
KINDS = {kind.__name__: kind for kind in MESSAGES}
LINE = re.compile(r"^    (?P<sender>\w+) > (?P<receiver>\w+): (?P<name>\w+)\((?P<fields>.*)\)$", re.MULTILINE)


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "protocol_table.py"))


def test_tables_are_up_to_date(script: dict[str, Any]) -> None:
    assert script["renewed"](DOCUMENT) == DOCUMENT, "write it anew: make docs"


def test_an_old_table_is_noticed(script: dict[str, Any]) -> None:
    damaged = DOCUMENT.replace("**Hello**", "**Hallo**")
    assert damaged != DOCUMENT
    assert script["renewed"](damaged) == DOCUMENT


def test_a_lost_marker_is_an_error(script: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="lost a marker"):
        script["renewed"](DOCUMENT.replace(script["END"], ""))


def test_every_message_has_a_row() -> None:
    assert {name for name in KINDS if f"\n| **{name}**" in DOCUMENT} == set(KINDS)


def test_dialogs() -> None:
    lines = list(LINE.finditer(DOCUMENT))
    written = re.findall(r"^    .*$", DOCUMENT.partition("## Dialogs")[2], re.MULTILINE)
    assert [line[0] for line in lines] == written, "a line of a dialog has another form"
    for line in lines:
        kind = KINDS[line["name"]]
        said = f"{line['sender']}>{line['receiver']}"
        assert kind.way in (said, said.replace("client", "peer").replace("worker", "peer")), line[0]
        fields = {field.name for field in msgspec.structs.fields(kind)}
        assert set(re.findall(r"(?:^|, )(\w+)=", line["fields"])) <= fields, line[0]
