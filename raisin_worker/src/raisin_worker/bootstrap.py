"""The first words of a task process: a text for `python -c`, in any interpreter, also one that has nothing installed.

It lets the interpreter find the few packages that a task process needs in the agent's own directories, after all other
places, so that an interpreter's own come first and nothing else of the agent's packages can be imported. Its own are
passed over where they cannot talk with the agent's: another raisin, or an older cloudpickle (which cannot load what a
newer one wrote).

Rules of this file: the text must be readable by any Python, so that one that is too old can say so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import cloudpickle

import raisin_core

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

def prefer(*names):
    "Take these from the agent in any case."
    for name in [each for each in sys.modules if each.split(".")[0] in names]:
        del sys.modules[name]
    sys.meta_path.insert(0, AgentsPackages({name: homes[name] for name in names if name in homes}))

def numbers(version):
    return [int(part) for part in version.split(".") if part.isdigit()]

config = json.loads(sys.argv[1])
homes, versions = config.pop("packages"), config.pop("versions")
sys.meta_path.append(AgentsPackages(homes))
import cloudpickle
import raisin_core
if numbers(getattr(cloudpickle, "__version__", "")) < numbers(versions["cloudpickle"]):
    prefer("cloudpickle")
if getattr(raisin_core, "__version__", "") != versions["raisin_core"]:
    prefer("raisin", "raisin_core", "raisin_worker")
from raisin_worker.task_process import main
main(config)
"""


def homes() -> dict[str, str]:
    """Where this interpreter has the packages that a task process needs."""
    found = {name: find_spec(name) for name in PACKAGES}
    return {name: str(Path(spec.origin).parent) for name, spec in found.items() if spec is not None and spec.origin}


def command(python: str, config: Mapping[str, Any]) -> list[str]:
    """The command line of a task process; `config` is what its `main` gets."""
    versions = {"cloudpickle": cloudpickle.__version__, "raisin_core": raisin_core.__version__}
    return [python, "-c", TEXT, json.dumps({**config, "packages": homes(), "versions": versions})]
