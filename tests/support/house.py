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
        ("charter",),
        ("gate", "bulk", "housekeeping", "wording", "membership"),
        ("store",),
        ("machine",),
        ("belonging",),
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
        ("sealing", "belonging"),
        ("blobs", "executor"),
        ("spawn", "incoming", "group", "environment"),
        ("machine",),
        ("scheduler", "delivery", "vetting"),
        ("commands",),
        ("state", "events", "membership"),
    ),
    "raisin_core.analysis": (("fingerprint", "encoding"), ("classes",), ("source", "modules"), ("syntax", "parts")),
    "raisin_core.serialization": (("streams",), ("values", "sealed", "compression")),
    "raisin_core.client": (
        ("attach", "members"),
        ("map", "scan"),
        ("process",),
        ("handles",),
        ("iterator",),
        ("launch",),
        ("runs",),
        ("feeder", "connection", "local"),
        ("reading", "pager", "embedded", "printing", "waiting", "greeting", "belonging", "memberseal"),
        ("job", "keeper"),
        ("session", "resumed"),
        ("machine", "seals"),
        ("state",),
        ("commands",),
    ),
}

# By name, in whichever package; or in full, where another package has an impure one of the same name.
PURE = {
    *("machine", "scheduler", "state", "records", "outbox", "peers", "submissions", "execution", "readers"),
    *("recording", "resumption", "retention", "reports", "columns", "amounts", "delivery"),
    *("commands", "events", "peer", "ranges", "digests", "policy", "vetting", "findings"),
    *("raisin_broker.belonging", "raisin_worker.membership"),
}
IMPURE = {
    *("time", "datetime", "random", "secrets", "uuid", "os", "pathlib", "tempfile", "socket", "select", "asyncio"),
    *("threading", "subprocess", "logging", "zmq", "sqlite3", "sqlalchemy"),
}
IMPURE_CALLS = {"open", "print"}

# An interpreter of tasks may have nothing but these (cloudpickle inside functions): what must work there.
PORTABLE = ("errors", "failures", "pages", "marked", "plain_pages", "serialization", "ciphers", "texts")
ANALYSIS = ("fingerprint", "classes", "source", "modules", "bytecode", "syntax", "origin", "parts")
PORTABLE = tuple(f"raisin_core.{name}" for name in (*PORTABLE, *(f"analysis.{each}" for each in ANALYSIS)))
PORTABLE_NEEDS = {"cloudpickle"}
OPTIONAL = {"cryptography", "Cryptodome", "zstandard", "msgspec", "numpy", "pandas", "pyarrow"}  # better with them
IMPORTED_LATE = "raisin_core.serialization.pickling"  # may need cloudpickle at its top
TASK_PROCESS = "raisin_worker.task_process"

LONGEST = 400
