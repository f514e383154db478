"""The mutants fit the source, and the simulation finds them: a few here, all of them by `make mutants`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.mutants.hunt import ALL, hunt, main
from tests.mutants.mutant import ROOT, Gone, Mutant, copy_sources, put_in

SAMPLE: Final = (
    "counts a result twice",
    "gives back one task too few after a trim",
    "forgets the close when it sends again",
    "does not tell of a crash",
)
SAME: Final = Mutant("changes nothing", "raisin_core/ranges.py", "class Ranges:", "class Ranges:")


def test_there_are_many_and_no_two_are_the_same() -> None:
    mutants = [mutant for _, mutant in ALL]
    assert len({mutant.what for mutant in mutants}) == len({mutant[1:] for mutant in mutants}) == len(mutants) >= 24


@pytest.mark.parametrize("mutant", [mutant for _, mutant in ALL], ids=lambda mutant: mutant.what)
def test_each_changes_one_place_that_is_there(mutant: Mutant) -> None:
    source = ROOT / mutant.file.split("/")[0] / "src" / mutant.file
    assert source.read_text(encoding="utf-8").count(mutant.old) == 1
    assert mutant.new != mutant.old


def test_a_mutant_whose_text_is_gone_is_an_error(tmp_path: Path) -> None:
    copy_sources(tmp_path)
    with pytest.raises(Gone, match=r"ranges\.py has 0 times"):
        put_in(SAME._replace(old="no such text"), tmp_path)


@pytest.mark.slow
def test_what_is_not_broken_is_not_found() -> None:
    assert hunt(SAME, seeds=3).seed == -1


@pytest.mark.slow
@pytest.mark.parametrize("what", SAMPLE)
def test_the_simulation_finds_it(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([what]) == 0
    assert "1 of 1 found" in capsys.readouterr().out
