"""Whose a module is: the standard library's, an installed package's, or the user's own.

Rules of this file: imports and runs nothing; asks the import system, the installed metadata and the file system.
"""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import os
import sys
import sysconfig
from functools import lru_cache
from typing import Final, NamedTuple

from raisin_core.serialization.canonical import own

OURS: Final = ("raisin", "raisin_core", "raisin_broker", "raisin_worker", "raisin_cli")
INSTALLED: Final = {"site-packages", "dist-packages"}
STANDARD: Final = tuple(
    os.path.join(os.path.realpath(path), "")
    for path in {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
)


class Origin(NamedTuple):
    """`kind` is "standard", "package" or "local"; a package has a version where it says one."""

    kind: str
    name: str
    version: str = ""
    file: str = ""


def origin(module: str) -> Origin:
    """Whose the module of this name is, loaded or not.

    >>> origin("json.decoder").kind
    'standard'
    """
    top = module.partition(".")[0]
    file = located(module)
    if module == "__main__":  # also where a program that is installed runs one's code
        return Origin("local", module, file=file)
    if top in OURS:
        return Origin("package", "raisin", version("raisin_core"))
    if top in sys.stdlib_module_names and _is_standard(file):
        return Origin("standard", module)
    if _is_installed(file):
        return Origin("package", top, version(top))
    return Origin("local", module, file=file)


@lru_cache(maxsize=4096)
def _is_standard(file: str) -> bool:
    inside = os.path.realpath(file).startswith(STANDARD) and not INSTALLED & set(file.split(os.sep))
    return not file or inside or ".zip" in file


@lru_cache(maxsize=4096)
def _is_installed(file: str) -> bool:
    return not INSTALLED.isdisjoint(os.path.normpath(file).split(os.sep))


def located(module: str) -> str:
    """The file of a module, loaded or not; empty where there is none."""
    loaded = sys.modules.get(module)
    if loaded is not None:
        file = own(loaded).get("__file__")
        return file if isinstance(file, str) else ""
    path: list[str] | None = None
    file = ""
    for end in range(1, module.count(".") + 2):
        try:
            spec = importlib.machinery.PathFinder.find_spec(".".join(module.split(".")[:end]), path)
        except (ImportError, ValueError, TypeError, OSError):  # an odd name
            spec = None
        if spec is None:
            return ""
        file = spec.origin if spec.has_location and spec.origin else ""
        path = list(spec.submodule_search_locations or [])
    return file


@lru_cache(maxsize=1024)
def version(top: str) -> str:
    """The version of the distribution that a top-level module belongs to; else what the module says; else nothing."""
    for name in (top, *_distributions().get(top, ())):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    said = own(sys.modules.get(top)).get("__version__")
    return said if isinstance(said, str) else ""


@lru_cache(maxsize=1)
def _distributions() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())
