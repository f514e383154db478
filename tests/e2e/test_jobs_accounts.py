"""Jobs belong to accounts: a broker over tcp with two of them, one with two machines."""

from __future__ import annotations

import json

import pytest

import raisin
from raisin_core.identity import keys, roster
from tests.e2e import support
from tests.e2e.test_jobs import RUN, one_line

pytestmark = pytest.mark.slow  # what it tests is the same on every Python


def admit(cluster, name, account):
    """A client's machine of this account; gives its key file."""
    path = cluster.folder / f"{name}.key"
    own, _ = keys.load_or_make(path)
    entry = roster.line_to_add(own.public, name, "client") + f'account = "{account}"\n'
    cluster.roster.write_text(f"{cluster.roster.read_text()}\n{entry}")
    return path


@pytest.fixture(scope="module")
def cluster(module_folder):
    with support.cluster(module_folder, "ann") as made:
        yield made


@pytest.fixture(scope="module")
def machines(cluster):
    """Two machines of zoe's, one of sam's."""
    accounts = {"laptop": "zoe", "desk": "zoe", "sam": "sam"}
    return {name: admit(cluster, name, account) for name, account in accounts.items()}


@pytest.fixture
def at(cluster, machines, interpreters):
    """Runs the command line on one of these machines; where the broker is stands in its environment."""

    def run(machine, *arguments):
        env = {
            "RAISIN_BROKER": cluster.address,
            "RAISIN_BROKER_KEY": cluster.broker_key,
            "RAISIN_KEY_FILE": str(machines[machine]),
        }
        return interpreters.run(RUN, *arguments, env=env)

    return run


@pytest.fixture
def job(cluster, machines):
    """The id of a job that zoe's laptop submitted, and left."""
    with raisin.connect(cluster.address, broker_key=cluster.broker_key, key_file=machines["laptop"]):
        m = raisin.Map(abs, [-1, -2], name="hers", save=True).start()
        assert m.get(timeout=30) == [1, 2]
        return m.id


def test_another_machine_of_the_same_account_has_it(at, job):
    (found,) = [each for each in json.loads(at("desk", "jobs", "--json").ok()) if each["id"] == job]
    assert (found["name"], found["member"], found["account"], found["attended"]) == ("hers", "laptop", "zoe", False)
    assert "by laptop (account zoe)" in at("desk", "job", job[:8]).ok()
    assert at("desk", "results", job[:8]).ok() == "1\n2\n"
    assert "2 of 2 done" in at("desk", "explain", job).ok()


def test_another_account_is_refused(at, job):
    assert job not in {each["id"] for each in json.loads(at("sam", "jobs", "--json").ok())}
    for command in (["job"], ["results"], ["results", "--partial"], ["explain"], ["cancel", "--yes"]):
        text = one_line(at("sam", *command, job))
        assert f"job {job[:8]} belongs to zoe; only machines of that account may have it" in text
        assert f"no job {job[:8]}... here" in one_line(at("sam", *command, job[:8])), "nor does it learn of it"
    assert at("desk", "results", job).ok() == "1\n2\n"


def test_another_account_in_python(cluster, machines, job):
    with raisin.connect(cluster.address, broker_key=cluster.broker_key, key_file=machines["sam"]):
        with pytest.raises(raisin.NotYourJob, match="belongs to zoe"):
            raisin.attach(job)
        assert job not in {each.id for each in raisin.jobs()}
    with raisin.connect(cluster.address, broker_key=cluster.broker_key, key_file=machines["desk"]):
        assert raisin.attach(job[:8]).get() == [1, 2]
        assert job in {each.id for each in raisin.jobs()}


def test_a_handle_explains_worker_by_worker(cluster, machines, tmp_path):
    gate = tmp_path / "gate"

    def run(n):
        import time

        while not gate.exists():
            time.sleep(0.01)
        return n

    with raisin.connect(cluster.address, broker_key=cluster.broker_key, key_file=machines["laptop"]):
        first = raisin.Map(run, range(3), name="first", chunksize=1).start()
        support.until(lambda: first.progress().running, "it runs")
        second = raisin.Map(abs, range(3), name="second", where=["sam", "ann"]).start()
        text = support.until(lambda: "3 with workers" in (said := second.explain()) and said, "they are queued there")
        assert text.startswith(f"second (job {second.id[:8]}) is running: 0 of 3 done, 0 failed, 3 with workers\n")
        (row,) = [each for each in text.splitlines() if each.split()[0] == "ann"]
        assert row.split()[-5:] == ["1", "3", "busy", "with", "first"]
        third = raisin.Map(abs, range(3), name="third", where=["sam"]).start()
        text = support.until(lambda: "none of sam" in (said := third.explain()) and said, "nobody may run it")
        assert "nothing of it runs: none of sam is connected; 3 ready to run\n" in text
        assert "not among the members that the job asks for" in text
        third.cancel()
        gate.touch()
        assert second.get(timeout=30) == [0, 1, 2]
        assert second.explain() == f"second (job {second.id[:8]}) is done: 3 of 3 done, 0 failed"
        assert first.get(timeout=30) == [0, 1, 2]
