"""What a mutant is: one small change of the source, put into a copy of it and never into the source itself."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
PARTS: Final = ("raisin_core", "raisin_broker", "raisin_worker")
LITTER: Final = shutil.ignore_patterns("__pycache__", "*.egg-info")


class Mutant(NamedTuple):
    """`old` stands once in `file`, a module of one of the packages; with `new` in its place, it does `what`."""

    what: str
    file: str
    old: str
    new: str


class Gone(LookupError):
    """The text that a mutant changes is not there (once): the mutant must follow the source."""


def copy_sources(place: Path) -> list[Path]:
    """The packages' source, to be broken; the directories to import from."""
    copies = [place / part for part in PARTS]
    for part, copy in zip(PARTS, copies, strict=True):
        shutil.copytree(ROOT / part / "src", copy, ignore=LITTER)
    return copies


def put_in(mutant: Mutant, place: Path) -> None:
    """Change a copy. Raises Gone."""
    path = place / mutant.file.split("/")[0] / mutant.file
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise Gone(f"{mutant.what}: {mutant.file} has {text.count(mutant.old)} times: {mutant.old}")
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
