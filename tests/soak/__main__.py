"""`python -m tests.soak`: real chaos for a while; exit code 1 if anything was lost, doubled, wrong or left over."""

from __future__ import annotations

import argparse
import signal
import sys
from types import FrameType

from tests.soak.cluster import HOSTS
from tests.soak.network import obstacle
from tests.soak.run import Settings, soak


def main() -> int:
    """Run a soak as the command line says."""
    parse = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parse.add_argument("--seconds", type=float, default=600.0, help="how long faults come (%(default)s)")
    parse.add_argument("--seed", type=int, default=1, help="which faults (%(default)s)")
    parse.add_argument("--lid", type=float, default=40.0, help="seconds that a lid stays closed (%(default)s)")
    parse.add_argument("--lids", default=",".join(HOSTS), help="the hosts that have one (%(default)s)")
    parse.add_argument("--keep", action="store_true", help="keep logs and results also where all is well")
    options = parse.parse_args()
    if reason := obstacle():
        print(f"no soak here: {reason}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _interrupt)
    settings = Settings(options.seconds, options.seed, options.lid, tuple(options.lids.split(",")))
    done = soak(settings, lambda line: print(line, flush=True), options.keep)
    print(f"\n{done.report}\n")
    for line in done.wrong:
        print(f"WRONG: {line}")
    print("failed" if done.wrong else "every result is there once, and is the serial one")
    return 1 if done.wrong else 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End as after Ctrl-C: everything is removed."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
