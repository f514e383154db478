"""Two implementations, one behaviour: any history that the contract allows, told to both."""

from __future__ import annotations

import contextlib
import copy
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raisin_broker.records import (
    JobClosed,
    JobForgotten,
    JobMarked,
    JobOpened,
    JobReleased,
    JobUnwanted,
    KeyCleared,
    LeasedUpTo,
    Record,
    Source,
    WorkerGone,
    WorkerSeen,
)
from raisin_broker.store.memory import MemoryStore
from raisin_broker.store.sql import SqlStore
from raisin_broker.store.staging import ENTRY
from raisin_core.messages import Options
from tests.broker.stores import A, AnyStore, B, F, G, all_of, opened, page, result, sourced, tag, tidied, tried

C = b"c" * 16
KEYS = ("", "one", "two")
jobs = st.sampled_from([A, B, C])
numbers = st.integers(0, 3)
fingerprints = st.sampled_from([b"print", b"other"])
words = st.sampled_from(KEYS[1:])
steps = st.one_of(
    st.builds(lambda job, key, mark: opened(job, F, key, mark), jobs, st.sampled_from(KEYS), fingerprints),
    st.tuples(st.just("page"), jobs, numbers),
    st.tuples(st.just("page"), jobs, numbers),
    st.tuples(st.just("result"), jobs, numbers),
    st.tuples(st.just("result"), jobs, numbers),
    st.tuples(st.just("source"), jobs, jobs),
    st.builds(JobClosed, jobs, numbers),
    st.builds(JobMarked, jobs, st.sampled_from(["done", "cancelled", "late"]), st.floats(0, 9)),
    st.builds(JobForgotten, jobs),
    st.builds(JobUnwanted, jobs),
    st.builds(lambda job: JobReleased(job, Options(retries=3)), jobs),
    st.builds(LeasedUpTo, jobs, numbers),
    st.builds(tried, jobs, numbers, st.sampled_from(["1.1", "1.2"])),
    st.builds(WorkerSeen, jobs),
    st.builds(WorkerGone, jobs),
    st.builds(lambda key: KeyCleared("zoe", key), words),
)
ends = st.sampled_from(["", "commit", "tidy", "crash", "lost", "again"])
batches = st.lists(st.tuples(st.lists(steps, max_size=12), ends), max_size=6)


class Story:
    """Turns steps into records of jobs that are open: pages and result pages come in order, now and then an old one
    again. What a number stands for never changes (it is sent again byte for byte), so contents follow from it."""

    def __init__(self) -> None:
        self.opened, self.pages, self.results = set[bytes](), Counter[bytes](), Counter[bytes]()
        self.committed = copy.deepcopy(vars(self))

    def commit(self) -> None:
        """What was told is not forgotten any more."""
        self.committed = copy.deepcopy({name: it for name, it in vars(self).items() if name != "committed"})

    def crash(self) -> None:
        """Only that is known."""
        vars(self).update(copy.deepcopy(self.committed))

    def tell(self, step: object) -> Record | None:
        job = step[1] if isinstance(step, tuple) else getattr(step, "job", None)
        if job is not None and job not in self.opened and not isinstance(step, JobOpened):
            return None
        match step:
            case ("page", bytes(job), int(number)):
                number = min(number, self.pages[job])
                self.pages[job] = max(self.pages[job], number + 1)
                return page(job, number, (G, F)[: number % 3], tagged=job != C)
            case ("result", bytes(job), int(number)):
                arrival = min(number, self.results[job], self.pages[job] - 1) + 1
                self.results[job] = max(self.results[job], arrival)
                return result(job, arrival, (F,) * (arrival % 2), True, arrival // 2) if arrival else None
            case ("source", bytes(job), bytes(of)):
                arrival = self.results[job] + 1
                if arrival > self.pages[job] or self.results[of] < 1:
                    return None
                self.results[job] = arrival
                return sourced(Source(of, self.results[of], 3), job, arrival)
            case JobOpened():
                self.opened.add(step.job)
            case JobForgotten():
                self.opened.discard(step.job)
                self.pages[step.job] = self.results[step.job] = 0
        return step if isinstance(step, Record) else None


def seen(store: AnyStore, keys: bool = True) -> dict[str, object]:
    tags = b"".join(map(tag, range(20)))
    recorded: dict[str, object] = {
        "recalled": {key: store.recall("zoe", key, tags) for key in KEYS},
        "keys": {key: store.key("zoe", key) for key in KEYS},
    }
    return (recorded if keys else {}) | {
        "pages": {(job, number): store.page(job, number) for job in (A, B, C) for number in range(5)},
        "results": {(job, number): store.result(job, number) for job in (A, B, C) for number in range(5)},
        "function": store.function(F),
        "blobs": store.blobs_in_use(),
    }


@pytest.mark.slow  # the same on every Python
@settings(max_examples=100, deadline=None, database=None)
@given(batches)
def test_stores_agree(history: list[tuple[list[object], str]]) -> None:
    with contextlib.ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "raisin.db"

        def reopened() -> SqlStore:  # so small a cache that pages come from it and from the file
            store = SqlStore(path, cache=6 * ENTRY)
            stack.callback(store.close)
            return store

        file, memory, story = reopened(), MemoryStore(), Story()
        assert all_of(file.start()) == all_of(memory.start())
        for batch, (content, end) in enumerate(history):
            records = [record for record in map(story.tell, content) if record is not None]
            for store in (file, memory):
                store.stage(2 * batch, records)
            if end in ("commit", "tidy", "crash", "again"):
                story.commit()
                file.commit(2 * batch)
                memory.commit(2 * batch)
            assert seen(file) == seen(memory)
            if end == "again":  # its outcome was not known: what is true twice is true
                before = seen(memory, keys=False)
                for store in (file, memory):
                    store.stage(2 * batch + 1, records)
                    store.commit(2 * batch + 1)
                    assert seen(store, keys=False) == before
                assert seen(file) == seen(memory)  # a key cleared in between may know more
            if end == "tidy":
                tidied(file)
                tidied(memory)
                assert seen(file) == seen(memory)
            if end in ("crash", "lost"):
                story.crash()
                file, memory = reopened(), memory.crash()
                assert all_of(file.start()) == all_of(memory.start())
        assert all_of(file.start()) == all_of(memory.start())


def told(*steps: object) -> list[Record | None]:
    story = Story()
    return [story.tell(step) for step in steps]


def test_a_story_keeps_the_order_that_the_contract_asks_for() -> None:
    _, first, second, again, early = told(opened(), ("page", A, 3), ("page", A, 3), ("page", A, 0), ("result", B, 2))
    assert [first, second, again] == [page(A, 0, tagged=True), page(A, 1, (G,), tagged=True), first]
    assert early is None
