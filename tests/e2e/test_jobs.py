"""Jobs whose program has gone, from the command line: listed, explained, collected, cancelled."""

from __future__ import annotations

import json
import os
import pickle
import stat
import subprocess
import sys

import pytest

import raisin
from tests.e2e import support
from tests.e2e.support import until

pytestmark = pytest.mark.slow  # what it tests is the same on every Python

RUN = "import sys\nfrom raisin_cli.main import main\nsys.exit(main())"
WAITS = """
from raisin_cli.waiting import Line
def tick(self, told=[]):
    if not told:
        told.append(print("it waits", flush=True))
Line.tick = tick
"""
KEEPER = "import raisin, sys\nprint(raisin.process(str, ('there',)), flush=True)\nsys.stdin.read()"
SQUARES = """
    import raisin
    m = raisin.Map(lambda n: n * n, range(1000), name="squares", save=True)
    print(m.start().id)
    m.join()
"""
HALF_BAD = """
    import raisin
    def half(n):
        if n % 2:
            raise ValueError(f"odd: {n}")
        return n / 2
    m = raisin.Map(half, range(10), name="half", save=True)
    print(m.start().id)
    m.join()
"""
HANGS = """
    import raisin, sys, time
    def run(n):
        while n >= 10:
            time.sleep(0.01)
        return n
    m = raisin.Map(run, range(20), chunksize=1, name="hangs", save=True).start()
    while m.progress().done < 10:
        time.sleep(0.01)
    print(m.id, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module", autouse=True)
def cluster(kept_cluster):
    """This module's embedded cluster runs all the time, so that no command has to start it."""


@pytest.fixture
def command(interpreters):
    """Runs the command line in this module's home."""
    return lambda *arguments, **options: interpreters.run(RUN, *arguments, **options)


@pytest.fixture
def left(interpreters):
    """Runs a program to its end; gives the id of the job that it leaves behind."""
    return lambda code: interpreters.run(code).ok().split()[0]


def one_line(done, code=1):
    assert (done.code, done.out) == (code, "")
    (text,) = done.err.splitlines()
    assert text.startswith("raisin: ")
    return text


def listed(command):
    return {each["id"]: each for each in json.loads(command("jobs", "--json").ok())}


def test_a_job_whose_program_has_ended(left, command):
    key = left(SQUARES)
    lines = command("jobs").ok().splitlines()
    assert lines[0].split() == ["id", "name", "state", "tasks", "submitted", "from"]
    (found,) = [each for each in lines if each.startswith(key[:8])]
    assert found.split()[1:4] == ["squares", "done", "1000/1000"]
    entry = listed(command)[key]
    assert (entry["name"], entry["form"], entry["state"], entry["done"], entry["total"]) == (
        *("squares", "map", "done"),
        *(1000, 1000),
    )
    assert entry["opened"] <= entry["ended"]
    assert entry["attended"] is False
    text = command("job", key[:10]).ok()
    assert text.startswith(f"squares (map) {key}\n  state      done\n  tasks      1000 done of 1000, 0 failed")
    assert "its client is not connected any more" in text
    done = command("results", key[:10])
    assert done.ok().splitlines() == [str(n * n) for n in range(1000)]
    assert done.err == ""
    assert command("explain", key).ok() == f"squares (job {key[:8]}) is done: 1000 of 1000 done, 0 failed\n"
    assert command("cancel", key).ok() == f"squares (job {key[:8]}) is over already: done\n"
    assert listed(command)[key]["state"] == "done", "looking at it keeps it"


def test_some_tasks_failed(left, command):
    key = left(HALF_BAD)
    done = command("results", key)
    assert (done.code, done.out.split()) == (1, ["0.0", "1.0", "2.0", "3.0", "4.0"])
    assert done.err.splitlines() == [
        *(f"raisin: task {n} failed: ValueError: odd: {n}" for n in (1, 3, 5, 7, 9)),
        "raisin: 5 of 10 failed",
    ]
    done = command("results", key, "--json")
    assert done.code == 1
    assert [json.loads(line) for line in done.out.splitlines()] == [
        {"index": n, "error": f"ValueError: odd: {n}"} if n % 2 else {"index": n, "res": n / 2} for n in range(10)
    ]
    assert "  state      done, 5 failed" in command("job", key).ok()
    found = json.loads(command("job", key, "--json").ok())
    assert (found["state"], found["failed"]) == ("failed", 5)
    assert found["errors"] == [{"index": n, "error": f"ValueError: odd: {n}"} for n in (1, 3, 5, 7, 9)]


