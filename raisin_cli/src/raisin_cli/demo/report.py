"""The last screen: what came out, what the kills did, whether it is right, how fast it was, and what to do next."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from raisin_cli.demo import analysis
from raisin_cli.demo.analysis import Report
from raisin_cli.demo.chaos import Kill
from raisin_cli.demo.screen import title

WIDTH: Final = 100
HALF: Final = "▀"
SHADES: Final = 12
IDLE: Final = 0.9
NEXT: Final = (
    ("  raisin broker run --listen ADDRESS:5757", "on one machine; it prints its KEY"),
    ("  raisin worker run --broker ADDRESS:5757 --broker-key='KEY'", "on each that computes"),
    ("  >>> import raisin", "in python3"),
    ('  >>> raisin.connect("ADDRESS:5757", broker_key="KEY")', "or none: this machine's cores"),
    ("  >>> list(raisin.map(abs, range(-3, 3)))", "any function, any iterable"),
)


@dataclass
class Outcome:
    """All that the last screen tells. `cpu_seconds` are those that the tasks which counted used, of `run_seconds`."""

    reports: list[Report]
    grid: list[list[float]]
    kills: list[Kill]
    spared: int
    seconds: float
    cpu_seconds: float
    run_seconds: float
    sweep_seconds: float
    sweep_cpu_seconds: float
    checked: tuple[int, int]
    total_seconds: float


def screen(outcome: Outcome, plain: bool) -> Group:
    """The whole of it; `plain` for where there are no colours."""
    return Group(*_parts(outcome, plain))


def _parts(outcome: Outcome, plain: bool) -> Iterator[RenderableType]:
    gap = Text()
    yield from (title(), gap, kills(outcome.kills), gap)
    if outcome.spared:
        yield from (Text(f"{outcome.spared} more would have been killed, but the work was over first.", "yellow"), gap)
    yield from (totals(outcome.reports), gap, most_complex(outcome.reports), gap)
    yield from (unparsable([report for report in outcome.reports if report.problem]), gap)
    yield from (scan_title(plain), gap, heat_map(outcome.grid, plain), gap)
    yield from (verdict(outcome), speed(outcome), gap, next_steps())


def kills(kills: Sequence[Kill]) -> Table:
    """Each kill with its consequence."""
    table = _table("kill -9", "in the middle of", "in\nhand", "rerun", "back in", "lost", "counted\ntwice")
    for each in kills:
        back = "-" if each.back is None else f"{each.back:.2f} s"
        bad = "bold red" if each.lost or each.twice else "green"
        numbers = (str(len(each.in_hand)), str(each.rerun), back, Text(str(each.lost), bad), Text(str(each.twice), bad))
        table.add_row(Text(each.victim, "red"), Text(each.task), *numbers)
    return table


def totals(reports: Sequence[Report]) -> Text:
    """The library in numbers."""
    version = ".".join(map(str, sys.version_info[:3]))
    functions = sum(report.functions for report in reports)
    average = sum(report.complexity for report in reports) / max(1, functions)
    counted = {
        "lines": sum(report.lines for report in reports),
        "comments": sum(report.comments for report in reports),
        "bytecode instructions": sum(report.instructions for report in reports),
        "classes": sum(report.classes for report in reports),
    }
    return Text.assemble(
        ("Map: ", "bold"),
        f"the standard library of Python {version}: {len(reports):,} files, "
        f"{sum(report.size for report in reports) / 1e6:.1f} MB, ",
        *(f"{number:,} {what}, " for what, number in counted.items()),
        f"{functions:,} functions of complexity {average:.1f} on average.",
    )


def most_complex(reports: Sequence[Report]) -> Table:
    """The ten most complex functions."""
    table = _table("complexity", "most complex functions", "where")
    for each, file in analysis.most_complex(reports):
        table.add_row(str(each.complexity), Text(each.name, "bold"), Text(f"{file}:{each.line}"))
    return table


def unparsable(reports: Sequence[Report]) -> RenderableType:
    """The files that are not valid Python."""
    if not reports:
        return Text("All of them can be parsed.")
    table = _table(f"{len(reports)} files that cannot be parsed", "because")
    for each in reports:
        table.add_row(Text(each.file), Text(each.problem, "yellow", overflow="ellipsis", no_wrap=True))
    return table


def scan_title(plain: bool) -> Text:
    """What the heat map shows."""
    signs = "rhythm, or chaos (@)" if plain else "rhythm (yellow), or chaos (blue)"
    return Text.assemble(("Scan: ", "bold"), f"a population that grows by a (across) and b (up) by turns: {signs}")


def heat_map(grid: Sequence[Sequence[float]], plain: bool) -> Text:
    """Two rows of the grid in a line of text: half blocks, or a ramp of letters where there are no colours."""
    picture = Text()
    for upper, lower in zip(grid[::2], grid[1::2]):
        picture.append("  ")
        if plain:
            picture.append("".join(_letter((above + below) / 2) for above, below in zip(upper, lower)))
        else:
            styles = (f"{_colour(above)} on {_colour(below)}" for above, below in zip(upper, lower))
            for style, run in groupby(styles):
                picture.append(HALF * len(list(run)), style)
        picture.append("\n")
    picture.rstrip()
    return picture


def _letter(exponent: float) -> str:
    return "@" if exponent > 0 else " .:-=+*#"[max(0, min(7, int(8 + 8 * exponent)))]


def _colour(exponent: float) -> str:
    """Yellow where it is stable, brightest at the edge of chaos; blue where it is chaotic."""
    if exponent <= 0:
        strength = _step(max(0.0, 1.0 + exponent) ** 1.5)
        return f"rgb({int(40 + 215 * strength)},{int(20 + 185 * strength)},{int(10 + 40 * strength)})"
    strength = _step(min(1.0, exponent / 0.7))
    return f"rgb({int(20 * (1 - strength))},{int(40 + 50 * strength)},{int(90 + 130 * strength)})"


def _step(strength: float) -> float:
    """So many shades are enough."""
    return round(strength * SHADES) / SHADES


def verdict(outcome: Outcome) -> Text:
    """What was verified."""
    files, points = outcome.checked
    tasks = len(outcome.reports) + sum(map(len, outcome.grid))
    return Text.assemble(
        ("Verified: ", "bold green"),
        f"all {tasks:,} tasks have one result each; {files} files and {points} points, chosen at random, computed "
        "again in this process: equal.",
    )


def speed(outcome: Outcome) -> Text:
    """Parallel against serial, and what these words mean here."""
    files, points = len(outcome.reports), sum(map(len, outcome.grid))
    ratio, sweep = outcome.cpu_seconds / outcome.seconds, outcome.sweep_cpu_seconds / outcome.sweep_seconds
    return Text.assemble(
        ("Speed: ", "bold"),
        f"{outcome.seconds:.1f} s for {outcome.cpu_seconds:.1f} s of computing, kills and restarts included: ",
        (f"{ratio:.2f} times", "bold"),
        f" as fast as one task after the other (two task processes: 2 at best), "
        f"{files / outcome.seconds:,.0f} files/s; the sweep {sweep:.2f} times, "
        f"{points / outcome.sweep_seconds:,.0f} points/s. {_busy(outcome.cpu_seconds / outcome.run_seconds)}"
        f"The whole demo took {outcome.total_seconds:.0f} s.",
    )


def _busy(share: float) -> str:
    """Says it if the tasks had to wait for a processor."""
    if share > IDLE:
        return ""
    return f"This machine had other things to do: tasks had a processor for {share:.0%} of their time. "


def next_steps() -> RenderableType:
    """The commands that exist."""
    wide = max(len(command) for command, _ in NEXT)
    lines = [Text.assemble((command.ljust(wide), "cyan"), ("   # " + why, "dim")) for command, why in NEXT]
    return Group(Text("Next, with machines of your own:", "bold"), *lines)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold", padding=(0, 1))
    for number, column in enumerate(columns):
        right = column in ("in\nhand", "rerun", "back in", "lost", "counted\ntwice", "complexity")
        table.add_column(column, justify="right" if right else "left", overflow="fold", no_wrap=not number)
    return table
