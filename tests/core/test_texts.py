"""What others wrote, wherever it is shown: no escape, no control character, no turned line, no markup."""

from __future__ import annotations

import doctest
import io
from collections.abc import Iterator
from random import Random
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raisin_core import messages as m
from raisin_core import texts
from raisin_core.analysis.encoding import encode
from raisin_core.analysis.parts import Part
from raisin_core.client import bar, explain, tables
from raisin_core.client.asking import ask
from raisin_core.client.batch import open_result, ruling_error
from raisin_core.client.jobs import JobList, info
from raisin_core.client.printing import Printer
from raisin_core.client.resumed import Resumed
from raisin_core.client.trust import Trust
from raisin_core.errors import ClusterError
from raisin_core.failures import Failure, Link
from raisin_core.identity.sealing import NullSealer, Opened, Parcel
from raisin_core.texts import plain, shown

EVIL = "\x1b[2J\x1b]0;title\x07a\x08b\x9b31m\r\u202ec\u2066d\u2028e\x00[red]f[/red]<script>\U000e0041"
HARMFUL = "\x1b\x08\x9b\r\u202e\u2066\u2028\x00\x07\U000e0041"


def harmless(text: str, lines: bool = False) -> bool:
    allowed = "\n\t" if lines else ""
    return (
        bool(text)
        and not any(letter in HARMFUL for letter in text)
        and all(letter.isprintable() or letter in allowed for letter in text)
    )


@given(st.text())
def test_nothing_that_acts_is_left(text: str) -> None:
    assert not any(letter in HARMFUL for letter in shown(text))
    assert plain(text).isprintable()
    assert len(plain(text)) <= 200


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"])))
def test_what_people_write_stays(text: str) -> None:
    assert shown(text) == text


def test_doctests() -> None:
    assert doctest.testmod(texts) == (0, 2)


def test_a_text_of_nothing_but_beginnings_takes_no_time() -> None:
    rng = Random(1)
    for start in ("\x1b[", "\x1b]", "\x1b", "\x1b[0;", "\x9b"):
        assert not shown("".join(start for _ in range(200_000 + rng.randrange(9)))).strip("[];0")


# -- the places ------------------------------------------------------------------------------------------------------

LINE = m.JobLine(b"j" * 16, EVIL, "map", "running", 1, 2, 0, 9, 1.0, 0.0, EVIL, EVIL, EVIL, True)
WORKER = m.WorkerLine(EVIL, EVIL + "2", 1, 0, EVIL)


def test_an_explanation() -> None:
    said = m.Explained(LINE, 1, 1, 1, [EVIL, EVIL], [WORKER])
    text = explain.screen(said)
    assert harmless(text, lines=True)
    assert len(text.splitlines()) == 5


def test_a_list_of_jobs_as_text_and_in_a_notebook() -> None:
    found = JobList([info(LINE)])
    assert harmless(repr(found), lines=True)
    page = found._repr_html_()
    assert "<script>" not in page
    assert harmless(page, lines=True)


def test_markup_in_a_table_of_a_notebook() -> None:
    assert "<b>" not in tables.html_table(["<b>"], [["<b>"]], "<b>")


def test_what_tasks_print_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer()
    printer.put(f"{EVIL} 1 {EVIL}\n", EVIL.encode() + b"\n\xff\xfe")
    printer.close(10.0)
    out = capsys.readouterr().out
    assert harmless(out, lines=True)
    assert len(out.splitlines()) == 2, "the mark does not break the line"


def test_a_progress_bar() -> None:
    stream = io.StringIO()
    with bar.Bar(EVIL, True, lambda: (1, 0, 3), stream) as drawn:
        drawn._draw()
    written = stream.getvalue().replace("\x1b[K", "").strip("\r\n").replace("\r", "")
    assert harmless(written)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def test_exceptions_of_tasks() -> None:
    """What was rebuilt is the user's own object; all that is text is made harmless."""
    failure = Failure((Link(b"", EVIL, EVIL), Link(b"", "Inner", EVIL)), f"Traceback\n  File {EVIL}\n{EVIL}")
    said = [str(each) for each in chain(failure.error(f"task 1 on {EVIL}"))]
    assert len(said) == 3
    assert all(harmless(text, lines=True) for text in said)


@pytest.mark.parametrize("kind", ["crashed", "timeout", "unfit"])
def test_what_the_broker_rules(kind: Any) -> None:
    ruling = m.Ruling(kind, [(EVIL, EVIL), (EVIL, "2")])
    assert harmless(str(ruling_error(ruling, 3, EVIL)), lines=True)
    result = m.Result(b"j" * 16, 1, 1, 3, 4, [], EVIL, EVIL, ruling=True)
    opened = Opened(Parcel(msgspec.msgpack.encode(ruling)))
    batch = open_result(result, opened, lambda digest: b"", EVIL, Trust())
    assert harmless(str(batch.items[0]), lines=True)


def test_a_refusal() -> None:
    refused = m.Refused("busy", EVIL, b"j" * 16)
    cluster: Any = SimpleNamespace(address="lab:5757", ask=lambda *args: refused)
    with pytest.raises(ClusterError) as caught:
        ask(cluster, m.ListJobs())
    assert harmless(str(caught.value))


def test_a_function_of_before() -> None:
    """The broker says which function's results are under a key."""
    key = Resumed("key", False, "f", len, {}, NullSealer())
    parts = encode({f"function {EVIL}": Part(EVIL, b"digest", EVIL, 1), EVIL: Part(EVIL, b"digest")})
    text = str(key.error(msgspec.msgpack.encode((1, parts))))
    assert "no longer" in text
    assert harmless(text)


def test_what_the_command_line_prints() -> None:
    said = pytest.importorskip("raisin_cli.said")
    assert harmless(said.error_line(ValueError(EVIL)))
    assert harmless(said.error_line(type(EVIL.replace("\0", ""), (ValueError,), {})("x")))
    assert harmless(said.value_line([EVIL]))
    assert harmless(said.value_record(0, EVIL))
    assert harmless(said.dumps(said.job_record(info(LINE))))


def test_rich_takes_no_name_for_markup() -> None:
    console_module = pytest.importorskip("rich.console")
    report: Any = pytest.importorskip("raisin_cli.demo.report")
    name = "[red]f[/red].py"
    file = SimpleNamespace(file=name, problem=name)
    kill = SimpleNamespace(victim=name, task=name, in_hand=[], rerun=0, back=None, lost=0, twice=0)
    for table in (report.unparsable([file]), report.kills([kill])):
        console = console_module.Console(file=io.StringIO(), width=200)
        console.print(table)
        assert console.file.getvalue().count(name) == 2
