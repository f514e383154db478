"""`--keep` and `--max-disk`: what real brokers forget, and what they never do."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import raisin
from tests.e2e import support
from tests.e2e.support import Cluster, until

pytestmark = pytest.mark.slow  # what it tests is the same on every Python

MB = 10**6
SAVED = """
    import os
    m = raisin.Map(lambda n: bytes([n]) + os.urandom({size}), range({count}), save=True).start()
    assert len(m.get()) == {count}
    print(m.id)
    """


@pytest.fixture
def kept(folder: Path) -> Iterator[Callable[..., Cluster]]:
    """Starts a cluster whose broker has these options."""
    cluster = Cluster(folder)

    def start(*options: str) -> Cluster:
        cluster.start_broker(*options)
        cluster.start_worker("bob")
        return cluster

    yield start
    cluster.close()


@pytest.fixture
def programs(folder: Path) -> Iterator[support.Interpreters]:
    made = support.Interpreters(folder / "h", folder)
    yield made
    made.close()


def saved(programs: support.Interpreters, cluster: Cluster, count: int = 10, size: int = 1000) -> str:
    """A program that saves its results and ends; the name of its job."""
    return programs.run(cluster.script(SAVED.format(count=count, size=size))).ok().strip()


def known(job: str) -> bool:
    try:
        raisin.attach(job)
    except raisin.UnknownJob:
        return False
    return True


def await_forgotten(cluster: Cluster, job: str) -> None:
    """Ask now and then: whoever attaches keeps a job for that time."""

    def gone() -> bool:
        with closing(sqlite3.connect(f"file:{cluster.data / 'raisin.db'}?mode=ro", uri=True)) as db:
            query = "SELECT COUNT(*) FROM jobs WHERE job = ?"
            return bool(db.execute(query, (bytes.fromhex(job),)).fetchone() == (0,))

    until(gone, f"job {job[:8]} is forgotten", show=cluster.show)


def rows(cluster: Cluster) -> dict[str, int]:
    with closing(sqlite3.connect(f"file:{cluster.data / 'raisin.db'}?mode=ro", uri=True)) as db:
        tables = ("jobs", "pages", "results", "recorded", "blobs", "functions")
        return {table: db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in tables}


def blobs(cluster: Cluster) -> list[Path]:
    return [path for path in (cluster.data / "blobs").rglob("*") if path.is_file()]


def disk(cluster: Cluster) -> int:
    """The bytes of the database and its blobs."""
    return sum(path.stat().st_size for path in [cluster.data / "raisin.db", *blobs(cluster)])


# -- age -------------------------------------------------------------------------------------------------------------


def test_what_is_kept_goes_after_its_time_with_its_rows_and_blobs(kept: Any, programs: Any) -> None:
    cluster = kept("--keep", "2s")
    job = saved(programs, cluster, 3, MB)
    assert len(blobs(cluster)) == 3
    with cluster.connect():
        assert known(job), "it has not been there for two seconds"
    await_forgotten(cluster, job)
    until(lambda: not any(rows(cluster).values()), "all its rows are gone", show=lambda: str(rows(cluster)))
    with cluster.connect():
        assert not known(job)
    for path in blobs(cluster):  # as if they had been there for long
        os.utime(path, (0, 0))
    assert cluster.broker is not None
    cluster.broker.close()
    cluster.start_broker("--keep", "2s")
    until(lambda: not blobs(cluster), "its blobs are gone", show=cluster.show)


def test_what_a_client_that_is_connected_has_a_handle_for_stays(kept: Any, programs: Any) -> None:
    cluster = kept("--keep", "1s")
    with cluster.connect():
        mine = raisin.Map(str, range(5)).start()
        assert mine.get() == list("01234")
        other = saved(programs, cluster)
        await_forgotten(cluster, other)
        assert cluster.broker is not None
        cluster.broker.kill()
        cluster.start_broker("--keep", "1s")
        await_forgotten(cluster, saved(programs, cluster))
        assert [record["res"] for record in sorted(mine.get_all(), key=lambda one: one["index"])] == list("01234")


def test_results_of_a_key_go_with_their_job_and_are_computed_again(kept: Any, programs: Any, tmp_path: Path) -> None:
    cluster = kept("--keep", "2s")
    log = tmp_path / "log"
    code = f"""
        def squared(n):
            with open({str(log)!r}, "a") as file:
                file.write("ran ")
            return n * n

        m = raisin.Map(squared, range(4), resume="squares").start()
        print(m.get(), m.id)
        """
    first = programs.run(cluster.script(code)).ok()
    again = programs.run(cluster.script(code)).ok()
    assert log.read_text() == "ran " * 4
    for said in (first, again):
        assert said.startswith("[0, 1, 4, 9] ")
        await_forgotten(cluster, said.split()[-1])
    assert programs.run(cluster.script(code)).ok().startswith("[0, 1, 4, 9] ")
    assert log.read_text() == "ran " * 8


# -- size ------------------------------------------------------------------------------------------------------------


def test_the_disk_stays_near_its_limit_and_the_newest_survive(kept: Any, programs: Any) -> None:
    cluster = kept("--max-disk", "20MB")
    with cluster.connect():
        mine = raisin.Map(str, range(5)).start()
        assert mine.get() == list("01234")
        jobs = [saved(programs, cluster, 50, 100_000) for _ in range(10)]
        await_forgotten(cluster, jobs[4])
        until(lambda: disk(cluster) < 21 * MB, "the file has shrunk", show=lambda: f"{disk(cluster):,}")
        stay = [known(job) for job in jobs]
        assert stay == sorted(stay), "the oldest went first"
        assert len(raisin.attach(jobs[-1]).get()[7]) == 100_001
        assert sum(stay) >= 2
        assert sorted(record["res"] for record in mine.get_all()) == list("01234")


def test_blobs_count_too(kept: Any, programs: Any) -> None:
    cluster = kept("--max-disk", "20MB")
    jobs = [saved(programs, cluster, 9, MB) for _ in range(3)]
    await_forgotten(cluster, jobs[0])
    with cluster.connect():
        assert known(jobs[2])


def test_while_all_is_in_use_submissions_wait_and_say_why(kept: Any) -> None:
    cluster = kept("--max-disk", "20MB")
    with cluster.connect():
        large = raisin.Map(lambda n: bytes(100_000), range(300)).start()
        assert len(large.get()) == 300
        until(lambda: disk(cluster) > 25 * MB, "it is on the disk", show=lambda: f"{disk(cluster):,}")

        def refused() -> str:
            try:
                raisin.Map(str, range(5)).start().get(timeout=1.5)
            except raisin.TimeoutError as waited:
                return str(waited)
            return ""  # it has not looked yet

        said = until(refused, "nothing is taken")
        assert "not submitted: the broker keeps " in said
        assert "more than it may (20,000,000), all in use" in said
        waits = raisin.Map(str, range(5)).start()
        del large
        assert waits.get(timeout=support.PATIENCE) == list("01234")

        def used_on() -> bool:
            """What was given back leaves the file when SQLite writes its log into it, every 4 MB."""
            raisin.Map(lambda n: bytes(50_000), range(10)).start().get()
            return disk(cluster) < 5 * MB

        until(used_on, "the file has shrunk", show=lambda: f"{disk(cluster):,}")
