"""Every kind of store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from raisin_broker.store.memory import MemoryStore
from raisin_broker.store.sql import SqlStore
from tests.broker.stores import AnyStore, Reopen


@pytest.fixture(params=["file", "memory file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyStore]:
    made: dict[str, Callable[[], AnyStore]] = {
        "file": lambda: SqlStore(tmp_path / "state" / "raisin.db"),
        "memory file": lambda: SqlStore(":memory:"),
        "memory": MemoryStore,
    }
    store = made[request.param]()
    store.start()
    yield store
    store.close()


@pytest.fixture(params=["file", "memory"])
def crashing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[AnyStore, Reopen]]:
    """A store, and how the next process finds it when this one ends without closing it."""
    stores: list[AnyStore] = []

    def reopen(store: AnyStore) -> AnyStore:
        again = store.crash() if isinstance(store, MemoryStore) else SqlStore(tmp_path / "raisin.db")
        stores.append(again)
        return again

    stores.append(SqlStore(tmp_path / "raisin.db") if request.param == "file" else MemoryStore())
    stores[0].start()
    yield stores[0], reopen
    for store in stores:
        store.close()


# -- the contract ----------------------------------------------------------------------------------------------------
