"""Where programs come from: files, `-c`, standard input, prompts, notebooks' cells, forks; and what tasks inherit."""

from __future__ import annotations

import os
import sys

import pytest

from tests.e2e import support

pexpect = pytest.importorskip("pexpect")


pytestmark = pytest.mark.usefixtures("kept_cluster")


@pytest.mark.parametrize("how", ["file", "-c", "stdin"])
def test_without_ceremony(interpreters, how):
    """No `if __name__ == "__main__"`, functions and classes wherever they stand."""
    done = interpreters.run(
        """
        import dataclasses
        import raisin

        @dataclasses.dataclass
        class Point:
            x: int

            def moved(self, by):
                return Point(self.x + by)

        STEP = 10

        def move(point):
            return point.moved(STEP)

        print(list(raisin.map(move, [Point(1), Point(2)])))
        print(raisin.map(move, [Point(3)]).__next__() == Point(13))
        print(type(raisin.process(Point, (1,))) is Point)
        """,
        how=how,
    )
    assert done.ok() == "[Point(x=11), Point(x=12)]\nTrue\nTrue\n"
    assert done.err == ""


def test_with_ceremony(interpreters):
    done = interpreters.run(
        """
        import raisin

        def main():
            def inner(x):
                return x + 1
            print(list(raisin.map(inner, [1, 2])))

        if __name__ == "__main__":
            main()
        """
    )
    assert done.ok() == "[2, 3]\n"


def test_run_as_a_module(interpreters):
    (interpreters.folder / "program.py").write_text(
        "import raisin\ndef f(x): return -x\nprint(list(raisin.map(f, [1])))\n"
    )
    program = support.Program(
        [sys.executable, "-m", "program"],
        interpreters.folder,
        "as-module",
        cwd=interpreters.folder,
        env={**os.environ, "RAISIN_HOME": str(interpreters.home)},
    )
    interpreters.programs.append(program)
    assert program.wait().ok() == "[-1]\n"


def talk(interpreters, *command):
    """A program at a terminal."""
    env = {
        **os.environ,
        "RAISIN_HOME": str(interpreters.home),
        "TERM": "dumb",
        "PYTHON_BASIC_REPL": "1",
        "NO_COLOR": "1",
    }
    return pexpect.spawn(
        sys.executable, list(command), env=env, cwd=str(interpreters.folder), timeout=30, encoding="utf-8", echo=False
    )


def test_the_interactive_prompt(interpreters):
    with talk(interpreters, "-i", "-q") as prompt:
        prompt.expect(">>> ")
        for line in ("import raisin", "def foo(x): return x ** 2\n", "STEP = 3"):
            prompt.sendline(line)
            prompt.expect(">>> ")
        prompt.sendline("list(raisin.map(foo, range(5)))")
        prompt.expect_exact("[0, 1, 4, 9, 16]")
        prompt.expect(">>> ")
        prompt.sendline("def foo(x): return x + STEP\n")
        prompt.expect(">>> ")
        prompt.sendline("list(raisin.map(foo, range(5)))")
        prompt.expect_exact("[3, 4, 5, 6, 7]")
        prompt.expect(">>> ")
        prompt.sendline("raisin.process(lambda: 1 // 0)")
        prompt.expect("ZeroDivisionError")
        prompt.expect(">>> ")
        prompt.sendline("exit()")
        prompt.expect(pexpect.EOF)
    assert prompt.exitstatus == 0


def test_ctrl_c_at_the_prompt_gives_the_prompt_back(interpreters):
    with talk(interpreters, "-i", "-q") as prompt:
        prompt.expect(">>> ")
        prompt.sendline("import raisin, time")
        prompt.expect(">>> ")
        prompt.sendline("raisin.process(lambda: (print('it runs'), time.sleep(1000)))")
        prompt.expect("it runs")
        prompt.sendintr()
        prompt.expect("KeyboardInterrupt")
        prompt.expect(">>> ")
        prompt.sendline("raisin.process(pow, (2, 5))")
        prompt.expect("32")
        prompt.sendline("m = raisin.Map(abs, [-1]); m.get()")
        prompt.expect_exact("[1]")
        prompt.sendline("exit()")
        prompt.expect(pexpect.EOF)
    assert prompt.exitstatus == 0, "what was interrupted is long over"


