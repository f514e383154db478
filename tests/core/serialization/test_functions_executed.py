"""Functions of texts that no file has: `exec`, `eval`, `python -c`, standard input, the prompt."""

from __future__ import annotations

import linecache
import os
import pickle
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import pytest

from raisin_core.serialization.families import code as codes
from raisin_core.serialization.families import executed
from tests.core.serialization.matrix import dumps

ROOT = Path(__file__).parents[3]
SCRIPT = """
import sys
from raisin_core.serialization.families import code as codes, executed

if "remember" in sys.argv:
    executed.remember_executed_text()
    executed.remember_executed_text()

def f(x):
    return x + 1

g = lambda x: x - 1

def text_of(function):
    source = codes.source_of(function.__code__, function.__globals__)
    return source and source.text

def made(what):
    space = {}
    exec("def h(x):" + chr(10) + "    return x" + what, space)
    return space["h"], eval("lambda x: x" + what)

print([text_of(each) for each in (f, g)])
print([text_of(each) for what in ("+1", "-1") for each in made(what)])
"""
OWN = str(["def f(x):\n    return x + 1\n", "g = lambda x: x - 1\n"])
MADE = str(["def h(x):\n    return x+1\n", "lambda x: x+1\n", "def h(x):\n    return x-1\n", "lambda x: x-1\n"])


def environment(**more: str) -> dict[str, str]:
    core = str(ROOT / "raisin_core" / "src")
    kept = {name: value for name, value in os.environ.items() if name != "RAISIN_KEEP_EXEC"}
    return {**kept, "PYTHONPATH": core, "PYTHONDONTWRITEBYTECODE": "1", "PYTHON_COLORS": "0", **more}


def run(*arguments: str, stdin: Any = None, **more: str) -> list[str]:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, stdin=stdin, env=environment(**more), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_on_the_command_line() -> None:
    assert run("-c", SCRIPT) == [OWN, str([None] * 4)]


def test_a_file_as_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "script"
    file.write_text(SCRIPT)
    with file.open() as stream:
        assert run("-", stdin=stream)[0] == (OWN if hasattr(os, "pread") else str([None] * 2))


def test_what_is_executed_is_remembered(tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text(SCRIPT)
    assert run(str(file), "remember") == [OWN, MADE]


def test_texts_that_are_gone_are_not_known(tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text(SCRIPT)
    assert run(str(file)) == [OWN, str([None] * 4)]


def test_they_are_kept_on_request(tmp_path: Path) -> None:
    assert run("-c", "import raisin\n" + SCRIPT, RAISIN_KEEP_EXEC="1") == [OWN, MADE]


def test_texts_that_are_still_there() -> None:
    """Constants of whoever runs, and globals."""
    space: dict[str, Any] = {}
    exec("def constant(x):\n    return x + 1\n", space)
    text = "".join(["def variable(x):\n", "    return x + 2\n"])
    exec(text, space)
    function = eval("  lambda x: [x]")
    assert codes.source_of(space["constant"].__code__, {}) is not None
    assert codes.source_of(function.__code__, {}) is not None
    assert codes.source_of(space["variable"].__code__, {}) is None
    assert codes.source_of(space["variable"].__code__.replace(), {"text": text}) is not None


def test_tracebacks_show_what_was_executed() -> None:
    """Under a name of its own: "<string>" is everybody's."""
    space: dict[str, Any] = {}
    exec("def fails(x):\n    raise KeyError(x)\n", space)
    function = pickle.loads(dumps(space["fails"]))
    with pytest.raises(KeyError) as caught:
        function(1)
    assert function.__code__.co_filename.startswith("<string ")
    assert "raise KeyError(x)" in "".join(traceback.format_tb(caught.tb))
    assert "<string>" not in linecache.cache


def test_only_so_much_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executed, "_kept", {})
    monkeypatch.setattr(executed, "_size", 0)
    for number in range(40):
        executed._hook("compile", (b"def f(): pass #" + b"x" * (1 << 19), f"<{number}>"))
    kept = [file for file, _ in executed._kept]
    assert kept == [f"<{number}>" for number in range(40 - len(kept), 40)]
    assert executed.MOST - (1 << 20) < executed._size <= executed.MOST
    assert executed._size == sum(len(text) for _, text in executed._kept)


@pytest.mark.parametrize(
    ("event", "arguments"),
    [
        ("import", ("os", None, None, None, None)),
        ("compile", (b"x = 1", "<string>")),
        ("compile", (b"def f(): pass", "file.py")),
        ("compile", (b"def f(): pass", "<unknown>")),
        ("compile", (b"def f(): pass", None)),
        ("compile", (None, "<string>")),
        ("compile", ("def f(): pass", "<string>")),
        ("compile", (b"def f(): pass" + b" " * (2 << 20), "<string>")),
    ],
)
def test_what_is_not_kept(event: str, arguments: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executed, "_kept", {})
    executed._hook(event, arguments)
    assert executed._kept == {}


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
def test_at_the_prompt() -> None:
    """What was typed is in the history, or Python itself remembers it."""
    import pty

    master, slave = pty.openpty()
    env = environment(TERM="dumb", PYTHON_BASIC_REPL="1")
    program = subprocess.Popen([sys.executable, "-q"], stdin=slave, stdout=slave, stderr=slave, env=env, close_fds=True)
    os.close(slave)
    said = _Said(master)
    try:
        said.wait_for(b">>> ")
        lines = SCRIPT.replace("\n\ng", "\n\n\ng").split("def made")[0].strip().splitlines()
        for line in [*lines, "", "print('said', [text_of(each) for each in (f, g)])"]:
            before = said.prompts
            os.write(master, line.encode() + b"\n")
            said.wait_until(lambda before=before: said.prompts > before)  # type: ignore[misc]
    finally:
        program.kill()
        program.wait()
        os.close(master)
        said.thread.join(10)
    assert f"said {OWN}".encode() in said.text


class _Said:
    """What a program at a terminal has said so far."""

    def __init__(self, terminal: int) -> None:
        self.terminal, self.text, self.more = terminal, b"", threading.Condition()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self.terminal, 65536)
            except OSError:
                return
            with self.more:
                self.text += data
                self.more.notify_all()

    @property
    def prompts(self) -> int:
        return self.text.count(b">>> ") + self.text.count(b"... ")

    def wait_for(self, text: bytes) -> None:
        self.wait_until(lambda: text in self.text)

    def wait_until(self, holds: Any) -> None:
        end = time.monotonic() + 20
        with self.more:
            while not holds():
                assert self.more.wait(end - time.monotonic()), self.text
