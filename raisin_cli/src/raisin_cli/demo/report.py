"""The last screen: what came out, what the kills did, whether it is right, how fast it was, and what to do next."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from raisin_cli.demo.analysis import Report, top
from raisin_cli.demo.chaos import Kill
from raisin_cli.demo.screen import title

WIDTH: Final = 100
FONTS: Final = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
NEXT: Final = (
    ("raisin broker run --listen ADDRESS:5757", "on one machine: it prints its KEY, and whom it does not know yet"),
    ("raisin worker run --broker ADDRESS:5757 --broker-key 'KEY'", "on each that computes"),
    (
        '>>> import raisin; raisin.connect("ADDRESS:5757", broker_key="KEY")',
        "without this line: the cores of this machine",
    ),
    (">>> list(raisin.map(abs, range(-3, 3)))", ""),
)


@dataclass
class Outcome:
    """All that the last screen tells. Seconds; `cpu_seconds` are those that the tasks which counted used."""

    reports: list[Report]
    grid: list[list[float]]
    kills: list[Kill]
    seconds: float
    cpu_seconds: float
    sweep_seconds: float
    sweep_cpu_seconds: float
    checked: tuple[int, int]
    total_seconds: float


def screen(outcome: Outcome, plain: bool) -> Group:
    """The whole of it; `plain` for where there are no colours."""
    return Group(*_parts(outcome, plain))


def _parts(outcome: Outcome, plain: bool) -> Iterator[RenderableType]:
    yield title()
    yield kills(outcome.kills)
    yield totals(outcome.reports)
    yield most_complex(outcome.reports)
    yield unparsable([report for report in outcome.reports if report.problem])
    yield Text(
        "Scan: a population whose growth rate alternates between a (across) and b (up): rhythm (yellow) or chaos (blue)"
    )
    yield heat_map(outcome.grid, plain)
    yield Text()
    yield verdict(outcome)
    yield speed(outcome)
    yield next_steps()


def kills(kills: Sequence[Kill]) -> Table:
    """Each kill with its consequence."""
    table = _table("kill -9", "in the middle of", "rerun", "back in", "lost", "counted twice")
    for each in kills:
        back = "-" if each.back is None else f"{each.back:.2f} s"
        bad = "bold red" if each.lost or each.twice else "green"
        numbers = (str(each.rerun), back, Text(str(each.lost), bad), Text(str(each.twice), bad))
        table.add_row(Text(each.victim, "red"), each.task, *numbers)
    return table


def totals(reports: Sequence[Report]) -> Text:
    """The library in numbers."""
    version = ".".join(map(str, sys.version_info[:3]))
    sums = [sum(each) for each in zip(*((r.lines, r.functions, r.classes, r.instructions) for r in reports))]
    lines, functions, classes, code = sums
    average = sum(report.complexity for report in reports) / max(1, functions)
    return Text(
        f"Map: {len(reports):,} files of the standard library of Python {version}: {lines:,} lines, {classes:,} classes, "
        f"{functions:,} functions of complexity {average:.1f} on average, {code:,} bytecode instructions"
    )


def most_complex(reports: Sequence[Report]) -> Table:
    """The ten most complex functions."""
    places = {function: report.file for report in reports for function in report.top}
    table = _table("complexity", "most complex functions", "where")
    for each in top(list(places)):
        table.add_row(str(each.complexity), Text(each.name, "bold"), f"{places[each]}:{each.line}")
    return table


def unparsable(reports: Sequence[Report]) -> RenderableType:
    """The files that are not valid Python."""
    if not reports:
        return Text("All of them can be parsed.")
    table = _table(f"{len(reports)} files that are no valid Python", "because")
    for each in reports:
        table.add_row(each.file, Text(each.problem, "yellow"))
    return table


def heat_map(grid: Sequence[Sequence[float]], plain: bool) -> Text:
    """Two rows of the grid in a line of text: half blocks, or a ramp of letters where there are no colours."""
    picture = Text()
    for upper, lower in zip(grid[::2], grid[1::2]):
        picture.append("  ")
        for above, below in zip(upper, lower):
            if plain:
                picture.append(_letter((above + below) / 2))
            else:
                picture.append("▀", f"{_colour(above)} on {_colour(below)}")
        picture.append("\n")
    picture.rstrip()
    return picture


def _letter(exponent: float) -> str:
    return "@" if exponent > 0 else " .:-=+*#"[max(0, min(7, int(8 + 8 * exponent)))]


def _colour(exponent: float) -> str:
    """Yellow where it is stable, brightest at the edge of chaos; blue where it is chaotic."""
    if exponent <= 0:
        strength = max(0.0, 1.0 + exponent) ** 1.5
        return f"rgb({int(40 + 215 * strength)},{int(20 + 185 * strength)},{int(10 + 40 * strength)})"
    strength = min(1.0, exponent / 0.7)
    return f"rgb({int(20 * (1 - strength))},{int(40 + 50 * strength)},{int(90 + 130 * strength)})"


def verdict(outcome: Outcome) -> Text:
    """What was verified."""
    files, points = outcome.checked
    tasks = len(outcome.reports) + sum(map(len, outcome.grid))
    return Text.assemble(
        ("Verified: ", "bold green"),
        f"all {tasks:,} tasks have one result each; {files} files and {points} points, chosen at random, computed again "
        "in this process: equal.",
    )


def speed(outcome: Outcome) -> Text:
    """Parallel against serial, and what these words mean here."""
    files, points = len(outcome.reports), sum(map(len, outcome.grid))
    ratio, sweep = outcome.cpu_seconds / outcome.seconds, outcome.sweep_cpu_seconds / outcome.sweep_seconds
    return Text.assemble(
        ("Speed: ", "bold"),
        f"{outcome.seconds:.1f} s for {outcome.cpu_seconds:.1f} s of computing, kills and restarts included: ",
        (f"{ratio:.2f} times", "bold"),
        f" as fast as one task after the other (two task processes: 2 at best), {files / outcome.seconds:,.0f} files/s; "
        f"the sweep {sweep:.2f} times, {points / outcome.sweep_seconds:,.0f} points/s. "
        f"The whole demo took {outcome.total_seconds:.0f} s.",
    )


def next_steps() -> RenderableType:
    """The commands that exist."""
    table = Table.grid(padding=(0, 2))
    for command, why in NEXT:
        table.add_row(Text("  " + command, "cyan"), Text(why, "dim"))
    return Group(Text("\nNext, with machines of your own:", "bold"), table)


def picture(outcome: Outcome, path: Path) -> None:
    """Save the last screen as SVG, without fonts from the network."""
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True, color_system="truecolor")
    console.print(screen(outcome, plain=False))
    svg = console.export_svg(title="raisin demo", unique_id="raisin")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;]*;", f"font-family: {FONTS};", svg)
    path.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", padding=(0, 1))
    for number, column in enumerate(columns):
        right = column in ("rerun", "back in", "lost", "counted twice", "complexity")
        table.add_column(column, justify="right" if right else "left", overflow="fold", no_wrap=not number)
    return table
