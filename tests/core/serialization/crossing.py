"""One Python writes cases, others read them: the inside of both. A script, with JSON on standard input and output.

crossing.py write    {"cases": [[name, text], ...], "folder": "..."}      -> {name: pickle as hex, or ["error", text]}
crossing.py read     {"cases": [[name, check, pickle as hex], ...]}       -> {name: "" or error}
"""

from __future__ import annotations

import io
import json
import pathlib
import pickle
import sys
import traceback
import types

from raisin_core.serialization import pickling
from raisin_core.serialization.streams.writing import Outgoing


def write(cases: list, folder: str) -> dict:
    found = {}
    for number, (name, text) in enumerate(cases):
        path = pathlib.Path(folder) / f"case{number}.py"
        path.write_text(text)
        sys.modules["__main__"] = types.ModuleType("__main__")
        namespace = vars(sys.modules["__main__"])
        namespace["__file__"] = str(path)
        try:
            exec(compile(text, str(path), "exec", dont_inherit=True), namespace)
            file = io.BytesIO()
            pickling.Pickler(file, Outgoing(copy_file=False)).dump(namespace["value"])
            found[name] = file.getvalue().hex()
        except Exception:  # noqa: BLE001
            found[name] = ["error", traceback.format_exc()]
    return found


def read(cases: list) -> dict:
    found = {}
    for name, check, data in cases:
        try:
            value = pickle.loads(bytes.fromhex(data))
        except Exception as error:  # noqa: BLE001
            found[name] = f"refused: {type(error).__name__}: {error}\n{traceback.format_exc()}"
            continue
        try:
            exec(compile(check, "<check>", "exec", dont_inherit=True), {"value": value, "__name__": "check"})
            found[name] = ""
        except Exception:  # noqa: BLE001
            found[name] = "wrong: " + traceback.format_exc()
    return found


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parents[3]))
    given = json.load(sys.stdin)
    print(json.dumps(write(**given) if sys.argv[1] == "write" else read(**given)))
