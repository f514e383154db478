"""`raisin-broker`: the command line of the broker."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from raisin_core import __version__, home, limits, stdin_life
from raisin_core.amounts import seconds, size
from raisin_core.errors import RaisinError, StoreError

EXAMPLES = """examples:
  raisin-broker                                    on this machine only, state in the user's data directory
  raisin-broker --listen 192.168.1.20:5757         for the network (any address of this machine, or *:5757)
  raisin-broker --data /srv/raisin --listen *:5757
  raisin-broker --durability power                 what was acknowledged survives a power cut, too (slower commits)
  raisin-broker --keep 7d --max-disk 10GB          ended jobs go after a week, the oldest before the disk is that full

A new broker prints a line with which a cluster is founded, once, from any machine:
  raisin cluster create NAME --broker rsb1-...
That line is secret until it was used (DATA/claim.key holds it). Who belongs then stands in DATA/book, which is signed
by the key that `raisin cluster create` made: that key, and those that payloads are sealed with, never come here.
Without a cluster, who may connect stands in DATA/roster.toml, which is read again when it changes:
  [[member]]
  key = "..."        # a worker or client prints its own
  name = "zoe"
  roles = ["client", "worker"]
  account = "zoe"    # whose machine it is (left out: a person of its own); jobs belong to accounts
Nothing is sealed then, and whoever may submit jobs runs code on every worker: admit people you trust.
"""


def parser() -> argparse.ArgumentParser:
    """The options."""
    parse = argparse.ArgumentParser(
        prog="raisin-broker",
        description="Keep the jobs of a cluster, give them to its workers, record their results.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parse.add_argument("--listen", metavar="ADDRESS", default="127.0.0.1:5757", help="default: %(default)s")
    parse.add_argument("--data", metavar="DIRECTORY", type=Path, help="default: broker/ in the user's raisin directory")
    parse.add_argument("--beat", metavar="SECONDS", type=float, default=5.0, help="between heartbeats (%(default)s)")
    parse.add_argument("--silence", metavar="SECONDS", type=float, default=15.0, help="until work is given to others")
    parse.add_argument(
        "--durability", choices=("process", "power"), default="process", help="what commits survive (%(default)s)"
    )
    parse.add_argument("--keep", metavar="TIME", type=seconds, default="30d", help="how long ended jobs stay (30d)")
    parse.add_argument("--max-disk", metavar="SIZE", type=size, default="0", help="most that is kept (no limit)")
    parse.add_argument("--verbose", action="store_true", help="log to the terminal, too")
    parse.add_argument("--end-with-stdin", action="store_true", help="end when standard input ends (for supervisors)")
    parse.add_argument("--version", action="version", version=f"raisin-broker {__version__}")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run a broker until SIGTERM or Ctrl-C; the exit code is 0, or 1 with one line that says what is wrong."""
    options = parser().parse_args(argv)
    from raisin_broker.gate import GateFailed
    from raisin_broker.peers import Timing
    from raisin_broker.retention import Keep
    from raisin_broker.server import Server, Settings

    if not 0 < options.beat < options.silence:
        parser().error("--beat must be above 0 and below --silence")
    limits.no_core_files()
    os.umask(0o077)  # also for what libraries make: sockets, files of the database
    limits.open_many_files()
    timing = Timing(options.beat, options.silence)
    data = options.data or home.home() / "broker"
    try:
        keep = Keep(options.keep, options.max_disk)
        server = Server(Settings(data, options.listen, timing, options.verbose, options.durability, keep))
    except (RaisinError, OSError, ValueError) as error:
        print(f"raisin-broker: {error}", file=sys.stderr)  # noqa: T201
        return 1
    server.catch_signals()  # whoever reads the line may send one
    print(server.announce(), flush=True)  # noqa: T201
    if options.end_with_stdin:
        stdin_life.end_with_stdin()
    try:
        server.run()
    except (GateFailed, StoreError) as error:  # damage that was found while reading: whoever looks after it must decide
        server.log.critical("%s", error)
        print(f"raisin-broker: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
