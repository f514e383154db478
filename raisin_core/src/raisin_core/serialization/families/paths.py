"""Paths: what names an existing file travels with its content, whatever else as the name that it is.

A `pathlib.Path` of a regular file (through links) arrives as the path of a file of the same name and content in a
private folder; above a size only `File` does that. `copy_file` says how: True up to 100 MB, a number up to so many
bytes, False never. Folders travel as `Folder` only. Subclasses of Path are names, as with cloudpickle.

Rules of this file: the standard library only; contents are the business of `contents`.
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, Final

from raisin_core.errors import SerializationError
from raisin_core.serialization.families import contents, filenames

if TYPE_CHECKING:
    from raisin_core.serialization.pickling import Pickler, Reducer

MOST_BYTES: Final = 100_000_000  # of a file that travels without being asked to
MOST_ENTRIES: Final = 100_000  # of a folder
PURE: Final[dict[str, type[PurePath]]] = {"posix": PurePosixPath, "nt": PureWindowsPath}


class Carried(os.PathLike[str]):
    """A path whose content travels because somebody said so; its attributes are those of the path."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def __fspath__(self) -> str:
        return str(self.path)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "path":
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self.path, name)

    def __repr__(self) -> str:
        return f"raisin.{type(self).__name__}({str(self.path)!r})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Carried) and other.path == self.path

    def __hash__(self) -> int:
        return hash((type(self), self.path))


class File(Carried):
    """A file that travels with its content, whatever its size and whatever `copy_file` says.

    What arrives is a `pathlib.Path` of a private copy with the same name. Elsewhere it works like the path itself.
    Raises SerializationError, when it is to be written, where there is no such file.

    >>> File("data/measurements.bin").suffix
    '.bin'
    """


class Folder(Carried):
    """A folder that travels with its regular files and folders, at most 100,000; links and devices do not.

    What arrives is a `pathlib.Path` of a private copy with the same name. Raises SerializationError, when it is to be
    written, where there is no such folder or where it has more entries.
    """


def reduce_path(value: Path, pickler: Pickler) -> Any:
    """With its content, where there is some that may travel."""
    copy_file = pickler.channels.copy_file
    status = _regular(value) if copy_file else None
    if status is None:
        return rebuild_path, (os.name, str(value))
    most = MOST_BYTES if copy_file is True else int(copy_file)
    if status.st_size > most:
        raise SerializationError(
            f"{value} has {status.st_size / 1e6:,.6g} MB, and files above {most / 1e6:,.6g} MB travel on request only: "
            f"raisin.File({str(value)!r}). To send the name only: str(path), or copy_file=False"
        )
    return contents.same, (_carried(value, status, pickler),)


def reduce_pure(value: PurePath, pickler: Pickler) -> Any:
    """Its name; classes of paths are in other modules on other Pythons."""
    system = "nt" if isinstance(value, PureWindowsPath) else "posix"
    return rebuild_pure, (system, str(value))


def reduce_file(value: File, pickler: Pickler) -> Any:
    """Its content, whatever its size."""
    status = _regular(value.path)
    if status is None:
        raise SerializationError(f"{value!r}: there is no such file")
    return contents.same, (_carried(value.path, status, pickler),)


def reduce_folder(value: Folder, pickler: Pickler) -> Any:
    """All that is in it."""
    if not value.path.is_dir():
        raise SerializationError(f"{value!r}: there is no such folder")
    root = value.path.resolve()
    return contents.same, (contents.once(pickler, root, lambda: _folder(root, pickler)),)


def _regular(path: Path) -> os.stat_result | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _carried(path: Path, status: os.stat_result, pickler: Pickler) -> contents.Once:
    opened = functools.partial(os.open, os.path.abspath(path), contents.READ)
    try:
        os.close(opened())
    except OSError as error:
        raise SerializationError(f"{path} cannot be read: {error}; copy_file=False sends its name only") from error
    return contents.carried(pickler, status, path.name, opened)


def _folder(root: Path, pickler: Pickler) -> contents.Once:
    folders: list[tuple[str, ...]] = []
    files: list[tuple[tuple[str, ...], int, bool]] = []
    for count, (parts, entry) in enumerate(_walk(root)):
        if count >= MOST_ENTRIES:
            raise SerializationError(f"{root} has more than {MOST_ENTRIES:,} entries")
        if entry.is_dir(follow_symlinks=False):
            folders.append(parts)
        else:
            opened = functools.partial(os.open, entry.path, contents.READ | getattr(os, "O_NOFOLLOW", 0))
            number = pickler.channels.content(contents.Chunks(opened))
            files.append((parts, number, bool(entry.stat(follow_symlinks=False).st_mode & 0o100)))
    return contents.Once(rebuild_folder, root.name or "folder", folders, files)


def _walk(root: Path) -> Iterator[tuple[tuple[str, ...], os.DirEntry[str]]]:
    """Folders before what is in them; names in order."""
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        at = waiting.pop()
        with os.scandir(root.joinpath(*at)) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            folder = entry.is_dir(follow_symlinks=False)
            if folder or entry.is_file(follow_symlinks=False):
                yield (*at, entry.name), entry
            if folder:
                waiting.append((*at, entry.name))


# The reading side


def rebuild_path(system: str, text: str) -> PurePath:
    """The name. What names a place of another kind of system only stays a name of that system."""
    if system == os.name:
        return Path(text)
    pure = PURE[system](text)
    here = Path(*pure.parts)
    return here if not pure.anchor and not here.anchor and here.parts == pure.parts else pure


def rebuild_pure(system: str, text: str) -> PurePath:
    """A path that is a name only."""
    return PURE[system](text)


def rebuild_folder(name: str, folders: list[tuple[str, ...]], files: list[tuple[tuple[str, ...], int, bool]]) -> Path:
    """A folder with what came. Raises SerializationError for two names that are one on this system."""
    root = contents.fresh() / filenames.local(name)
    try:
        for target in (root, *[_inside(root, parts) for parts in folders]):
            target.mkdir(mode=0o700)
    except OSError as error:
        raise SerializationError(f"the folder {root.name!r} cannot be made here: {error}") from error
    for parts, number, executable in files:
        contents.land(number, _inside(root, parts), executable)
    return root


def _inside(root: Path, parts: tuple[str, ...]) -> Path:
    target = root.joinpath(*[filenames.local(part) for part in parts])
    if not parts or os.path.lexists(target):
        raise SerializationError(f"a folder has two entries that are one on this system: {'/'.join(parts)!r}")
    return target


REDUCERS: Final[dict[type, Reducer]] = {
    type(Path()): reduce_path,
    PurePosixPath: reduce_pure,
    PureWindowsPath: reduce_pure,
    File: reduce_file,
    Folder: reduce_folder,
}
