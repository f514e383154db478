"""resume=: what was recorded under a key counts again, whoever comes back, with whatever elements."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

import raisin
from tests.e2e import support
from tests.e2e.support import until

COUNTED = """
    import os, sys, time
    import raisin

    def squared(n):
        with open({log!r}, "a") as log:
            log.write(f"{{n}}\\n")
        {body}
        return n * n
    """


@pytest.fixture
def log(folder: Path) -> Path:
    """Where tasks write that they ran."""
    path = folder / "log"
    path.touch()
    return path


def program(log: Path, code: str, body: str = "pass") -> str:
    return textwrap.dedent(COUNTED.format(log=str(log), body=body)) + textwrap.dedent(code)


def ran(log: Path) -> list[int]:
    return sorted(map(int, log.read_text().split()))


def test_only_what_is_new_is_computed(interpreters, log):
    code = "print(raisin.Map(squared, {}, resume='squares').start().get())"
    assert interpreters.run(program(log, code.format("range(5)"))).ok() == "[0, 1, 4, 9, 16]\n"
    assert ran(log) == [0, 1, 2, 3, 4]
    done = interpreters.run(program(log, code.format("[7, 3, 3, 0, 1, 2, 7]")))
    assert done.ok() == "[49, 9, 9, 0, 1, 4, 49]\n"
    assert ran(log) in ([0, 1, 2, 3, 4, 7], [0, 1, 2, 3, 4, 7, 7])
    assert interpreters.run(program(log, "print(list(raisin.map(squared, range(5))))")).ok() == "[0, 1, 4, 9, 16]\n"
    assert len(ran(log)) >= 11, "without the key, or under another one, nothing is re-used"


def test_a_client_that_was_killed_starts_again(own_home, log):
    """Its embedded cluster ends with it; the next program finds what was recorded, and computes the rest once."""
    code = "print(len(raisin.Map(squared, range(200), resume='long', chunksize=1).start().get()))"
    slow = program(log, code, "time.sleep(0.02)")
    first = own_home.start(slow)
    until(lambda: len(ran(log)) > 20, "some tasks are done", show=first.show)
    first.kill()
    support.await_gone(own_home.home)
    before = len(ran(log))
    assert before < 190, "it was to be killed in the middle"
    assert own_home.run(slow).ok() == "200\n"
    again = len(ran(log)) - len(set(ran(log)))
    assert sorted(set(ran(log))) == list(range(200))
    # What ran, or was done and not yet on its way to the broker (0.1 s), when all was killed.
    assert again <= 40, f"{again} of {before} ran twice"


@pytest.mark.slow  # the same on every Python
def test_what_is_running_when_the_client_dies_runs_once(folder, log):
    """A cluster goes on without its client; started again, it waits for what is being computed."""
    with support.cluster(folder, "ann", slots=2) as cluster:
        programs = support.Interpreters(folder / "h", folder)
        code = "print(raisin.Map(squared, range(12), resume='long').start().get() == [n * n for n in range(12)])"
        try:
            first = programs.start(cluster.script(program(log, code, "time.sleep(0.3)")))
            until(lambda: len(ran(log)) >= 3, "some tasks run", show=first.show)
            first.kill()
            assert programs.run(cluster.script(program(log, code, "time.sleep(0.3)"))).ok() == "True\n"
            assert ran(log) == list(range(12))
        finally:
            programs.close()


@pytest.mark.slow  # the same on every Python
def test_from_another_machine_of_the_same_account(folder, log):
    with support.cluster(folder, "ann", slots=2) as cluster:
        laptop, desk, other = (folder / f"{name}.key" for name in ("laptop", "desk", "other"))
        cluster.admit(laptop, "client", account="zoe")
        cluster.admit(desk, "client", account="zoe")
        cluster.admit(other, "client")
        programs = support.Interpreters(folder / "h", folder)
        code = "print(raisin.Map(squared, range(20), resume='shared').start().get() == [n * n for n in range(20)])"
        try:
            first = programs.start(cluster.script(program(log, code + "\nprint('there', flush=True)"), laptop))
            first.await_text("there")
            first.wait()
            assert programs.run(cluster.script(program(log, code), desk)).ok() == "True\n"
            assert len(ran(log)) == 20
            assert programs.run(cluster.script(program(log, code), other)).ok() == "True\n"
            assert len(ran(log)) == 40, "a key belongs to an account"
        finally:
            programs.close()


@pytest.mark.slow  # the same on every Python
def test_what_failed_is_tried_again(interpreters, folder, log):
    flag = folder / "flag"
    body = f"assert n != 2 or os.path.exists({str(flag)!r}), 'not yet'"
    code = """
        m = raisin.Map(squared, range(4), resume="failing").start()
        print(m.exception(), [record["res"] for record in m.get_all() if "res" in record].__len__())
    """
    assert "not yet" in interpreters.run(program(log, code, body)).ok()
    flag.touch()
    assert interpreters.run(program(log, code, body)).ok() == "None 4\n"
    assert ran(log) == [0, 1, 2, 2, 3]


@pytest.mark.slow  # fingerprints are tested on every Python in tests/core
def test_a_changed_function_is_told(interpreters, folder, log):
    (folder / "helpers.py").write_text("def double(n):\n    # twice\n    return 2 * n\n")
    code = """
        import helpers, raisin
        def fit(n):
            return helpers.double(n) + {}
        try:
            print(raisin.Map(fit, range(3), resume="nightly"{}).start().get())
        except raisin.FunctionChanged as changed:
            print(changed)
    """
    assert interpreters.run(textwrap.dedent(code).format(1, "")).ok() == "[1, 3, 5]\n"
    (folder / "helpers.py").write_text("def double(n):\n    return 2 * n  # twice, but better documented\n")
    assert interpreters.run(textwrap.dedent(code).format(1, "")).ok() == "[1, 3, 5]\n", "comments do not count"
    (folder / "helpers.py").write_text("def double(n):\n    return n + n + 0\n")
    said = interpreters.run(textwrap.dedent(code).format(1, "")).ok()
    assert said == (
        "resume='nightly' has 3 results of an older fit (double changed (helpers.py:1)). "
        "Recompute: force=True. Keep both: another key.\n"
    )
    assert interpreters.run(textwrap.dedent(code).format(1, ", force=True")).ok() == "[1, 3, 5]\n"
    said = interpreters.run(textwrap.dedent(code).format(2, "")).ok()
    assert "has 3 results of an older fit (" in said
    assert "changed)" in said


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"resume": ""}, "resume must be a text of 1 to 200 printable characters, not ''"),
        ({"resume": "a\nb"}, "resume must be a text of 1 to 200 printable characters, not 'a\\nb'"),
        ({"resume": "x" * 201}, "resume must be a text of 1 to 200"),
        ({"resume": 3}, "resume must be a text, the key to record under, not 3"),
        ({"force": True}, "force=True forgets what is recorded under a key: it needs resume="),
    ],
)
def test_keys_that_cannot_be(wrong, text):
    with pytest.raises(raisin.UsageError) as raised:
        raisin.map(abs, [1], **wrong)
    assert text in str(raised.value)


def test_odd_keys_are_as_good_as_others(kept_cluster):
    for key in ("'; DROP TABLE jobs; --", "日本 🍇", '"quoted"', " "):
        assert raisin.Map(abs, [-1, 2], resume=key).start().get() == [1, 2]
        assert raisin.Map(abs, [2, -1, -3], resume=key).start().get() == [2, 1, 3]


def test_scans_and_processes_are_resumed_too(interpreters, log):
    code = """
        def power(base, exponent):
            return squared(base) ** exponent
        print(raisin.scan(power, {}, [1, 2], resume="scan"), raisin.process(squared, (9,), resume="process"))
    """
    assert interpreters.run(program(log, code.format("[2, 3]"))).ok() == "[[4, 16], [9, 81]] 81\n"
    assert interpreters.run(program(log, code.format("[3, 4]"))).ok() == "[[9, 81], [16, 256]] 81\n"
    assert ran(log) == [2, 2, 3, 3, 4, 4, 9]


def test_records_of_what_was_recalled_are_those_of_its_first_run(kept_cluster):
    """Arguments and index are the new ones, measurements and host the old ones."""
    first = {r["args"]: r for r in raisin.Map(divmod, [7, 8], [2, 3], resume="records").start().get_all()}
    again = list(raisin.Map(divmod, [9, 8, 7], [4, 3, 2], resume="records").start().get_all())
    assert [r["res"] for r in sorted(again, key=lambda r: r["index"])] == [(2, 1), (2, 2), (3, 1)]
    for record in again:
        if record["args"] in first:
            old = first[record["args"]]
            assert (record["run_time"], record["host"], record["max_rss"]) == (
                old["run_time"],
                old["host"],
                old["max_rss"],
            )


@pytest.mark.slow  # the same on every Python
def test_an_attached_job_has_what_was_recalled(interpreters, log):
    code = "m = raisin.Map(squared, range(6), resume='attached').start(); m.get(); print(m.id)"
    interpreters.run(program(log, code)).ok()
    key = interpreters.run(program(log, code)).ok().strip()
    assert interpreters.run(f"import raisin; print(raisin.attach({key!r}).get())").ok() == "[0, 1, 4, 9, 16, 25]\n"
    assert ran(log) == list(range(6))


@pytest.mark.slow  # the same on every Python
def test_a_job_whose_client_was_killed_is_taken_up(own_home, log):
    """All of it was submitted: the rest is run as the tasks of whoever attaches are."""
    first = own_home.start(
        program(
            log,
            "m = raisin.Map(squared, range(60), chunksize=1).start(); print(m.id, flush=True); sys.stdin.read()",
            "time.sleep(0.02)",
        )
    )
    key = first.await_text("\n").strip()
    until(lambda: len(ran(log)) > 10, "some tasks are done", show=first.show)
    first.kill()
    support.await_gone(own_home.home)
    assert len(ran(log)) < 60, "it was to be killed in the middle"
    done = own_home.run(f"import raisin; print(raisin.attach({key!r}).get() == [n * n for n in range(60)])")
    assert done.ok() == "True\n"
    assert sorted(set(ran(log))) == list(range(60))


@pytest.mark.slow  # the same on every Python
def test_a_job_that_was_not_submitted_whole_says_so(own_home, log):
    code = """
        def numbers():
            for n in range(5):
                yield n
                time.sleep(0.02)  # a page is closed when elements come slowly
            sys.stdin.read()

        m = raisin.Map(squared, numbers(), save=True).start()
        print(m.id, flush=True)
        assert len([record for _, record in zip(range(5), m.get_all())]) == 5
        print("there", flush=True)
        sys.stdin.read()
        """
    first = own_home.start(program(log, code))
    key = next(line for line in first.await_text("there").splitlines() if len(line) == 32)
    first.kill()
    support.await_gone(own_home.home)
    done = own_home.run(
        f"""
        import raisin
        m = raisin.attach({key!r})
        got = []
        try:
            for value in m:
                got.append(value)
        except raisin.JobIncomplete as incomplete:
            print(got, incomplete)
        """
    )
    assert done.ok().startswith(f"[0, 1, 4, 9, 16] squared (job {key[:8]}): its client ended when it had submitted 5 ")
