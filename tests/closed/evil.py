"""A broker that means harm: `python -m tests.closed.evil DIRECTORY ADDRESS`; it serves like any other, and twists what
it says, in the way that DIRECTORY/kind names.

Each twist writes a line to DIRECTORY/twisted-KIND when it has happened, so that a test can tell that nothing came of it
from that nothing was tried.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from raisin_broker.outbox import Send
from raisin_broker.server import Server, Settings
from raisin_broker.wording import worded
from raisin_core import envelope
from raisin_core import messages as m
from raisin_core.messages import Message

Said = tuple[Message, bytes]
Twist = Callable[[dict[Any, Any], Message, bytes], Said]


def _replace(message: Message, **changes: Any) -> Message:
    changed: Message = msgspec.structs.replace(message, **changes)
    return changed


def functions(seen: dict[Any, Any], message: Message, payload: bytes) -> Said:
    """The first job's function under the names of all others."""
    if isinstance(message, m.Function):
        first = seen.setdefault("function", payload)
        return message, first
    return message, payload


def leased_functions(seen: dict[Any, Any], message: Message, payload: bytes) -> Said:
    """Leases of all jobs name the first job's function."""
    if isinstance(message, m.Lease):
        return _replace(message, function=seen.setdefault("digest", message.function)), payload
    return message, payload


def pages(seen: dict[Any, Any], message: Message, payload: bytes) -> Said:
    """The first page of arguments in the place of all others."""
    if isinstance(message, m.Argument):
        return message, seen.setdefault("page", payload)
    return message, payload


def ranges(seen: dict[Any, Any], message: Message, payload: bytes) -> Said:
    """Pages and leases moved by their own length: other tasks than those that were submitted."""
    if isinstance(message, m.Argument):
        return _replace(message, first=message.first + 1), payload
    if isinstance(message, m.Lease):
        return _replace(message, start=message.start + 1, stop=message.stop + 1), payload
    return message, payload


def jobs(seen: dict[Any, Any], message: Message, payload: bytes) -> Said:
    """Pages and leases of all jobs as if they were the first one's."""
    if isinstance(message, (m.Argument, m.Lease)):
        return _replace(message, job=seen.setdefault("job", message.job)), payload
    return message, payload


def results(seen: dict[Any, Any], message: Message, payload: bytes) -> Said:
    """The first page of results in the place of all others."""
    if isinstance(message, m.Result):
        return message, seen.setdefault("result", payload)
    return message, payload


def result_bytes(seen: dict[Any, Any], message: Message, payload: bytes) -> Said:
    """One bit of each page of results is another."""
    if isinstance(message, m.Result) and payload:
        middle = len(payload) // 2
        return message, payload[:middle] + bytes([payload[middle] ^ 1]) + payload[middle + 1 :]
    return message, payload


def rulings(seen: dict[Any, Any], message: Message, payload: bytes) -> Said:
    """Results as if the broker had ruled: what is inside is its own."""
    if isinstance(message, m.Result):
        return _replace(message, ruling=True), payload
    return message, payload


def plain_results(seen: dict[Any, Any], message: Message, payload: bytes) -> Said:
    """Results that nobody sealed: pickles that would run something."""
    if isinstance(message, m.Result):
        return message, b"\0cposix\nsystem\n(Vtouch " + str(seen["data"] / "owned").encode() + b"\ntR."
    return message, payload


def plain_arguments(seen: dict[Any, Any], message: Message, payload: bytes) -> Said:
    """Arguments and functions that nobody sealed."""
    if isinstance(message, (m.Argument, m.Function)):
        return message, b"\0cposix\nsystem\n(Vtouch " + str(seen["data"] / "owned").encode() + b"\ntR."
    return message, payload


def origins(seen: dict[Any, Any], message: Message, payload: bytes) -> Said:
    """Results of the first job as if they had been recorded for the others' tasks."""
    if isinstance(message, m.Result):
        job, first = seen.setdefault("origin", (message, payload))[0].job, seen["origin"]
        if message.job != job:
            origin = m.Origin(job, first[0].start, first[0].stop, first[0].start)
            return _replace(message, origin=origin), first[1]
    return message, payload


def timeouts(seen: dict[Any, Any], message: Message, payload: bytes) -> Said:
    """Leases with a limit of time that nobody asked for."""
    if isinstance(message, m.Lease):
        return _replace(message, task_timeout=0.001), payload
    return message, payload


def old_roster(seen: dict[Any, Any], message: Message, payload: bytes) -> Said:
    """The first roster again, whatever came since, under a higher number."""
    if isinstance(message, m.Roster) and payload:
        return _replace(message, version=message.version + 5), seen.setdefault("book", payload)
    return message, payload


TWISTS: Final[dict[str, Twist]] = {
    each.__name__: each
    for each in (
        *(functions, leased_functions, pages, ranges, jobs, timeouts, plain_arguments),
        *(results, result_bytes, rulings, plain_results, origins, old_roster),
    )
}


class EvilServer(Server):
    """A broker with a twist."""

    data: Path
    kind = ""
    seen: dict[Any, Any]

    def _send(self, command: Send) -> None:
        said = worded(command, self.store)
        if said is None:
            return
        kind = (self.data / "kind").read_text()
        if kind != self.kind:
            self.kind, self.seen = kind, {"data": self.data}
        told = TWISTS[kind](self.seen, *said) if kind else said
        if told != said:
            with open(self.data / f"twisted-{kind}", "a") as file:
                file.write(f"{type(said[0]).__name__}\n")
        bundle = self._bundles.setdefault(command.route, envelope.Bundle())
        bundle.add(*told)
        if bundle.full:
            self._flush()


def main() -> None:
    """Serve until standard input ends."""
    from raisin_core import stdin_life

    data = Path(sys.argv[1])
    server = EvilServer(Settings(data, sys.argv[2]))
    server.data = data
    server.catch_signals()
    print(server.announce(), flush=True)
    stdin_life.end_with_stdin()
    server.run()


if __name__ == "__main__":
    main()
