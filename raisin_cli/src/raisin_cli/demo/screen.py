"""What is seen while the demo runs: a live picture in a terminal, lines elsewhere.

Rules of this file: it shows, it decides nothing. Outside a terminal every line is whole, so that logs can be read.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from raisin_cli.demo.chaos import Kill
from raisin_cli.demo.cluster import Cluster
from raisin_cli.demo.ledger import Act

REFRESH_SECONDS: Final = 0.2
LINE_SECONDS: Final = 2.0
EVENTS: Final = 8


class Screen:
    """As a context manager it is on inside the block; `acts` by title are drawn as bars."""

    def __init__(self, console: Console, cluster: Cluster) -> None:
        self.console, self.cluster = console, cluster
        self.acts: dict[str, Act] = {}
        self._events: list[Text] = []
        self._began = time.monotonic()
        self._next = 0.0
        self._deaths = {part.name: part.deaths for part in cluster.parts}
        self._restarting: set[str] = set()
        self._told: dict[int, bool] = {}
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def say(self, text: str, style: str = "") -> None:
        """Something has happened."""
        line = Text.assemble((f"[{time.monotonic() - self._began:5.1f} s] ", "dim"), (text, style))
        self._events.append(line)
        if self._live is None:
            self.console.print(line, soft_wrap=True)
        else:
            self._draw()

    def update(self, kills: list[Kill]) -> None:
        """To be called all the time; draws when it is time."""
        self._tell_kills(kills)
        self._tell_restarts()
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + (LINE_SECONDS if self._live is None else REFRESH_SECONDS)
        if self._live is not None:
            self._draw()
        elif running := [title for title, act in self.acts.items() if act.done < act.total]:
            self.say(
                "; ".join(f"{title}: {self.acts[title].done:,} of {self.acts[title].total:,}" for title in running)
            )

    def _tell_kills(self, kills: list[Kill]) -> None:
        for number, kill in enumerate(kills):
            if number not in self._told:
                self._told[number] = False
                self.say(f"kill -9 {kill.victim} (pid {kill.pid}), in the middle of {kill.task}", "bold red")
            if kill.back is not None and not self._told[number]:
                self._told[number] = True
                who = "results" if not kill.worker else f"results of {kill.worker}"
                self.say(f"    back: new {who} {kill.back:.2f} s after the kill", "bold green")

    def _tell_restarts(self) -> None:
        for part in self.cluster.parts:
            if part.deaths != self._deaths[part.name]:
                self._deaths[part.name] = part.deaths
                self._restarting.add(part.name)
            elif part.name in self._restarting and part.pid is not None:
                self._restarting.remove(part.name)
                self.say(f"    {part.name} was started again (pid {part.pid})")

    def _draw(self) -> None:
        if self._live is not None:
            self._live.update(self._picture(), refresh=True)

    def _picture(self) -> RenderableType:
        return Group(title(), Text(), self._parts(), Text(), self._bars(), Text(), *self._events[-EVENTS:])

    def _parts(self) -> Table:
        table = Table.grid(padding=(0, 3))
        for part in self.cluster.parts:
            role = "" if part is self.cluster.broker else "worker "
            state = Text(f"pid {part.pid}", "green") if part.pid is not None else Text("starts again", "red")
            table.add_row(Text(f"  {role}{part.name}"), state)
        return table

    def _bars(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, act in self.acts.items():
            bar = ProgressBar(total=act.total, completed=act.done, width=40)
            table.add_row(Text(f"  {name}"), bar, f"{act.done:,} of {act.total:,}")
        return table

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.start()
        else:
            self.console.print(title())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()


def title() -> Text:
    """The first line."""
    return Text.assemble(
        ("raisin demo", "bold magenta"),
        "  one broker, workers anna and ben: processes of this machine, with their own keys",
    )
