"""What tasks of the embedded cluster inherit from the interpreter that submits them: interpreter, directory,
environment, path.

It passes through the broker's memory to the task processes and is never stored. It bears the instance, so that task
processes serve one interpreter's life: a script that is run again never meets a stale module.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def capture(instance: bytes) -> bytes:
    """This interpreter's context, as the worker reads it."""
    try:
        cwd = os.getcwd()
    except OSError:  # it was deleted
        cwd = str(Path.home())
    context = {
        "instance": instance.hex(),
        "python": sys.executable,
        "cwd": cwd,
        "env": dict(os.environ),
        "path": [os.path.abspath(entry) if entry else cwd for entry in sys.path],
        "main": sys.argv[0] if sys.argv else "",
    }
    return json.dumps(context).encode()
