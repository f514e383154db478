"""Writes the tables of docs/protocol.md from raisin_core.messages:  scripts/protocol_table.py [--check]

With `--check` writes nothing and fails where the tables are out of date.
Rules of this file: whatever it says comes from raisin_core.messages; the hand-written text around the markers is left
alone.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

import msgspec

from raisin_core import messages
from raisin_core.messages import MESSAGES, Message

DOCUMENT: Final = Path(__file__).resolve().parent.parent / "docs" / "protocol.md"
BEGIN: Final = "<!-- begin: made by scripts/protocol_table.py from raisin_core.messages; do not edit -->"
END: Final = "<!-- end -->"


def tables() -> str:
    """All that stands between the markers."""
    parts = [
        ("### Messages", message_table()),
        ("### Structures within headers", structure_table()),
        ("### Words with few values", word_table()),
    ]
    return "\n\n".join(f"{title}\n\n{table}" for title, table in parts)


def message_table() -> str:
    """One row per message, in the order of raisin_core.messages."""
    rows = ((name(m), f"{way(m)}", fields(m), m.payload, purpose(m)) for m in MESSAGES)
    return table(("message", "from > to", "header", "payload", "purpose"), rows)


def structure_table() -> str:
    """One row per structure that headers, or the broker's own payloads, are made of."""
    kinds = (
        kind
        for kind in vars(messages).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and not issubclass(kind, Message)
    )
    return table(("structure", "fields", "meaning"), ((f"`{k.__name__}`", fields(k), purpose(k)) for k in kinds))


def word_table() -> str:
    """One row per named Literal."""
    literals = ((word, kind) for word, kind in vars(messages).items() if get_origin(kind) is Literal)
    rows = ((f"`{word}`", ", ".join(f"`{value}`" for value in get_args(kind))) for word, kind in literals)
    return table(("word", "values"), rows)


def name(message: type[Message]) -> str:
    """The message's name; those of the second socket pair are marked."""
    return f"**{message.__name__}**" + (" (bulk)" if message.bulk else "")


def way(message: type[Message]) -> str:
    """Who says it to whom."""
    return message.way.replace(">", " > ")


def fields(kind: type[msgspec.Struct]) -> str:
    """`job: Id`, `count: Index = 0`, ... as written in raisin_core.messages."""
    written = inspect.get_annotations(kind)
    return "<br>".join(f"`{f.name}: {written[f.name]}{default(f)}`" for f in msgspec.structs.fields(kind))


def default(field: msgspec.structs.FieldInfo) -> str:
    """` = value` where the field may be left out."""
    if field.required:
        return ""
    value: Any = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    return f" = {value!r}"


def purpose(kind: type[msgspec.Struct]) -> str:
    """The docstring, as one line."""
    return " ".join((inspect.getdoc(kind) or "").split())


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    return "\n".join(lines(head, rows))


def lines(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table; a bar within a cell is escaped."""
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def renewed(document: str) -> str:
    """The document with its tables made anew. Raises ValueError where a marker is missing or out of place."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("docs/protocol.md has lost a marker of its generated part")
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


def main(arguments: Sequence[str]) -> int:
    """Write, or check."""
    document = DOCUMENT.read_text(encoding="utf-8")
    wanted = renewed(document)
    if "--check" not in arguments:
        DOCUMENT.write_text(wanted, encoding="utf-8")
        return 0
    if document == wanted:
        return 0
    sys.stderr.write("docs/protocol.md differs from raisin_core.messages; write it anew: make docs\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