@pytest.mark.slow  # the same on every Python
def test_a_progress_bar_for_a_person(interpreters):
    with talk(interpreters, "-i", "-q") as prompt:
        prompt.expect(">>> ")
        prompt.sendline("import raisin, time")
        prompt.expect(">>> ")
        prompt.sendline("len(raisin.Map(lambda n: time.sleep(0.3), range(10), name='naps', chunksize=1).get())")
        prompt.expect(r"naps \[#*\.*\] \d+/10 00:01")
        prompt.expect(r"naps \[#+\] 10/10 00:\d\d")
        prompt.expect(r"\n10\r\n")
        prompt.sendline("exit()")
        prompt.expect(pexpect.EOF)


def test_ipython_cells(interpreters):
    pytest.importorskip("IPython")
    done = interpreters.run(
        """
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance()
        def cell(text):
            shell.run_cell(text).raise_error()
        cell("import raisin\\nSTEP = 1")
        cell("class Point:\\n    def __init__(self, x): self.x = x")
        cell("def foo(p):\\n    return Point(p.x + STEP)")
        cell("print([p.x for p in raisin.map(foo, [Point(1), Point(2)])])")
        cell("STEP = 5")
        cell("print([p.x for p in raisin.map(foo, [Point(1), Point(2)])])")
        cell("def foo(p):\\n    return Point(-p.x)")
        cell("m = raisin.Map(foo, [Point(1)]).start()")
        cell("print([isinstance(p, Point) for p in m.get()], m.get()[0].x)")
        """,
        env={"IPYTHONDIR": str(interpreters.folder)},
    )
    assert done.ok() == "[2, 3]\n[6, 7]\n[True] -1\n"


def test_ipython_at_a_terminal(interpreters):
    pytest.importorskip("IPython")
    env = {**os.environ, "RAISIN_HOME": str(interpreters.home), "IPYTHONDIR": str(interpreters.folder), "TERM": "dumb"}
    command = ["-m", "IPython", "--simple-prompt", "--colors=NoColor", "--no-banner"]
    with pexpect.spawn(sys.executable, command, env=env, timeout=30, encoding="utf-8", echo=False) as prompt:
        prompt.expect(r"In \[1\]: ")
        prompt.sendline("import raisin; foo = lambda x: x + 1")
        prompt.expect(r"In \[2\]: ")
        prompt.sendline("list(raisin.map(foo, range(3)))")
        prompt.expect_exact("[1, 2, 3]")
        prompt.sendline("exit()")
        prompt.expect(pexpect.EOF)


FORK = """
    import os, raisin, sys, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads; there is one of ours
    def foo(x): return x + 1
    m = raisin.Map(foo, [1, 2]).start()
    it = raisin.map(foo, [1, 2])
    assert m.get() == [2, 3]
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            for use in (m.get_all().__next__, lambda: raisin.Map.join(m), lambda: list(it), m.cancel):
                try:
                    use()
                except raisin.ForkError as error:
                    assert "forked" in str(error), error
                except Exception as error:
                    print("other error", repr(error))
            assert list(raisin.map(foo, [3, 4])) == [4, 5]
            assert raisin.process(foo, (1,)) == 2
            print("child", flush=True)
            code = 0
        finally:
            {end}
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status
    assert m.get() == [2, 3] and list(m) == [2, 3]
    assert raisin.process(foo, (9,)) == 10
    print("parent")
"""


@pytest.mark.parametrize("end", ["os._exit(code)", "sys.exit(code)"])
def test_fork(interpreters, end):
    """In the child, handles of the parent raise, and new calls work; the parent notices nothing."""
    assert interpreters.run(FORK.replace("{end}", end)).ok() == "child\nparent\n"


def test_fork_by_multiprocessing(interpreters):
    done = interpreters.run(
        """
        import multiprocessing, raisin, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        def work(n):
            return sum(raisin.map(abs, range(-n, 0)))
        assert raisin.process(abs, (-1,)) == 1
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(pool.map(work, [3, 4]))
        print(work(5))
        """
    )
    assert done.ok() == "[6, 10]\n15\n"


