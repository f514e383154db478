"""Row "client killed": what was submitted goes on or is kept, and somebody else of the same account continues it."""

from __future__ import annotations

import pytest

import raisin
from tests.e2e import support
from tests.e2e.support import await_gone, until

pytestmark = pytest.mark.slow  # what it tests is the same on every Python

SLOW = """
import os, raisin, time
def square(n):
    with open(f"{folder}/run-{{n}}", "a") as file:
        file.write("x")
    while n >= 10 and not os.path.exists("{folder}/go"):
        time.sleep(0.005)
    return n * n
"""


def runs(folder):
    """How often each task was begun."""
    return {int(path.name[4:]): len(path.read_text()) for path in folder.glob("run-*")}


@pytest.fixture
def scripts(folder):
    made = support.Interpreters(folder / "h", folder)
    yield made
    made.close()


def test_client_killed_on_a_cluster(folder, scripts):
    """All pages were submitted: the job goes on without it, and is collected by whoever attaches."""
    with support.cluster(folder, "ann") as cluster:
        code = cluster.script(SLOW.format(folder=folder) + "m = raisin.Map(square, range(30)).start()\n")
        code += "while m.progress().done < 10 or m.progress().total < 0: time.sleep(0.01)\n"
        program = scripts.start(code + "print(m.id, flush=True); time.sleep(1000)")
        key = program.await_text("\n").strip()
        program.kill()
        (folder / "go").touch()
        with cluster.connect():
            assert raisin.attach(key).get(timeout=30) == [n * n for n in range(30)]
        assert runs(folder) == dict.fromkeys(range(30), 1)


def test_client_killed_while_it_submits(folder, scripts):
    """What was acknowledged is done and kept, and the job says that its end never came."""
    with support.cluster(folder, "ann") as cluster:
        code = cluster.script(
            """
            import time
            def items():
                n = 0
                while m.progress().done < 100:
                    time.sleep(0.005)
                    yield n
                    n += 1
                print(m.id, flush=True)
                time.sleep(1000)
            m = raisin.Map(lambda n: n * n, items())
            m.start().get()
            """
        )
        program = scripts.start(code)
        key = program.await_text("\n").strip()
        program.kill()
        with cluster.connect():
            m = raisin.attach(key)
            values = iter(m)
            assert [next(values) for _ in range(100)] == [n * n for n in range(100)]
            with pytest.raises(raisin.JobIncomplete, match="its client ended when it had submitted"):
                m.get(timeout=30)
            assert m.state == "running"
            assert m.cancel()


BEGIN = """
m = raisin.Map(square, range(30), chunksize=1, resume="squares").start()
while m.progress().done < 10: time.sleep(0.01)
print(m.id, flush=True)
time.sleep(1000)
"""
GO_ON = """
values = raisin.Map(square, [*range(30, 40), *reversed(range(30))], resume="squares").get()
print(values == [n * n for n in [*range(30, 40), *reversed(range(30))]])
"""


def test_client_killed_and_its_job_resumed_on_a_cluster(folder, scripts):
    """By another program, in another order and with more elements: what is recorded is not computed again."""
    with support.cluster(folder, "ann") as cluster:
        text = cluster.script(SLOW.format(folder=folder))
        program = scripts.start(text + BEGIN)
        program.await_text("\n")
        program.kill()
        (folder / "go").touch()
        assert scripts.run(text + GO_ON).ok() == "True\n"
    found = runs(folder)
    assert set(found) == set(range(40))
    assert {found[n] for n in range(10)} == {1}


def test_client_killed_on_the_embedded_cluster(own_home):
    """The cluster ends with its last client; the job is kept, says so, and `resume=` continues it."""
    text = SLOW.format(folder=own_home.folder)
    program = own_home.start(text + BEGIN)
    key = program.await_text("\n").strip()
    program.kill()
    await_gone(own_home.home)
    done = own_home.run(
        f"""
        import itertools, raisin
        m = raisin.attach({key!r})
        print(sorted(itertools.islice(m, 10)), m.state)
        """
    )
    assert done.ok() == f"{[n * n for n in range(10)]} running\n"
    (own_home.folder / "go").touch()
    assert own_home.run(text + GO_ON).ok() == "True\n"
    found = runs(own_home.folder)
    assert set(found) == set(range(40))
    assert {found[n] for n in range(10)} == {1}


def test_client_killed_and_nobody_resumes(folder, scripts):
    """An abandoned job does not keep the cluster from working for others."""
    with support.cluster(folder, "ann") as cluster:
        program = scripts.start(cluster.script(SLOW.format(folder=folder)) + BEGIN)
        program.await_text("\n")
        program.kill()
        (folder / "go").touch()
        with cluster.connect():
            assert raisin.Map(abs, range(-5, 0)).get(timeout=30) == [5, 4, 3, 2, 1]
            until(lambda: len(runs(folder)) == 30, "its tasks are done all the same", show=cluster.show)
