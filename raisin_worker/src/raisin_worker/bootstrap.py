"""The first words of a task process: a text for `python -c`, in any interpreter, also one that has nothing installed.

It lets the interpreter find the few packages that a task process needs in the agent's own directories, after all other
places, so that an interpreter's own come first and nothing else of the agent's packages can be imported.

Rules of this file: the text must be readable by any Python, so that one that is too old can say so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

PACKAGES: Final = ("raisin", "raisin_core", "raisin_worker", "cloudpickle")

TEXT: Final = """\
# raisin task process
import sys
if sys.version_info < (3, 10):
    sys.exit("raisin needs Python 3.10 or newer; %s is %d.%d" % ((sys.executable,) + tuple(sys.version_info[:2])))
sys.path[:] = [entry for entry in sys.path if entry]  # a file of the current directory must not stand in for a module
import json

class AgentsPackages:
    "Finds the packages that a task process needs where the agent has them."

    def __init__(self, homes):
        self.homes = homes

    def find_spec(self, name, path=None, target=None):
        if path is not None or name not in self.homes:
            return None
        from importlib.util import spec_from_file_location
        home = self.homes[name]
        return spec_from_file_location(name, home + "/__init__.py", submodule_search_locations=[home])

config = json.loads(sys.argv[1])
sys.meta_path.append(AgentsPackages(config.pop("packages")))
from raisin_worker.task_process import main
main(config)
"""


def homes() -> dict[str, str]:
    """Where this interpreter has the packages that a task process needs."""
    found = {}
    for name in PACKAGES:
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            found[name] = str(Path(spec.origin).parent)
    return found


def command(python: str, config: Mapping[str, Any]) -> list[str]:
    """The command line of a task process; `config` is what its `main` gets."""
    return [python, "-c", TEXT, json.dumps({**config, "packages": homes()})]
