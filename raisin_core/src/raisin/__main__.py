"""`python -m raisin`: the command line, wherever it is installed.

Rules of this file: the command line is found by entry point, never imported by name: it may not be there.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from typing import Final

GROUP: Final = "raisin.command_line"
HINT: Final = "Install it: pip install raisin-cli"


def main() -> int:
    """Run the command line; 1 and one line on standard error where it cannot be found."""
    for entry in entry_points(group=GROUP, name="main"):
        try:
            run = entry.load()
        except ModuleNotFoundError as missing:
            return _give_up(f"the command line lacks the module {missing.name!r}. {HINT}")
        return int(run() or 0)
    return _give_up(f"the command line is not installed. {HINT}")


def _give_up(reason: str) -> int:
    sys.stderr.write(f"raisin: {reason}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
