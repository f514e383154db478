"""What happened, in figures.

Rules of this file: pure but for reading files that the programs of the soak wrote.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.soak import files
from tests.soak.faults import Fault

LOGGING: Final = re.compile(r"^\S+ --- Logging error ---$.*?^\S+ Arguments: .*?$", re.MULTILINE | re.DOTALL)


def attempts(witness: Path) -> Counter[tuple[str, str]]:
    """How often each task was begun, by the label of its job and its index."""
    return Counter((words[0], words[1]) for words in files.lines(witness) if len(words) == 4)


def times(folders: Sequence[Path]) -> list[float]:
    """When results came to any of these clients."""
    return sorted(float(words[0]) for folder in folders for words in files.lines(folder / "progress"))


def longest_pause(when: Sequence[float]) -> tuple[float, float]:
    """The longest time without results (seconds), and when it began."""
    pauses = [(after - before, before) for before, after in itertools.pairwise(when)]
    return max(pauses, default=(0.0, 0.0))


def first_after(when: Sequence[float], moment: float) -> float | None:
    """How long after a moment results came (seconds)."""
    return next((each - moment for each in when if each >= moment), None)


def tracebacks(output: str) -> list[str]:
    """The last line of each traceback; not of those by which Python says that a log could not be written."""
    lines = [line.partition(" ")[2] for line in LOGGING.sub("", output).splitlines()]
    begun = [at for at, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    return [next((line for line in lines[at + 1 :] if line[:1].strip()), "") for at in begun]


def text(
    faults: Sequence[Fault],
    jobs: Sequence[dict[str, Any]],
    witness: Path,
    clients: Sequence[Path],
    began: float,
    healed: float,
    over: float,
    more: dict[str, object],
) -> str:
    """The report."""
    counts = Counter(fault.kind for fault in faults)
    begun = attempts(witness)
    pause, at = longest_pause(times(clients))
    back = [first_after(times([client]), healed) for client in clients]
    slowest = max((each for each in back if each is not None), default=0.0)
    figures = {
        "faults injected": f"{len(faults)}: " + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())),
        "jobs done": f"{len(jobs)}, {sum(job['attached'] for job in jobs)} of them taken up again by attach",
        "tasks done": sum(job["tasks"] for job in jobs),
        "tasks run more than once": f"{sum(count > 1 for count in begun.values())} of {len(begun)} begun "
        f"({sum(begun.values())} attempts, of one task up to {max(begun.values(), default=0)})",
        "longest pause of results": f"{pause:.1f} s, at +{max(0.0, at - began):.1f} s",
        "recovery after the last fault": f"first results after {slowest:.1f} s, all over after {over - healed:.1f} s",
        **more,
    }
    width = max(map(len, figures))
    return "\n".join(f"  {name.ljust(width)}  {value}" for name, value in figures.items())
