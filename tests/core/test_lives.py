"""Which client processes are dead: told once, to whoever comes next."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from raisin_core.client.lives import MOST, Life


def test_the_living_are_not_told(tmp_path: Path) -> None:
    first, second = Life(tmp_path), Life(tmp_path)
    assert second.before == []
    assert first.instance != second.instance
    first.end()
    assert Life(tmp_path).before == [], "who ends in good order says goodbye itself"


def test_the_dead_are_told_once(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from raisin_core.client.lives import Life\n"
    code += "print(Life(Path(sys.argv[1])).instance.hex(), flush=True); sys.stdin.read()"
    dead = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert dead.stdout is not None
    instance = bytes.fromhex(dead.stdout.readline().strip())
    living = Life(tmp_path)
    assert living.before == []
    dead.kill()
    dead.communicate()
    assert Life(tmp_path).before == [instance]
    assert Life(tmp_path / ".").before == []
    living.end()


def test_where_nothing_can_be_written_there_is_no_news(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    life = Life(tmp_path / "file" / "clients")
    assert life.before == []
    life.end()


def test_there_is_a_limit_and_other_files_stay(tmp_path: Path) -> None:
    for number in range(MOST + 3):
        (tmp_path / f"{number:032x}").touch()
    (tmp_path / "notes").touch()
    assert len(Life(tmp_path).before) == MOST
    assert len(Life(tmp_path).before) == 3
    assert (tmp_path / "notes").exists()
