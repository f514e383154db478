"""Another process of this Python, which takes functions and values, and gives results."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import traceback
from typing import Any

from raisin_core.serialization.pickling import Pickler
from raisin_core.serialization.streams.writing import Outgoing


def dumps(value: Any) -> bytes:
    """What the pickler makes of a value that needs nothing beside it."""
    file = io.BytesIO()
    Pickler(file, Outgoing(copy_file=False)).dump(value)
    return file.getvalue()


def copied(value: Any) -> Any:
    """There and back in this process."""
    return pickle.loads(dumps(value))


class Elsewhere:
    """`call(function, *values)` runs it there with what arrives there."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
        code = "from tests.core.serialization.elsewhere import serve; serve()"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([sys.executable, "-W", "error", "-c", code], env=environment, **pipes)

    def call(self, function: Any, *values: Any) -> Any:
        send(self.process.stdin, dumps((function, values)))
        good, result = pickle.loads(receive(self.process.stdout))
        assert good, result
        return result

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def send(file: Any, data: bytes) -> None:
    file.write(len(data).to_bytes(8, "big") + data)
    file.flush()


def receive(file: Any) -> bytes:
    return file.read(int.from_bytes(file.read(8), "big"))


def serve() -> None:
    """The other side, until its input ends."""
    while data := receive(sys.stdin.buffer):
        try:
            function, values = pickle.loads(data)
            answer = dumps((True, function(*values)))
        except BaseException:  # noqa: BLE001 - told to whoever asked
            answer = dumps((False, traceback.format_exc()))
        send(sys.stdout.buffer, answer)
