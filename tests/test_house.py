"""The five distributions: what their files say of one another, and that their wheels build, install and run."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import raisin_core

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("raisin_core", "raisin_broker", "raisin_worker", "raisin_cli")
PACKAGES = {"raisin_core": ("raisin", "raisin_core"), **{part: (part,) for part in PARTS[1:]}}
VERSION = raisin_core.__version__
LITTER = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
NO_COMMAND_LINE = "raisin: the command line is not installed. Install it: pip install raisin-cli\n"


def project(part: str) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / part / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def root() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


@pytest.mark.parametrize("part", PARTS)
def test_one_version_everywhere(part: str) -> None:
    assert project(part)["version"] == VERSION
    ours = [each for each in project(part)["dependencies"] if each.startswith("raisin")]
    assert ours == ([] if part == "raisin_core" else [f"raisin-core=={VERSION}"])


def test_the_root_brings_all_parts_and_nothing_else() -> None:
    options = root()["options"]
    assert root()["metadata"]["version"] == VERSION
    assert options["install_requires"].split() == [f"{part.replace('_', '-')}=={VERSION}" for part in PARTS]
    assert (options["packages"], options["py_modules"]) == ("", "")


def test_the_same_pythons_everywhere() -> None:
    assert {project(part)["requires-python"] for part in PARTS} == {root()["options"]["python_requires"]}


@pytest.mark.parametrize("part", PARTS)
def test_every_part_has_its_papers(part: str) -> None:
    assert (ROOT / part / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (ROOT / part / "README.md").is_file()
    for package in PACKAGES[part]:
        assert (ROOT / part / "src" / package / "py.typed").is_file()


def test_without_the_command_line_one_line_says_so(tmp_path: Path) -> None:
    """In a folder of its own, with no distribution's metadata in sight."""
    source = ROOT / "raisin_core" / "src" / "raisin" / "__main__.py"
    done = subprocess.run(
        [sys.executable, "-S", "-E", str(source)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", NO_COMMAND_LINE)


# -- wheels ----------------------------------------------------------------------------------------------------------


class Environment:
    """A virtual environment with nothing in it, out of reach of this one."""

    def __init__(self, place: Path) -> None:
        self.bin = place / ("Scripts" if os.name == "nt" else "bin")
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)

    def run(self, program: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        unwanted = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
        environ = {name: value for name, value in os.environ.items() if name not in unwanted}
        command = [str(self.bin / program), *arguments]
        return subprocess.run(
            command, cwd=cwd or self.bin, env=environ, capture_output=True, text=True, timeout=240, check=False
        )

    def pip(self, *arguments: str) -> None:
        done = self.run("python", "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("v") / "v")


@pytest.fixture(scope="module")
def wheels(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The five wheels by part, made from copies: a build in place would leave its traces there."""
    place = tmp_path_factory.mktemp("w")
    for part in PARTS:
        shutil.copytree(ROOT / part, place / part, ignore=LITTER)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, place / name)
    environment.pip("install", "setuptools>=77")
    folders = [str(place / part) for part in PARTS]
    environment.pip(
        "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(place / "dist"), *folders, str(place)
    )
    return {wheel.name.split("-")[0]: wheel for wheel in (place / "dist").glob("*.whl")}


@pytest.fixture(scope="module")
def contents(wheels: Mapping[str, Path]) -> dict[str, set[str]]:
    return {part: set(zipfile.ZipFile(wheel).namelist()) for part, wheel in wheels.items()}


def sources(part: str) -> Iterator[str]:
    home = ROOT / part / "src"
    for pattern in ("*.py", "*.sql", "py.typed"):
        yield from (path.relative_to(home).as_posix() for path in home.rglob(pattern))


@pytest.mark.slow
def test_wheels_hold_everything_and_nothing_else(contents: dict[str, set[str]]) -> None:
    assert set(contents) == {"raisin", *PARTS}
    for part, names in contents.items():
        about = f"{part}-{VERSION}.dist-info/"
        assert f"{about}licenses/LICENSE" in names
        wanted = set() if part == "raisin" else set(sources(part))
        assert {name for name in names if not name.startswith(about)} == wanted


@pytest.mark.slow
def test_only_a_worker_and_then_everything(
    environment: Environment, wheels: Mapping[str, Path], tmp_path: Path
) -> None:
    """One environment for both, since most of its time goes into making it: first a machine that only computes."""
    environment.pip("install", str(wheels["raisin_core"]), str(wheels["raisin_worker"]))
    assert environment.run("python", "-c", "import raisin, raisin_worker", cwd=tmp_path).stderr == ""
    assert environment.run("raisin-worker", "--help", cwd=tmp_path).returncode == 0
    for missing in ("raisin_broker", "raisin_cli", "sqlalchemy", "click"):
        done = environment.run("python", "-c", f"import {missing}", cwd=tmp_path)
        assert f"No module named '{missing}'" in done.stderr
    done = environment.run("python", "-m", "raisin", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", NO_COMMAND_LINE)

    environment.pip("install", *map(str, wheels.values()))
    environment.pip("check")
    for program in ("raisin", "raisin-broker", "raisin-worker"):
        done = environment.run(program, "--help", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), program
        assert "usage" in done.stdout.lower(), program
    assert environment.run("python", "-m", "raisin", "--help", cwd=tmp_path).returncode == 0
