"""Whose code runs, and whose results are loaded: from end to end, with real programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.closed.support import Closed, at_home, closed

pytestmark = pytest.mark.slow

FOREIGN = """
    import sys, time
    from pathlib import Path
    import raisin

    class Odd:
        "No value: an instance of any class."
        def __init__(self, x):
            self.x = x

    folder = Path(sys.argv[1])

    def odd(x):
        (folder / str(x)).touch()
        return Odd(x)

    handle = raisin.Map(odd, range(500), chunksize=1)
    handle.start()
    try:
        handle.get()
        print("loaded")
    except raisin.UntrustedResult as error:
        print("refused:", error)
        print("ran", len(list(folder.iterdir())))
        given = handle.get(trust=[Odd] if sys.argv[2] == "type" else "all")
        print("then", len(given), sum(each.x for each in given))
        print("ran", len(list(folder.iterdir())))
"""


@pytest.mark.parametrize("how", ["type", "all"])
def test_a_foreign_pickle_stops_the_job_after_one_task(how: str, tmp_path: Path) -> None:
    traces = tmp_path / "traces"
    traces.mkdir()
    with closed(tmp_path) as cluster:
        cluster.admit("zoe", roles=("worker",))
        cluster.begin(runs=["anna"])
        cluster.machines["zoe"].worker()
        said = cluster.root.script(FOREIGN, traces, how).wait(60)
        assert said.code == 0, cluster.show()
        assert all(text in said.out for text in ("refused: ", "Odd", "zoe")), said.out
        assert "\nran 1\n" in said.out, said.out
        assert f"then 500 {sum(range(500))}" in said.out, said.out
        assert "\nran 500\n" in said.out, "nothing is computed twice"


def test_results_of_a_confirmed_machine_load(tmp_path: Path) -> None:
    traces = tmp_path / "traces"
    traces.mkdir()
    with closed(tmp_path) as cluster:
        cluster.admit("zoe", roles=("worker",))
        cluster.begin(runs=["anna"])
        _confirm(cluster, "zoe")
        cluster.machines["zoe"].worker()
        said = cluster.root.script(FOREIGN, traces, "all").wait(60)
        assert said.out == "loaded\n", cluster.show()


def test_values_of_others_come_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMEBODYS_TOKEN", "secret")
    with closed(tmp_path) as cluster:
        cluster.admit("zoe", roles=("worker",))
        cluster.begin(runs=["anna"])
        cluster.machines["zoe"].worker()
        said = cluster.root.run(
            """
            import dataclasses, datetime, decimal, enum, os
            import raisin

            @dataclasses.dataclass
            class Point:
                x: int
                y: float

            class Kind(enum.Enum):
                A = 1
                B = 2

            def work(x):
                if x == 5:
                    raise KeyError("five")
                return [x, {"a": (1, 2.5)}, Point(x, 1.0), Kind.B, datetime.date(2026, 1, 1), decimal.Decimal("1.5")][x]

            assert raisin.process(os.environ.get, ("SOMEBODYS_TOKEN",)) is None, "others see the owner's environment"
            assert raisin.process(os.environ.get, ("PATH",))
            handle = raisin.Map(work, range(6)).start()
            print(handle.errors())
            for record in sorted(handle.get_all(), key=lambda each: each["index"])[:5]:
                print(repr(record["res"]))
            """
        )
        assert said.code == 0, cluster.show()
        assert "[5]" in said.out or "KeyError" in said.out
        for text in ("0\n", "{'a': (1, 2.5)}", "Point(x=2, y=1.0)", "<Kind.B: 2>", "datetime.date(2026, 1, 1)"):
            assert text in said.out, said.out


def test_a_worker_runs_only_code_that_its_owner_allows(tmp_path: Path) -> None:
    with closed(tmp_path) as cluster:
        cluster.admit("zoe", roles=("worker",))
        cluster.begin()
        worker = cluster.machines["zoe"].worker()
        worker.await_text(", pid ")
        program = cluster.root.script("import raisin; print(raisin.process(len, ('abc',)))")
        _confirm_later = cluster.machines["zoe"].profile()
        with at_home(cluster.machines["zoe"].home):
            _confirm_later.set_runs(["anna"])
        assert program.wait(100).out == "3\n", cluster.show()


def _confirm(cluster: Closed, name: str) -> None:
    with at_home(cluster.root.home):
        profile = cluster.root.profile()
        profile.confirm(profile.standing.members[name])
