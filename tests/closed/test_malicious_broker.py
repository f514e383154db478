"""A broker that swaps, moves, replays and forges runs nothing and changes nothing.

Two jobs of different functions, each with a file per call as its trace. Whatever the broker does, only calls that were
submitted leave a trace, and what `map` gives is right or an error. The same broker before members that do not seal
succeeds: so the double does what it says.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.closed import evil
from tests.closed.support import ROOT, closed
from tests.e2e import support

pytestmark = pytest.mark.slow

JOBS = """
    import sys
    from pathlib import Path

    import raisin

    folder = Path(sys.argv[1])

    def double(x):
        (folder / f"double {x}").touch()
        return 2 * x

    def square(x):
        (folder / f"square {x}").touch()
        return x * x

    for function, elements in ((double, range(4)), (square, range(10, 14))):
        for resume in (None, "key"):
            options = {"resume": f"{resume} {function.__name__} {sys.argv[2]}"} if resume else {}
            handle = raisin.Map(function, elements, **options)
            try:
                print("gave", function.__name__, handle.get(timeout=3))
            except raisin.RaisinError as error:
                print("raised", type(error).__name__, str(error).splitlines()[0])
            handle.cancel()
"""
SUBMITTED = {f"double {x}" for x in range(4)} | {f"square {x}" for x in range(10, 14)}
RIGHT = {"gave double [0, 2, 4, 6]", "gave square [100, 121, 144, 169]"}
KINDS = [kind for kind in evil.TWISTS if kind != "old_roster"]


def check(kind: str, folder: Path, out: str, data: Path) -> None:
    """Raises AssertionError where something came of it."""
    done = {path.name for path in folder.iterdir()}
    assert done <= SUBMITTED, f"{kind}: ran what nobody submitted: {done - SUBMITTED}"
    lines = [line for line in out.splitlines() if line.startswith(("gave", "raised"))]
    assert {line for line in lines if line.startswith("gave")} <= RIGHT, f"{kind}: {out}"
    assert len(lines) == 4, f"{kind}: each job gives its results or an error\n{out}"
    assert not (data / "owned").exists(), f"{kind}: ran what the broker wrote"


def test_a_malicious_broker_runs_nothing_and_changes_nothing(tmp_path: Path) -> None:
    with closed(tmp_path) as cluster:
        cluster.admit("zoe", roles=("worker",))
        cluster.begin(evil=True, runs=["anna"])
        cluster.machines["zoe"].worker()
        for kind in KINDS:
            traces = tmp_path / kind
            traces.mkdir()
            cluster.twist(kind)
            done = cluster.root.script(JOBS, traces, kind).wait(60)
            assert done.code == 0, f"{kind}: {cluster.show()}"
            assert (cluster.data / f"twisted-{kind}").exists(), f"{kind}: the broker did nothing\n{cluster.show()}"
            check(kind, traces, done.out, cluster.data)
        cluster.twist("")
        traces = tmp_path / "good"
        traces.mkdir()
        done = cluster.root.script(JOBS, traces, "good").wait(60)
        check("good", traces, done.out, cluster.data)
        assert {path.name for path in traces.iterdir()} == SUBMITTED, "worker and client are as good as before"


@pytest.mark.parametrize("kind", ["functions", "pages", "plain_results"])
def test_without_seals_the_same_broker_does_harm(kind: str, tmp_path: Path) -> None:
    traces = tmp_path / "traces"
    traces.mkdir()
    with support.cluster(tmp_path, "zoe") as cluster:
        assert cluster.broker is not None
        cluster.broker.close()
        (cluster.data / "kind").write_text(kind)
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        command = ["tests.closed.evil", str(cluster.data), cluster.address]
        broker = cluster._start(command, "evil", {"PYTHONPATH": path})
        broker.await_text(", pid ")
        command = [support.sys.executable, "-c", cluster.script(JOBS), str(traces), kind]
        program = support.Program(command, tmp_path, "jobs", cwd=tmp_path)
        try:
            done = program.wait(60)
        finally:
            program.close()
        with pytest.raises(AssertionError):
            check(kind, traces, done.out, cluster.data)
