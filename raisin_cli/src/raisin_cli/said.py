"""What commands print: jobs as JSON, errors as one line.

Rules of this file: whatever a task or another member named is printable, and one line.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from raisin_core.texts import plain

if TYPE_CHECKING:
    from raisin_core.client.jobs import JobInfo
    from raisin_core.messages import Explained


def dumps(value: Any) -> str:
    """JSON for programs, in one line: ASCII, and nothing that is not JSON. Raises ValueError, TypeError."""
    return json.dumps(value, allow_nan=False)


def job_record(job: JobInfo) -> dict[str, Any]:
    """A job for programs; times as ISO 8601, in UTC."""
    fields = {name: getattr(job, name) for name in job.__struct_fields__}
    times = {name: fields[name] and fields[name].isoformat() for name in ("opened", "ended")}
    return {**fields, **times}


def explained_record(said: Explained) -> dict[str, Any]:
    """What holds a job up, for programs."""
    from raisin_core.client.jobs import info

    workers = [{name: getattr(each, name) for name in each.__struct_fields__} for each in said.workers]
    places = {"ready": said.ready, "picky": said.picky, "waiting": said.waiting}
    return {**job_record(info(said.line)), **places, "reasons": said.reasons, "workers": workers}


def error_line(error: object) -> str:
    """An exception as one line, whatever its own code does."""
    try:
        text = plain(str(error).partition("\n")[0], 300)
    except Exception:  # noqa: BLE001 - __str__ of an exception may raise
        text = "(no text)"
    kind = plain(type(error).__name__, 80)
    return f"{kind}: {text}" if text else kind


def value_line(value: Any) -> str:
    """A result as one line."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - __repr__ of a value may raise anything
        return f"<{plain(type(value).__name__)}: its repr raised {error_line(error)}>"
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def value_record(index: Any, value: Any) -> str:
    """A result as one line of JSON: `res` is the value where JSON can say it (tuples as lists), else its `repr`, and
    then `repr` is true."""
    try:
        if _sayable(value):
            return dumps({"index": index, "res": value})
    except Exception:  # noqa: BLE001 - too deep, no number, or the value's own code raised
        return _as_repr(index, value)
    return _as_repr(index, value)


def _sayable(value: Any) -> bool:
    """Whether it loses nothing but the difference between tuple and list."""
    if isinstance(value, (list, tuple)):
        return all(map(_sayable, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _sayable(each) for key, each in value.items())
    return value is None or isinstance(value, (bool, int, float, str))


def _as_repr(index: Any, value: Any) -> str:
    return dumps({"index": index, "res": value_line(value), "repr": True})
