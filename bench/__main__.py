"""Measure raisin beside what Python itself offers (multiprocessing.Pool; sqlite3), in pairs within one run.

    python -m bench [--rounds 5] [--slots 2] [--out NAME] [WORKLOAD ...]

Each round measures every workload for raisin (its embedded cluster) and for its partner, one right after
the other, so that a busy machine hits both; figures are medians over rounds with minimum and maximum, and the median of
the rounds' ratios. Raw figures and a table go to bench/results/.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = ("pyzmq", "msgspec", "cloudpickle", "SQLAlchemy")


def measure(script: str, slots: int) -> dict[str, float]:
    """Run one script of bench/work in a new interpreter with a home of its own; its figures, by name."""
    place = tempfile.mkdtemp(prefix="rsn-")
    environment = {**os.environ, "RAISIN_HOME": place, "RAISIN_SLOTS": str(slots)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        done = subprocess.run(
            [sys.executable, str(HERE / "work" / f"{script}.py"), str(slots)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if done.returncode:
        raise SystemExit(f"{script} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def pairs(wanted: list[str]) -> list[tuple[str, str]]:
    """(ours, partner) scripts."""
    found = sorted(path.stem for path in (HERE / "work").glob("*.py"))
    works = [name.removesuffix("_raisin") for name in found if name.endswith("_raisin")]
    partners = {name.rpartition("_")[0]: name for name in found if not name.endswith("_raisin")}
    return [(f"{work}_raisin", partners[work]) for work in works if not wanted or work in wanted]


def table(rows: dict[str, dict[str, list[float]]]) -> str:
    """Medians, ranges and ratios as Markdown."""
    lines = ["| figure | raisin | Python's own | ratio |", "|---|---|---|---|"]
    for figure, sides in rows.items():
        cells = [_cell(sides[side]) for side in ("raisin", "partner")]
        ratios = [a / b for a, b in zip(sides["raisin"], sides["partner"])]
        lines.append(f"| {figure} | {cells[0]} | {cells[1]} | {statistics.median(ratios):.2f} |")
    return "\n".join(lines) + "\n"


def _cell(values: list[float]) -> str:
    return f"{_show(statistics.median(values))} ({_show(min(values))} to {_show(max(values))})"


def _show(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def about(options: argparse.Namespace) -> dict[str, object]:
    """What the figures depend on."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "cores": os.cpu_count(),
        "slots": options.slots,
        "rounds": options.rounds,
        "load": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "versions": {name: metadata.version(name) for name in PACKAGES},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", help="commits, map, recovery, roundtrip, sealing, start; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--out", help="name of the result files; default: today's date")
    options = parser.parse_args()
    facts = about(options)
    rows: dict[str, dict[str, list[float]]] = {}
    for number in range(options.rounds):
        for ours, partner in pairs(options.workloads):
            for side, script in (("raisin", ours), ("partner", partner)):
                for figure, value in measure(script, options.slots).items():
                    rows.setdefault(figure, {}).setdefault(side, []).append(value)
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    base = HERE / "results" / (options.out or f"raisin-{datetime.date.today()}")
    base.parent.mkdir(exist_ok=True)
    base.with_suffix(".json").write_text(json.dumps({"about": facts, "rows": rows}, indent=1) + "\n")
    text = f"# {facts['date']}\n\n{json.dumps(facts)}\n\n{table(rows)}"
    base.with_suffix(".md").write_text(text)
    print(table(rows))


if __name__ == "__main__":
    main()
