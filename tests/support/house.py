"""The tables of the house: who may import whom, what is pure, what works everywhere; `test_architecture` holds them."""

from __future__ import annotations

HOMES = ("raisin_core/src", "raisin_broker/src", "raisin_worker/src", "raisin_cli/src")
ELSEWHERE = ("tests", "scripts", "examples", "bench")

# Which packages may import which.
MAY_IMPORT = {
    "raisin": {"raisin_core"},
    "raisin_core": set(),
    "raisin_broker": {"raisin_core"},
    "raisin_worker": {"raisin_core"},
    "raisin_cli": {"raisin", "raisin_core"},
}
# The same, inside the body of a function only.
MAY_IMPORT_INSIDE = {"raisin_cli": {"raisin_broker", "raisin_worker"}}

# From shell to core: a module may reach those of later rows only.
LAYERS = {
    "raisin_broker": (
        ("main",),
        ("server",),
        ("gate", "bulk", "housekeeping", "wording"),
        ("store",),
        ("machine",),
        ("peers", "retention"),
        ("execution", "resumption"),
        ("submissions", "readers", "recording"),
        ("scheduler", "outbox", "reports"),
        ("state",),
        ("records",),
        ("columns",),
    ),
    "raisin_worker": (
        ("main",),
        ("agent",),
        ("executor",),
        ("spawn", "incoming", "group"),
        ("machine",),
        ("scheduler", "delivery"),
        ("commands",),
        ("state", "events"),
    ),
    "raisin_core.analysis": (("fingerprint", "encoding"), ("classes",), ("source", "modules"), ("syntax", "parts")),
    "raisin_core.serialization": (("streams",), ("values", "sealed", "compression")),
    "raisin_core.client": (
        ("attach",),
        ("map", "scan"),
        ("process",),
        ("handles",),
        ("iterator",),
        ("launch",),
        ("runs",),
        ("feeder", "connection", "local"),
        ("reading", "pager", "embedded", "printing", "waiting"),
        ("job", "keeper"),
        ("session", "resumed"),
        ("machine",),
        ("state",),
        ("commands",),
    ),
}

PURE = {
    *("machine", "scheduler", "state", "records", "outbox", "peers", "submissions", "execution", "readers"),
    *("recording", "resumption", "retention", "reports", "columns", "amounts", "delivery"),
    *("commands", "events", "peer", "ranges", "digests", "policy"),
}
IMPURE = {
    *("time", "datetime", "random", "secrets", "uuid", "os", "pathlib", "tempfile", "socket", "select", "asyncio"),
    *("threading", "subprocess", "logging", "zmq", "sqlite3", "sqlalchemy"),
}
IMPURE_CALLS = {"open", "print"}

# An interpreter of tasks may have nothing but these (cloudpickle inside functions): what must work there.
PORTABLE = ("errors", "failures", "pages", "serialization", "ciphers")
ANALYSIS = ("fingerprint", "classes", "source", "modules", "bytecode", "syntax", "origin", "parts")
PORTABLE = tuple(f"raisin_core.{name}" for name in (*PORTABLE, *(f"analysis.{each}" for each in ANALYSIS)))
PORTABLE_NEEDS = {"cloudpickle"}
OPTIONAL = {"cryptography", "Cryptodome", "zstandard", "msgspec", "numpy", "pandas", "pyarrow"}  # better with them
IMPORTED_LATE = "raisin_core.serialization.pickling"  # may need cloudpickle at its top
TASK_PROCESS = "raisin_worker.task_process"

LONGEST = 400
