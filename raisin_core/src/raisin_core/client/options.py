"""The options of the verbs: what they may be, and the one place where they are checked.

Rules of this file: an option that does not exist is an error, never ignored; the error names those that do.
"""

from __future__ import annotations

import difflib
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from raisin_core import messages
from raisin_core.client import trust
from raisin_core.errors import UsageError
from raisin_core.marked import NOTHING, Accept

MAX_KEY: Final = 200
PLACES: Final = ("auto", "process", "machine", "cluster")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Checked options; see `raisin.Map` for their meaning. Seconds, 0 where there is no limit."""

    kwargs: dict[str, Any] = {}
    name: str = ""
    deadline: float = 0.0
    task_timeout: float = 0.0
    retries: int = 0
    where: str = "auto"
    members: list[str] = []
    chunksize: int = 0
    save: bool = False
    resume: str = ""
    force: bool = False
    progress: bool | None = None
    trust: Accept = NOTHING

    def wire(self, mine: Sequence[str] | None = None) -> messages.Options:
        """As the broker gets them; the deadline becomes a point in wall-clock time. `mine` are the members whose
        results load whatever they are (None: all)."""
        return messages.Options(
            retries=self.retries,
            deadline=time.time() + self.deadline if self.deadline else 0.0,
            task_timeout=self.task_timeout,
            chunksize=self.chunksize,
            where=self.members,
            save=self.save or bool(self.resume),
            pickles=None if mine is None or self.trust != NOTHING else sorted(mine),
        )


NAMES: Final = (
    "kwargs",
    "name",
    "deadline",
    "task_timeout",
    "retries",
    "where",
    "chunksize",
    "save",
    "resume",
    "force",
    "progress",
    "trust",
)


def parse(verb: str, given: Mapping[str, Any], default_name: str) -> Options:
    """Check options as a user wrote them. Raises UsageError that says which, and what would be right."""
    for option in given:
        if option not in NAMES:
            close = difflib.get_close_matches(option, NAMES, 1)
            hint = f"; did you mean {close[0]}?" if close else f"; there are: {', '.join(NAMES)}"
            raise UsageError(f"{verb} has no option {option!r}{hint}")
    where, members = _where(verb, given.get("where", "auto"))
    resume = _typed(verb, "resume", given.get("resume"), (str, type(None)), "a text, the key to record under") or ""
    force = _typed(verb, "force", given.get("force", False), bool, "True or False")
    if len(resume) > MAX_KEY or not resume.isprintable() or (given.get("resume") == ""):
        raise UsageError(f"{verb}: resume must be a text of 1 to {MAX_KEY} printable characters, not {resume!r}")
    if force and not resume:
        raise UsageError(f"{verb}: force=True forgets what is recorded under a key: it needs resume=")
    return Options(
        kwargs=_kwargs(verb, given.get("kwargs")),
        name=_name(verb, given["name"]) if "name" in given else _shown(default_name),
        deadline=_seconds(verb, "deadline", given.get("deadline")),
        task_timeout=_seconds(verb, "task_timeout", given.get("task_timeout")),
        retries=_count(verb, "retries", given.get("retries", 0), 0),
        where=where,
        members=members,
        chunksize=0 if given.get("chunksize", "auto") == "auto" else _count(verb, "chunksize", given["chunksize"], 1),
        save=_typed(verb, "save", given.get("save", False), bool, "True or False"),
        resume=resume,
        force=force,
        progress=_typed(verb, "progress", given.get("progress"), (bool, type(None)), "True, False or None"),
        trust=trust.parse(verb, given.get("trust", "auto")),
    )


def _typed(verb: str, option: str, value: Any, kind: Any, words: str) -> Any:
    if not isinstance(value, kind):
        raise UsageError(f"{verb}: {option} must be {words}, not {value!r}")
    return value


def _name(verb: str, value: Any) -> str:
    text: str = _typed(verb, "name", value, str, "a text")
    if not text.isprintable():
        raise UsageError(f"{verb}: name must be a text that can be printed, not {value!r}")
    return text[:200]


def _shown(name: str) -> str:
    """A function may be called anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)[:200]


def _seconds(verb: str, option: str, value: Any) -> float:
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e10:
        raise UsageError(f"{verb}: {option} must be a number of seconds above 0, not {value!r}")
    return float(value)


def _count(verb: str, option: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**31:
        raise UsageError(f"{verb}: {option} must be a whole number from {least} on, not {value!r}")
    return value


def _kwargs(verb: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise UsageError(f"{verb}: kwargs must be a dict with names as keys, not {value!r}")
    return dict(value)


def _where(verb: str, value: Any) -> tuple[str, list[str]]:
    if value == "auto":
        value = os.environ.get("RAISIN_WHERE") or "auto"
    if isinstance(value, str):
        if value not in PLACES:
            raise UsageError(
                f"{verb}: where must be one of {', '.join(map(repr, PLACES))} or a list of members, not {value!r}"
            )
        return value, []
    if (
        isinstance(value, (list, tuple, set, frozenset))
        and value
        and all(isinstance(name, str) and name.isprintable() for name in value)
    ):
        return "cluster", sorted(value)
    raise UsageError(f"{verb}: where must be a text or a list of members' names, not {value!r}")