def test_results_as_a_file(left, command, folder):
    target = folder / "out.pickle"
    done = command("results", left(SQUARES), "--output", str(target))
    assert done.ok().startswith(f"{target}: 1000 results, ")
    assert pickle.loads(target.read_bytes()) == [n * n for n in range(1000)]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    key = left("import raisin\nprint(raisin.Scan(pow, [2, 3], [1, 2], save=True).start().id)")
    assert "exists already" in one_line(command("results", key, "--output", str(target)))
    command("results", key, "--output", str(target), "--force").ok()
    assert pickle.loads(target.read_bytes()) == [[2, 4], [3, 9]]
    done = command("results", left(HALF_BAD), "--output", str(target), "--force")
    assert (done.code, len(done.err.splitlines())) == (1, 6)
    values = pickle.loads(target.read_bytes())
    assert values[::2] == [0, 1, 2, 3, 4]
    assert [str(error) for error in values[1::2]] == [f"odd: {n}" for n in (1, 3, 5, 7, 9)]


def test_classes_of_the_program_that_has_gone(left, command, folder):
    key = left(
        """
        import raisin
        class Point:
            def __init__(self, x):
                self.x = x
            def __repr__(self):
                return f"Point\\x1b[2J({self.x})"
        m = raisin.Map(Point, [1, 2], save=True)
        print(m.start().id)
        m.join()
        """
    )
    assert command("results", key).ok() == "Point\\x1b[2J(1)\nPoint\\x1b[2J(2)\n"
    command("results", key, "--output", str(folder / "out")).ok()
    assert [point.x for point in pickle.loads((folder / "out").read_bytes())] == [1, 2]


def test_a_job_whose_program_was_killed(own_home, folder):
    """What is done can be had; the rest says why it does not go on; and it can be cancelled."""

    def command(*arguments):
        return own_home.run(RUN, *arguments)

    program = own_home.start(HANGS)
    key = program.await_text("\n").strip()
    assert listed(command)[key]["attended"] is True
    program.kill()
    support.await_gone(own_home.home)
    own_home.start(KEEPER).await_text("there")
    assert listed(command)[key]["attended"] is False
    waits = "nothing of it runs: the client that submitted it is not connected"
    until(lambda: waits in command("explain", key[:8]).out, "nobody has it any more")
    found = json.loads(command("explain", key, "--json").ok())
    assert (found["done"], found["ready"], found["reasons"][0]) == (10, 10, waits.partition(": ")[2])
    assert [(each["running"], each["slots"] > 0) for each in found["workers"]] == [(0, True)]
    done = command("results", key, "--partial")
    assert done.ok().split() == [str(n) for n in range(10)]
    assert done.err == "raisin: it is not over: 10 done, 0 of them failed\n"
    command("results", key, "--partial", "--output", str(folder / "part")).ok()
    assert pickle.loads((folder / "part").read_bytes()) == {n: n for n in range(10)}
    done = command("cancel", key)
    assert (done.code, done.out) == (2, "")
    assert "say --yes" in done.err
    assert command("cancel", key, "--yes").ok() == f"hangs (job {key[:8]}) is cancelled, 10 of 20 done\n"
    assert listed(command)[key]["state"] == "cancelled"
    assert "was cancelled with 10 of 20 tasks done; --partial gives" in one_line(command("results", key))
    assert command("results", key, "--partial").ok().split() == [str(n) for n in range(10)]


def test_cancelling_what_another_program_runs(interpreters, command):
    program = interpreters.start(HANGS)
    key = program.await_text("\n").strip()
    done = command("cancel", key[:12], "--yes")
    assert done.ok() == f"hangs (job {key[:8]}) is cancelled, 10 of 20 done\n"
    with pytest.raises(raisin.CancelledError):
        raisin.attach(key[:12]).get(timeout=30)
    program.close()