def test_a_module_that_has_changed_is_imported_anew(interpreters):
    """Task processes serve one interpreter's life."""
    module = interpreters.folder / "helpers_of_mine.py"
    script = "import raisin, helpers_of_mine\nprint(raisin.process(helpers_of_mine.answer))"
    for answer in (1, 2):
        module.write_text(f"def answer():\n    return {answer}\n")
        os.utime(module, (answer, answer))  # so that no compiled file is taken for new
        assert interpreters.run(script).ok() == f"{answer}\n"


def test_tasks_inherit_directory_environment_path_and_script(interpreters):
    elsewhere = interpreters.folder / "elsewhere"
    (elsewhere / "lib").mkdir(parents=True)
    (elsewhere / "lib" / "only_in_this_folder.py").write_text("x = 5\n")
    done = interpreters.run(
        """
        import os, sys, raisin
        os.chdir("elsewhere")
        os.environ["OF_MINE"] = "seen"
        sys.path.insert(0, "lib")
        def look():
            import os, sys
            import only_in_this_folder
            return os.getcwd(), os.environ["OF_MINE"], only_in_this_folder.x, sys.argv, sys.executable, os.listdir()
        print(raisin.process(look) == look())
        """,
        env={"OF_MINE": "not yet"},
    )
    assert done.ok() == "True\n"


def test_a_directory_that_is_gone(interpreters):
    gone = interpreters.folder / "gone"
    gone.mkdir()
    done = interpreters.run(
        "import os, raisin\nos.rmdir(os.getcwd())\nprint(raisin.process(abs, (-3,)))", how="-c", cwd=gone
    )
    assert done.ok() == "3\n"


def test_verbs_inside_a_task_run_serially(interpreters):
    done = interpreters.run(
        """
        import os, raisin
        def inner(x):
            return os.getpid(), x + 1
        def outer(n):
            got = list(raisin.map(inner, range(n))) + raisin.Map(inner, [5]).get() + [raisin.process(inner, (7,))]
            return {pid for pid, _ in got} == {os.getpid()}, [x for _, x in got], raisin.scan(pow, [2], [3, 4])
        for each in raisin.map(outer, [1, 2]):
            print(each)
        """
    )
    assert done.ok() == "(True, [1, 6, 8], [[8, 16]])\n(True, [1, 2, 6, 8], [[8, 16]])\n"


def test_what_a_task_prints(interpreters):
    done = interpreters.run(
        """
        import raisin, sys
        def speak(n):
            print(f"task {n} says", "hello")
            print("and to stderr", file=sys.stderr)
            sys.stdout.write("no line end")
            return n
        m = raisin.Map(speak, [1], name="talk")
        assert m.get() == [1]
        (record,) = m.get_all()
        assert record["stdout"] == "task 1 says hello\\nand to stderr\\nno line end", record
        """
    )
    lines = [line for line in done.ok().splitlines() if line]
    assert [line.split("] ", 1)[1] for line in lines] == ["task 1 says hello", "and to stderr", "no line end"]
    assert all(line.startswith("[talk 0 ") for line in lines)


@pytest.mark.slow  # the same on every Python
def test_what_tasks_print_cannot_play_tricks_with_the_terminal(interpreters):
    done = interpreters.run("import raisin; raisin.process(print, ('a\\x1b[2Jb\\x07\\x1b]0;title\\x07c',))", how="-c")
    assert done.ok().endswith("] abc\n")


@pytest.mark.slow  # the same on every Python
def test_a_task_that_prints_very_much(interpreters):
    """A hundred lines a second, the rest is counted."""
    done = interpreters.run(
        """
        import raisin
        def flood():
            for n in range(20_000):
                print(n)
        m = raisin.Process(flood, name="flood")
        m.get()
        (record,) = m.get_all()
        assert len(record["stdout"]) < 100_000 and record["stdout"].startswith("0\\n1\\n")
        """
    )
    lines = done.ok().splitlines()
    assert 90 < len(lines) < 2000
    assert "lines more" in lines[-1]
