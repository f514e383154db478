"""The relay between peers and broker: a program that passes TCP on, well or badly.

    python -m tests.soak.relay '{"broker": "10.77.0.2", "port": 5757, "seed": 1, "lines": {"anna": "10.77.1.1", ...}}'

Each line has its own address, and listens there at both of the broker's ports. On standard input come orders, one JSON
object a line: `{"line": "anna", "delay": 0.2, "loss": 0.05, "silent": "both"}`.

`delay`: seconds by which each direction is late. `loss`: TCP does not lose bytes, it stalls until they are sent again;
so with this probability per piece a direction is held up for 0.2 s to 1 s, and now and then the connection is cut.
`silent` ("up", "down", "both", or "" for not): the line is half open. Connections that stand swallow what comes that
way, and its end as well, for ever, as behind a router that has forgotten them; new ones are accepted and swallowed.

While no broker listens, a connection waits instead of being refused; the program ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

PIECE: Final = 16 * 1024
PIECES: Final = 64
STALL_SECONDS: Final = (0.2, 1.0)
CUTS_PER_LOSS: Final = 0.05
CONNECT_SECONDS: Final = 6.0
AGAIN_SECONDS: Final = 0.1

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Line:
    """One peer's way to the broker, and how bad it is."""

    def __init__(self, name: str, broker: str, dice: random.Random) -> None:
        self.name, self.broker, self.dice = name, broker, dice
        self.delay = self.loss = 0.0
        self.silent = ""
        self.connections: set[Connection] = set()

    def order(self, delay: float, loss: float, silent: str) -> None:
        """From now on it is like this."""
        self.delay, self.loss, self.silent = delay, loss, silent
        for each in self.connections:
            each.mute(silent)

    def lateness(self) -> float:
        """Seconds for the next piece."""
        return self.delay + (self.dice.uniform(*STALL_SECONDS) if self.dice.random() < self.loss else 0.0)

    def cuts(self) -> bool:
        return self.dice.random() < self.loss * CUTS_PER_LOSS

    async def serve(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A peer has connected."""
        print(f"relay: {self.name} connects", flush=True)
        connection = Connection(self)
        connection.mute(self.silent)
        self.connections.add(connection)
        try:
            upstream = await self._reach(port)
            if upstream is not None:
                await connection.run((reader, writer), upstream)
        except asyncio.CancelledError:
            return  # the program ends, and asyncio would complain
        finally:
            self.connections.discard(connection)
            writer.close()

    async def _reach(self, port: int) -> Stream | None:
        until = time.monotonic() + CONNECT_SECONDS
        while (left := until - time.monotonic()) > 0:
            with suppress(OSError, asyncio.TimeoutError):
                return await asyncio.wait_for(asyncio.open_connection(self.broker, port), left)
            await asyncio.sleep(AGAIN_SECONDS)
        return None


class Connection:
    """One connection of a peer, passed on. `muted` directions stay so."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.muted: set[str] = set()

    def mute(self, silent: str) -> None:
        self.muted |= {"up", "down"} if silent == "both" else {silent} if silent else set()

    async def run(self, peer: Stream, broker: Stream) -> None:
        """Pass on until an end that may be seen, or both have ended."""
        ways = {
            asyncio.ensure_future(self._pass("up", peer[0], broker[1])),
            asyncio.ensure_future(self._pass("down", broker[0], peer[1])),
        }
        try:
            while ways:
                done, ways = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                if any(each.result() for each in done):
                    break
        finally:
            for each in ways:
                each.cancel()
            broker[1].close()

    async def _pass(self, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One direction to its end; whether the other side may see that end."""
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(PIECES)
        pull = asyncio.ensure_future(self._pull(reader, pieces))
        try:
            with suppress(OSError):
                await self._push(way, pieces, writer)
        finally:
            pull.cancel()
        return way not in self.muted

    async def _pull(self, reader: asyncio.StreamReader, pieces: asyncio.Queue[tuple[float, bytes]]) -> None:
        due, data = 0.0, b"-"
        while data:
            try:
                data = await reader.read(PIECE)
            except OSError:
                data = b""
            due = max(due, time.monotonic() + self.line.lateness())
            await pieces.put((due, data))

    async def _push(self, way: str, pieces: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, data = await pieces.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not data or self.line.cuts():
                return
            if way not in self.muted:
                writer.write(data)
                await writer.drain()


async def obey(lines: dict[str, Line]) -> None:
    """Carry out orders until standard input ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while text := await reader.readline():
        order = json.loads(text)
        lines[order.pop("line")].order(**order)
        print(f"relay: {text.decode().strip()}", flush=True)


async def main(config: dict[str, Any]) -> None:
    dice = random.Random(config["seed"])
    lines = {name: Line(name, config["broker"], dice) for name in config["lines"]}
    for name, host in config["lines"].items():
        for port in (config["port"], config["port"] + 1):
            await asyncio.start_server(server(lines[name], port), host, port)
    print("relay: listening", flush=True)
    await obey(lines)


def server(line: Line, port: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
    """What asyncio calls for each connection to this port of this line."""
    return lambda reader, writer: line.serve(port, reader, writer)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
