"""The broker reads nothing: what is looked for in its files, its memory and on the wire is not there."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.closed.relay import Relay
from tests.closed.support import closed

pytestmark = pytest.mark.slow

JOB = """
    import sys
    import raisin

    mark, result = sys.argv[1], sys.argv[2]
    closure = mark + "closure"
    large = (mark + "blob") * 100_000

    def work(x, extra):
        print(mark + "print", flush=True)
        if x == 1:
            raise ValueError(mark + "exception")
        if x == 2:
            return closure + "result"
        if x == 3:
            return (closure + "large") * 100_000
        if x == 4:
            raise ImportError(mark + "unfit")
        return len(x)

    work.__name__ = mark + "name"
    handle = raisin.Map(work, [mark + "argument", 1, 2, 3, 4, large], kwargs={"extra": mark + "keyword"})
    handle.start()
    records = {}
    for record in handle.get_all():
        records[record["index"]] = record
    assert records[0]["res"] == len(mark + "argument"), records
    assert mark + "exception" in str(records[1]["error"]), records
    assert records[2]["res"] == mark + "closure" + "result", records
    assert len(records[3]["res"]) > 1_000_000
    assert mark + "unfit" in str(records[4]["error"]), records[4]
    assert records[5]["res"] == len(large)
    assert mark + "print" in "".join(record["stdout"] for record in records.values())
    kept = list(raisin.map(len, [mark + "resumed"], resume="key", name=mark + "job"))
    assert kept == [len(mark + "resumed")]
    print("fine")
    input()
"""


def found(mark: bytes, folder: Path) -> list[str]:
    """Files that have the mark in them."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [str(path) for path in files if mark in path.read_bytes()]


def memory(pid: int) -> Iterator[bytes]:
    """What a process has in its memory, mapped files included."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, modes, *_, name = [*line.split(), ""][:6]
            first, last = (int(each, 16) for each in span.split("-"))
            if modes.startswith("r") and not name.startswith("[v"):
                try:
                    mem.seek(first)
                    yield mem.read(last - first)
                except (OSError, ValueError):
                    continue


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="reads another process's memory")
def test_markers_are_nowhere_at_the_broker(tmp_path: Path) -> None:
    mark, capture = f"MARK{secrets.token_hex(8)}", tmp_path / "capture"
    with closed(tmp_path) as cluster, Relay(capture, cluster.port) as relay:
        cluster.admit("zoe", roles=("worker",))
        cluster.book = cluster.moved(f"127.0.0.1:{relay.port}")
        cluster.begin(runs=["anna"])
        cluster.machines["zoe"].worker(slots=2)
        program = cluster.root.script(JOB, mark, "x")
        program.await_text("fine", 60)
        assert cluster.broker is not None
        seen = 0
        for region in memory(cluster.broker.pid):
            seen += len(region)
            assert mark.encode() not in region, "in the broker's memory"
        assert seen > 10_000_000, "the memory was not read"
        assert b"key" in b"".join(path.read_bytes() for path in cluster.data.glob("raisin.db*")), "no job was recorded"
        assert found(mark.encode(), cluster.data) == []
        assert mark not in cluster.broker.out + cluster.broker.err
        assert capture.stat().st_size > 1_000_000, "nothing went over the wire"
        assert mark.encode() not in capture.read_bytes()
        worker = cluster.machines["zoe"].home
        assert [path for path in found(mark.encode(), worker) if path.endswith(".log")] == []