def test_waiting_for_results_and_ctrl_c(interpreters, command, folder):
    gate = folder / "gate"
    program = interpreters.start(
        f"""
        import os, raisin, sys, time
        def run(n):
            while not os.path.exists({str(gate)!r}):
                time.sleep(0.01)
            return n
        m = raisin.Map(run, [1, 2], name="waits", save=True).start()
        print(m.id, flush=True)
        sys.stdin.read()
        """
    )
    key = program.await_text("\n").strip()
    waiting = interpreters.start(f"{WAITS}\n{RUN}", "results", key)
    waiting.await_text("it waits")
    support.interrupt(waiting)
    done = waiting.wait()
    assert (done.code, done.out) == (130, "it waits\n")
    assert done.err == f"raisin: not waiting any more; the job goes on. Again: raisin results {key[:8]}\n"
    again = interpreters.start(RUN, "results", key)
    gate.touch()
    assert again.wait().ok() == "1\n2\n"
    program.close()


def test_ids_that_name_nothing_or_too_much(left, command, monkeypatch):
    key = left(SQUARES)
    for name in ("job", "results", "explain"):
        assert "no job 0000" in one_line(command(name, "0000"))
        text = one_line(command(name, "0" * 32))
        assert "no job 00000000 here" in text
        assert "`raisin jobs` lists" in text
        assert "is no job id" in one_line(command(name, key[:3]))
    assert "no job 0000" in one_line(command("cancel", key, "0000", "--yes"))
    with pytest.raises(raisin.UnknownJob, match="`raisin jobs` lists"):
        raisin.attach("0" * 32)
    assert raisin.attach(key[:8]).get()[9] == 81
    assert raisin.jobs()[0].id in listed(command)


def test_ambiguous_ids(interpreters, command):
    """Ids are random: the client's source of them is not, here."""
    code = """
        import raisin, secrets
        from raisin_core.client import launch
        whole = secrets.token_bytes
        for n in range(2):
            secrets.token_bytes = lambda size: bytes.fromhex("abcd") + whole(size - 2)
            m = raisin.Map(abs, [n], name=f"same{n}", save=True).start()
            m.join()
            secrets.token_bytes = whole
            print(m.id)
    """
    first, second = interpreters.run(code).ok().split()
    assert first[:4] == second[:4] == "abcd"
    for name in ("job", "results", "explain"):
        text = one_line(command(name, "abcd"))
        assert "the ids of 2 jobs begin with abcd" in text
        assert f"{first[:8]} same0 (done)" in text
        assert f"{second[:8]} same1 (done)" in text
    assert command("results", first[:10]).ok() == "0\n"


def test_odd_names_do_not_reach_the_terminal(left, command):
    """The client refuses them; somebody else's may not."""
    key = left(
        "import raisin\nfrom raisin_core.client import options\noptions._name = lambda verb, name: name\n"
        'print(raisin.Map(abs, [1], name="\\x1b]0;owned\\x07odd\\u202e", save=True).start().id)'
    )
    for arguments in (["jobs"], ["job", key], ["explain", key], ["cancel", key, "--yes"], ["jobs", "--json"]):
        text = command(*arguments).ok()
        assert text.replace("\n", "").isprintable(), arguments
        assert "odd" in text


def test_a_reader_that_goes_away(left, interpreters):
    code = f"""
        import subprocess, sys
        RUN = {RUN!r}
        command = [sys.executable, "-c", RUN, "results", sys.argv[1]]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.read(2)
            process.stdout.close()
            print(process.stderr.read(), process.wait())
    """
    key = left("import raisin\nm = raisin.Map(abs, range(100_000), save=True).start()\nprint(m.id)\nm.join()")
    assert interpreters.run(code, key).ok() == "b'' 1\n"


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("answer", "code", "state"), [("n", 130, "running"), ("y", 0, "cancelled")])
def test_cancelling_is_asked_for(interpreters, home, folder, answer, code, state):
    program = interpreters.start(HANGS)
    key = program.await_text("\n").strip()
    ours, theirs = os.openpty()
    try:
        command = [sys.executable, "-c", RUN, "cancel", key]
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=60, check=False)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == code, done.stderr
    assert done.stdout.startswith(f"hangs (job {key[:8]}): 10 of 20 done\nCancel it? [y/N]: ")
    assert raisin.attach(key).state == state
    raisin.attach(key).cancel()
    program.close()


def test_the_cluster_of_this_machine_is_started_for_a_command(own_home):
    assert own_home.run(RUN, "jobs").ok() == "no jobs\n"
    assert own_home.run(RUN, "jobs", "--json").ok() == "[]\n"
