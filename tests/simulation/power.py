"""A store that survives the death of its process, and whose last batches a power cut may take.

That is what durability "process" promises: the disk holds some earlier commit, never half of one; the broker's run is
durable at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from raisin_broker.records import Record
from raisin_broker.store.memory import MemoryStore


class PowerStore(MemoryStore):
    """In memory, like its parent; it remembers its commits, so that the last ones can be undone."""

    def __init__(self) -> None:
        super().__init__()
        self._commits: dict[tuple[int, int], Sequence[Record]] = {}

    def commit(self, batch: int) -> None:
        due = self.staged.due(batch)
        super().commit(batch)
        for number, records in due:  # once, also where the broker was not sure and commits it again
            self._commits.setdefault((self.durable.run, number), records)

    def crash(self) -> PowerStore:
        """What the next process finds: all that was committed."""
        found = PowerStore()
        found.durable.run = self.durable.run
        found._commits = dict(self._commits)
        for records in self._commits.values():
            for record in records:
                found.durable.apply(record)
        return found

    def cut(self, batches: int) -> None:
        """The power fails: so many batches, or as many as there are, were not on the disk."""
        for name in list(self._commits)[-batches:]:
            del self._commits[name]
