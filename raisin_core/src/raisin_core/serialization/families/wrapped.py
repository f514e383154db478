"""Files inside of others: temporary files with a name, and compressed files that are read.

What is being compressed has a state that cannot travel. Zip archives and spooled files travel by their parts.

Rules of this file: the standard library only; modules that a Python may lack are imported when something needs them.
"""

from __future__ import annotations

import gzip
import importlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from raisin_core.errors import SerializationError
from raisin_core.serialization.families import files

if TYPE_CHECKING:
    from raisin_core.serialization.pickling import Pickler, Reducer


def reduce_temporary(value: Any, pickler: Pickler) -> Any:
    """A temporary file: its copy is removed when it is closed if the file itself would be."""
    file = value.file
    delete = getattr(value._closer, "delete", False) and not file.closed
    return rebuild_temporary, (file, bool(delete))


def rebuild_temporary(file: Any, delete: bool) -> Any:
    """The wrapper that NamedTemporaryFile gives, around another file."""
    return tempfile._TemporaryFileWrapper(file, file.name, delete)


def reduce_compressed(value: Any, pickler: Pickler) -> Any:
    """A compressed file that was opened by its name, for reading: the file, and how far it was read."""
    module = type(value).__module__
    if value.closed:
        raise SerializationError(f"a closed {type(value).__name__} cannot travel; pass its path")
    raw = getattr(value, "myfileobj", None) or (getattr(value, "_closefp", False) and getattr(value, "_fp", None))
    if not raw or not value.readable():
        raise SerializationError(f"a {type(value).__name__} travels when it reads a file of its own; pass its path")
    where = files.place(raw.fileno(), raw.name, pickler)
    return rebuild_compressed, (module, where, value.tell())


def rebuild_compressed(module: str, where: Path | str, position: int) -> Any:
    """The same kind of file over what came, read as far."""
    if module not in MODULES:
        raise SerializationError(f"{module!r} has no compressed files")
    value = importlib.import_module(module).open(where, "rb")
    value.seek(position)
    return value


MODULES: Final = {"gzip": "GzipFile", "bz2": "BZ2File", "lzma": "LZMAFile"}


def _types() -> list[type]:
    found: list[type] = [gzip.GzipFile]
    for module in ("bz2", "lzma"):
        try:
            found.append(getattr(importlib.import_module(module), MODULES[module]))
        except ImportError:  # a Python that was built without
            continue
    return found


REDUCERS: Final[dict[type, Reducer]] = {
    tempfile._TemporaryFileWrapper: reduce_temporary,
    **dict.fromkeys(_types(), reduce_compressed),
}
