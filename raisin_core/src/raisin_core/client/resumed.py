"""What `resume=` adds to a job: the key, the function's fingerprint, and a tag for each task's arguments.

Rules of this file: it asks nobody; what is recorded already is for the broker to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from raisin_core.analysis.encoding import LIMIT, decode, encode
from raisin_core.analysis.fingerprint import fingerprint
from raisin_core.analysis.parts import difference
from raisin_core.client.seals import seen
from raisin_core.errors import FunctionChanged, RaisinError
from raisin_core.identity.sealing import Sealer
from raisin_core.messages import Open
from raisin_core.serialization import tags
from raisin_core.texts import shown

SEALING: Final = 1024
"""Bytes that the parts of a fingerprint may grow by when they are sealed."""


class Resumed:
    """A job's key to record under. `name` is the function's, for texts."""

    def __init__(
        self, key: str, force: bool, name: str, target: Callable[..., Any], kwargs: Mapping[str, Any], sealer: Sealer
    ) -> None:
        self.key, self.force, self.name = key, force, name
        self.fingerprint = fingerprint(target, kwargs)
        self._sealer, self._tag_key = sealer, sealer.tag_key(key)

    def opening(self, message: Open) -> Open:
        """The message that makes the job, with the key."""
        return msgspec.structs.replace(
            message,
            resume=self.key,
            fingerprint=self.fingerprint.digest,
            parts=encode(self.fingerprint.parts, LIMIT - SEALING),
            force=self.force,
        )

    def tags(self, values: Sequence[Any]) -> bytes:
        """Names of tasks with these arguments, 16 bytes each. Raises SerializationError."""
        return tags.tags(self._tag_key, values)

    def error(self, known: bytes) -> RaisinError:
        """Why the key cannot be used: its results are another function's. `known` is what the broker says of it."""
        try:
            count, parts = msgspec.msgpack.decode(known, type=tuple[int, bytes])
            what = shown(difference(decode(seen(self._sealer, parts)), self.fingerprint.parts))
        except (ValueError, UnicodeDecodeError) as error:  # msgspec's and SealError are ValueErrors
            return FunctionChanged(f"resume={self.key!r} is another function's; of which, cannot be told: {error}")
        results = f"{count} result{'' if count == 1 else 's'}"
        return FunctionChanged(
            f"resume={self.key!r} has {results} of an older {self.name} ({what}). "
            "Recompute: force=True. Keep both: another key."
        )
