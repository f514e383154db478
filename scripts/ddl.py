"""Writes raisin_broker/store/ddl.sql from schema.py: run it after a change there. A test compares the two."""

from __future__ import annotations

from pathlib import Path

from raisin_broker.store import schema


def main() -> None:
    Path(schema.__file__).with_name("ddl.sql").write_bytes(schema.ddl().encode())


if __name__ == "__main__":
    main()
