"""Every example runs, as a user would run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))

SAYS = {
    "squares": "[0, 1, 4, 9, 16, 25, 36, 49, 64, 81]\n144\n",
    "failures": "2 (0,) None ZeroDivisionError('division by zero')",
    "sweep": "damping  0.4: ",
    "words": " self\n",
    "keeping": "{'ann': 10, 'zoe': 20}\n3\n",
}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, str(path)], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert SAYS[path.stem] in done.stdout
    assert done.stderr == ""
