"""A notation for people: `Lease lease=1.2 job=j start=0 stop=4 function=f`, and back.

Ids and digests are short names: an id is the name's own bytes, a digest that of the name. What is left out has its
default, or one from `LEFT_OUT`. `won=all` is the empty list, `leases=none` too; `won=0-2,4-6` are ranges, `retried=3:2`
pairs, `leases=1.2:j:0-4` held leases, `held=1.2,1.3` their digest, `options=retries:1,where:bob` options, and
`unfit="3:it lacks numpy"` tasks with reasons, `tags=a,b` names of tasks, `origin=j:0-2:1` another job's page and the
first of its tasks that counts. Jobs and workers in lists are written `j:f:running:1/3` and `bob:2:busy`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Any, Final

import msgspec

from raisin_core import digests
from raisin_core import messages as m

Names = dict[bytes, str]

LEFT_OUT: Final[dict[str, Any]] = {
    "host": "",
    "member": "",
    "pid": 1,
    "form": "map",
    "name": "f",
    "options": m.Options(),
    "beat": 5.0,
    "silence": 15.0,
    "seconds": 1.0,
    "queued": 0.0,
    "failed": 0,
    "running": 0,
    "slot": 0,
}
KINDS: Final = {kind.__name__: kind for kind in m.MESSAGES}


def ident(name: str) -> bytes:
    """An id of 16 bytes."""
    return name.encode().ljust(16, b"\0")


def digest(name: str) -> bytes:
    """The digest of the bytes of a name."""
    return digests.content(name.encode()) if name else b""


def parse(text: str, names: Names, who: str = "") -> tuple[m.Message, bytes]:
    """A message and its payload from a line; `who` is the host of whoever says it."""
    head, _, payload = text.partition(" | ")
    kind_name, *words = shlex.split(head)
    kind = KINDS[kind_name]
    given = dict(word.split("=", 1) for word in words)
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.name in given:
            values[field.name] = _read(field.name, field.type, given.pop(field.name), names)
        elif field.required:
            values[field.name] = who if field.name in ("host", "member") else LEFT_OUT[field.name]
    assert not given, f"{kind_name} has no {', '.join(given)}"
    return kind(**values), payload_of(values.get("ruling", False), payload)


def write(message: m.Message, payload: bytes, names: Names, who: str = "") -> str:
    """The line that says this."""
    words = [type(message).__name__]
    for field in msgspec.structs.fields(message):
        value = getattr(message, field.name)
        left_out = who if field.name in ("host", "member") else LEFT_OUT.get(field.name)
        if field.name == "run" and isinstance(message, m.Result) and value == 1:  # most dialogs have one run
            continue
        if value == (left_out if field.required else field.default_factory() if _made(field) else field.default):
            continue
        words.append(f"{field.name}={_quoted(_write(field.name, field.type, value, names))}")
    if isinstance(message, m.Roster):
        words.append(f"| {payload.decode()}")
    elif isinstance(message, m.Refused) and payload:
        results, parts = msgspec.msgpack.decode(payload, type=tuple[int, bytes])
        words.append(f"| {results} {parts.decode()}")
    elif payload:
        words.append(f"| {_payload_text(getattr(message, 'ruling', False), payload)}")
    return " ".join(words)


def payload_of(ruling: bool, text: str) -> bytes:
    """A payload from its text; of a ruling, the kind and then host and detail of each trial."""
    if not ruling or not text:
        return text.encode()
    kind, *trials = shlex.split(text)
    pairs = [tuple(trial.split(":", 1)) for trial in trials]
    return msgspec.msgpack.encode(m.Ruling(kind, pairs))  # type: ignore[arg-type]


def _payload_text(ruling: bool, payload: bytes) -> str:
    if not ruling:
        return payload.decode(errors="backslashreplace")
    it = msgspec.msgpack.decode(payload, type=m.Ruling)
    return " ".join([it.kind, *(_quoted(f"{host}:{detail}") for host, detail in it.trials)])


def _made(field: msgspec.structs.FieldInfo) -> bool:
    return field.default_factory is not msgspec.NODEFAULT


def _quoted(text: str) -> str:
    return shlex.quote(text) if re.search(r"[\s'\"]", text) else text


def _lease(text: str) -> m.LeaseId:
    run, number = text.split(".")
    return m.LeaseId(int(run), int(number))


def _held(text: str) -> m.HeldLease:
    lease, job, tasks = text.split(":")
    start, stop = tasks.split("-")
    return m.HeldLease(_lease(lease), ident(job), int(start), int(stop))


def _pair(text: str) -> tuple[int, int]:
    first, second = re.split("[-:]", text)
    return int(first), int(second)


def _unfit(text: str) -> tuple[int, str]:
    index, reason = text.split(":", 1)
    return int(index), reason


def _options(text: str) -> m.Options:
    given: dict[str, Any] = dict(word.split(":", 1) for word in text.split(","))
    for names in ("where", "pickles"):
        if names in given:
            given[names] = [each for each in given[names].split("+") if each != "nobody"]
    names = [field.name for field in msgspec.structs.fields(m.Options)]
    defaults = msgspec.structs.asdict(m.Options())
    wanted = [given.pop(name, defaults[name]) for name in names]
    assert not given, f"there are no options {', '.join(given)}"
    return msgspec.convert(wanted, m.Options, strict=False)


def _held_digest(text: str) -> int:
    return digests.held([] if text == "none" else [_lease(each) for each in text.split(",")])


PARTS: Final[dict[str, Callable[[str], Any]]] = {
    "won": _pair,
    "retried": _pair,
    "leases": _held,
    "unfit": _unfit,
    "runs": str,
    "epochs": int,
    "failed": int,
    "pages": int,
    "shape": int,
    "replaces": ident,
    "jobs": ident,
}


def _read(name: str, kind: Any, text: str, names: Names) -> Any:
    if name == "held":
        return _held_digest(text)
    if name == "blobs":
        return [_named(digest(each), each, names) for each in text.split(",")]
    if name in PARTS and getattr(kind, "__origin__", None) is list:
        return [] if text in ("all", "none") else [PARTS[name](each) for each in text.split(",")]
    if kind == m.Id or (name == "about" and text):
        return ident(text)
    if kind in (m.Digest, m.NoDigest):
        return _named(digest(text), text, names)
    if kind is m.LeaseId:
        return _lease(text)
    if kind == m.Tags:
        return b"".join(map(ident, text.split(",")))
    if kind == m.Parts:
        return text.encode()
    if kind is m.Options:
        return _options(text)
    return msgspec.convert(text, kind, strict=False)


def _named(value: bytes, name: str, names: Names) -> bytes:
    names[value] = name
    return value


def _write(name: str, kind: Any, value: Any, names: Names) -> str:
    if name == "tags":
        return ",".join(value[at : at + 16].rstrip(b"\0").decode() for at in range(0, len(value), 16))
    if isinstance(value, m.Origin):
        return f"{_write(name, None, value.job, names)}:{value.start}-{value.stop}:{value.first}"
    if isinstance(value, m.JobLine):
        return f"{_write(name, None, value.job, names)}:{value.name}:{value.state}:{value.done}/{value.total}"
    if isinstance(value, m.MemberLine):
        return f"{value.member}:{value.role}:{value.host}:{value.busy}/{value.slots}"
    if isinstance(value, m.WorkerLine):
        return f"{value.host}:{value.running}:{value.reason}"
    if isinstance(value, list):
        sign = "-" if name == "won" else ":"
        parts = [sign.join(_write(name, None, part, names) for part in _parts(each)) for each in value]
        return ",".join(parts) or ("all" if name == "won" else "none")
    if isinstance(value, bytes):
        return names.get(value) or value.rstrip(b"\0").decode()
    if isinstance(value, m.LeaseId):
        return f"{value.run}.{value.number}"
    if isinstance(value, m.HeldLease):
        lease, job = (_write(name, None, each, names) for each in (value.lease, value.job))
        return f"{lease}:{job}:{value.start}-{value.stop}"
    if isinstance(value, m.Options):
        return str(value)
    return str(round(value, 3) if isinstance(value, float) else value)


def _parts(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
