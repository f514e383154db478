"""The encoding of values: data without code, from anybody. See docs/values.md.

base        limits, the error, the table of extensions     plain       containers of atoms, by msgspec if it is there
encode      any value to bytes                             packing     the same in pure Python
decode      and back                                       kinds/      a room for each family of kinds

Rules of this package: the standard library only; msgspec, NumPy, pandas and pyarrow where they are there. Reading calls
nothing that the bytes name: what a number stands for is in tables here, and in the reader's own table of classes.
"""

from __future__ import annotations

from raisin_core.serialization.values.base import Limits, NotAValue
from raisin_core.serialization.values.decode import decode
from raisin_core.serialization.values.encode import encode

__all__ = ["Limits", "NotAValue", "decode", "encode"]
