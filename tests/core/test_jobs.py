"""raisin.jobs, the beginnings of ids, and explaining: with a broker that gives prepared answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import msgspec
import pytest

import raisin
from raisin_core.client import attach, connection, explain, jobs
from raisin_core.messages import Explain, Explained, JobLine, Jobs, ListJobs, Message, Refused, WorkerLine

NOW = 1_764_000_000.0


def line(key: str = "3f2a", **more: Any) -> JobLine:
    """A job whose id begins so."""
    default = JobLine(
        job=bytes.fromhex(key.ljust(32, "0")),
        name="fit",
        form="map",
        state="running",
        done=10,
        failed=0,
        running=0,
        total=20,
        opened=NOW,
        ended=0.0,
        member="zoe-laptop",
        account="zoe",
        resume="",
        attended=True,
    )
    return msgspec.structs.replace(default, **more)


class Session:
    """Answers each question at once, as the I/O thread would."""

    address = "lab:5757"
    alive = True
    lost_at: float | None = None

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, Message]] = []
        self.jobs: list[JobLine] = []
        self.explained: Message = Refused("unknown job", "no job 3f2a0000 here")
        self.refuses: Refused | None = None

    def ask(self, about: bytes, message: Message, done: Callable[[Message], None]) -> None:
        self.asked.append((about, message))
        if self.refuses is not None:
            done(self.refuses)
        elif isinstance(message, ListJobs):
            done(Jobs(self.jobs[: message.limit], len(self.jobs)))
        elif isinstance(message, Explain):
            done(self.explained)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """The cluster that this process is connected to."""
    made = Session()
    cluster: Any = connection.Connection(made, b"", None)  # type: ignore[arg-type]
    monkeypatch.setattr(connection, "_active", [cluster])
    yield made
    monkeypatch.setattr(connection, "_active", [])


def test_a_job_is_told_as_it_is(session: Session) -> None:
    session.jobs = [line(ended=NOW + 60, state="done", failed=3, done=20, resume="nightly", attended=False)]
    (job,) = raisin.jobs()
    assert job == jobs.JobInfo(
        id="3f2a" + "0" * 28,
        name="fit",
        form="map",
        state="failed",
        done=20,
        failed=3,
        running=0,
        total=20,
        opened=datetime.fromtimestamp(NOW, timezone.utc),
        ended=datetime.fromtimestamp(NOW + 60, timezone.utc),
        member="zoe-laptop",
        account="zoe",
        resume="nightly",
        attended=False,
    )
    with pytest.raises(AttributeError):
        job.name = "other"  # type: ignore[misc]
    assert (line().total, jobs.info(line(total=-1)).total, jobs.info(line()).ended) == (20, None, None)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (line(), "running"),
        (line(state="done"), "done"),
        (line(state="done", failed=3), "done, 3 failed"),
        (line(state="cancelled", failed=3), "cancelled"),
        (line(state="late"), "late"),
        (line(total=-1), "running"),
        (line(total=-1, attended=False), "incomplete"),
        (line(attended=False), "running"),
        (line(total=-1, attended=False, state="cancelled"), "cancelled"),
    ],
)
def test_states_in_words(told: JobLine, words: str) -> None:
    assert jobs.info(told).words == words


def test_a_list_is_a_sequence(session: Session) -> None:
    session.jobs = [line("aa"), line("bb"), line("cc")]
    found = raisin.jobs()
    assert session.asked == [(b"", ListJobs(100))]
    assert (len(found), found[0].id[:2], found[-1].id[:2], [job.id[:2] for job in found]) == (
        3,
        "aa",
        "cc",
        ["aa", "bb", "cc"],
    )
    assert found[1:] == jobs.JobList(found[1:]) != found
    assert isinstance(found[1:], jobs.JobList)
    assert found[1] in found
    assert bool(found)
    assert not raisin.jobs()[3:]


def test_the_limit(session: Session) -> None:
    session.jobs = [line("aa"), line("bb"), line("cc")]
    assert len(raisin.jobs(2)) == 2
    assert repr(raisin.jobs(limit=2)).splitlines()[-1] == "and 1 more"
    assert "more" not in repr(raisin.jobs(3))
    for wrong in (0, -1, 1.5, "5", None, True, 2**70):
        with pytest.raises(raisin.UsageError, match="limit must be a whole number"):
            raisin.jobs(wrong)  # type: ignore[arg-type]


def test_a_table_for_people(session: Session) -> None:
    assert repr(raisin.jobs()) == "no jobs"
    session.jobs = [
        line("3f2a91c0aa", state="done", failed=3, done=20),
        line("0b", name="a much longer name", total=-1),
    ]
    head, first, second = repr(raisin.jobs()).splitlines()
    assert head.split() == ["id", "name", "state", "tasks", "submitted", "from"]
    when = datetime.fromtimestamp(NOW).strftime("%Y-%m-%d %H:%M")
    assert first == f"3f2a91c0  fit                 done, 3 failed  20/20  {when}  zoe-laptop"
    assert second == f"0b000000  a much longer name  running         10     {when}  zoe-laptop"


def test_odd_names_reach_neither_terminal_nor_page(session: Session) -> None:
    session.jobs = [line(name="\x1b]0;owned\x07<b>&\n\u202ename\x9b2J", member="<script>")]
    text, page = repr(raisin.jobs()), raisin.jobs()._repr_html_()
    assert "<b>& ?name" in text
    assert all(letter.isprintable() for letter in text.replace("\n", ""))
    assert len(text.splitlines()) == 2
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;" in page
    assert "&lt;script&gt;" in page
    assert jobs.JobList([])._repr_html_() == "<p>no jobs</p>"


def test_wide_letters_keep_columns_aligned(session: Session) -> None:
    session.jobs = [line(name="日本"), line(name="abcd"), line(name="é" * 4)]
    lines = repr(raisin.jobs()).splitlines()[1:]
    assert [each.partition("running")[0][10:].rstrip() for each in lines] == ["日本", "abcd", "é" * 4]
    assert [len(each) for each in lines] == [len(lines[1]) - 2, len(lines[1]), len(lines[1])]


def test_a_refusal_is_an_error(session: Session) -> None:
    session.refuses = Refused("role", "a worker does not say ListJobs")
    with pytest.raises(raisin.ClusterError, match=r"a worker does not say ListJobs \(lab:5757\)"):
        raisin.jobs()


# -- ids -------------------------------------------------------------------------------------------------------------


def key(id: str) -> str:
    return attach.found(attach.checked(id), connection.current("auto")).hex()


def test_the_first_digits_of_an_id(session: Session) -> None:
    session.jobs = [line("3f2a91"), line("3f2b"), line("3f2a92")]
    assert key("3f2b") == key(" 3F2B0") == session.jobs[1].job.hex()
    assert key("3f2a91") == session.jobs[0].job.hex()
    assert key("3f2a9200000") == session.jobs[2].job.hex()


def test_a_whole_id_needs_no_list(session: Session) -> None:
    assert key("A" * 32) == "a" * 32
    assert session.asked == []


def test_digits_of_several_jobs(session: Session) -> None:
    session.jobs = [line("3f2a91c0aa1", name="f\x1b[2Jit"), line("3f2a91c0aa2", state="done"), line("77")]
    with pytest.raises(raisin.UsageError) as caught:
        key("3f2a")
    assert str(caught.value) == (
        "the ids of 2 jobs begin with 3f2a: 3f2a91c0aa1 fit (running), 3f2a91c0aa2 fit (done); give more digits"
    )
    session.jobs = [line(f"abcd{n:04x}") for n in range(9)]
    with pytest.raises(raisin.UsageError, match=r"the ids of 9 jobs .* abcd0004 fit \(running\) and 4 more; give"):
        key("abcd")


def test_digits_of_no_job(session: Session) -> None:
    session.jobs = [line("3f2a")]
    with pytest.raises(raisin.UnknownJob, match=r"no job 3f2b\.\.\. here \(lab:5757\); `raisin jobs` lists"):
        key("3f2b")


@pytest.mark.parametrize("wrong", ["", "3f2", "xyzw", "0" * 33, "3f 2a", "\x1b[2J", None, 5, b"3f2a", "٣٣٣٣"])
def test_what_is_no_id(wrong: Any) -> None:
    """Found out before any cluster is looked for."""
    with pytest.raises(raisin.UsageError, match="is no job id"):
        raisin.attach(wrong)


# -- explaining ------------------------------------------------------------------------------------------------------


def explained(told: JobLine, *workers: WorkerLine, reasons: list[str] | None = None, **more: int) -> Explained:
    where = {"ready": 0, "picky": 0, "waiting": 0, **more}
    return Explained(line=told, reasons=reasons or [], workers=list(workers), **where)


def test_nothing_runs_and_why() -> None:
    said = explained(
        line(failed=1),
        WorkerLine("ann", "ann-laptop", 4, 0, "draining: it takes no more work"),
        WorkerLine("zoe", "zoe", 2, 0, ""),
        reasons=["none of sam is connected", "the disk is full"],
        ready=8,
        picky=1,
        waiting=1,
    )
    assert explain.screen(said).splitlines() == [
        "fit (job 3f2a0000) is running: 10 of 20 done, 1 failed; nothing of it runs: none of sam is connected; "
        "8 ready to run, 1 ready, but not for every worker (they failed somewhere), "
        "1 waiting for workers that may still have them",
        "  and: the disk is full",
        "  workers:",
        "    member            slots  runs  why no more",
        "    ann (ann-laptop)  4      0     draining: it takes no more work",
        "    zoe               2      0     held up as said above",
    ]


def test_some_of_it_runs() -> None:
    busy = WorkerLine("ann", "", 4, 0, "busy with nightly")
    said = explained(line(running=6), busy, WorkerLine("zoe", "zoe", 2, 6, ""), ready=4)
    first, _, _, zoe, ann = explain.screen(said).splitlines()
    assert first == "fit (job 3f2a0000) is running: 10 of 20 done, 0 failed, 6 with workers; 4 ready to run"
    assert zoe.split(maxsplit=3) == ["zoe", "2", "6", "it has enough to do"], "whoever runs most comes first"
    assert ann.split(maxsplit=3) == ["ann", "4", "0", "busy with nightly"]
    assert "no more is ready" in explain.screen(explained(line(running=6), busy, WorkerLine("b", "", 2, 1, "")))
    assert "about to get some" in explain.screen(explained(line(), WorkerLine("b", "", 2, 1, ""), ready=1))


def test_what_is_over_is_one_line() -> None:
    said = explained(line(state="done", done=20, failed=2), WorkerLine("ann", "", 4, 0, ""), reasons=["it is done"])
    assert explain.screen(said) == "fit (job 3f2a0000) is failed: 20 of 20 done, 2 failed"


def test_left_by_its_client() -> None:
    said = explained(line(total=-1, attended=False), reasons=["all that was submitted is done, but it was not closed"])
    assert explain.screen(said).splitlines() == [
        "fit (job 3f2a0000) is incomplete: 10 done, 0 failed; nothing of it runs: "
        "all that was submitted is done, but it was not closed"
    ]


def test_many_workers_and_reasons_stay_one_screen() -> None:
    workers = [WorkerLine(f"m{n}", "", 1, n, "") for n in range(100)]
    said = explained(line(running=1), *workers, reasons=[f"reason {n}" for n in range(30)], ready=5)
    text = explain.screen(said)
    assert len(text.splitlines()) <= 28
    assert "m99" in text
    assert "and 84 more, which run no more of it than these" in text
    assert "and 25 more reasons" in text


def test_explanations_are_printable() -> None:
    odd = "\x1b[2J\nx\u202e"
    said = explained(line(name=odd), WorkerLine(odd, odd, 1, 0, odd), reasons=[odd, odd], ready=1)
    lines = explain.screen(said).splitlines()
    assert len(lines) == 5
    assert all(each.isprintable() for each in lines)


def test_whose_job_it_is(session: Session) -> None:
    session.explained = Refused("not yours", "job 3f2a0000 belongs to ann; only machines of that account may have it")
    cluster = connection.current("auto")
    with pytest.raises(raisin.NotYourJob, match=r"belongs to ann; .* \(lab:5757\)$") as caught:
        explain.explained(b"x" * 16, cluster)
    assert isinstance(caught.value, PermissionError)
    session.explained = Refused("unknown job", "no job 78787878 here")
    with pytest.raises(raisin.UnknownJob, match=r"no job 78787878 here .*; `raisin jobs` lists"):
        explain.explained(b"x" * 16, cluster)
    session.explained = explained(line())
    assert explain.explained(b"x" * 16, cluster).line == line()
    assert session.asked[-1] == (b"x" * 16, Explain(b"x" * 16))


class Run:
    """As much of a RemoteRun as is needed."""

    id = b"x" * 16

    def __init__(self) -> None:
        self._connection = connection.current("auto")


def test_a_handle_knows_more_than_the_broker_and_less(session: Session) -> None:
    run: Any = Run()
    session.explained = explained(line(total=-1), ready=3)
    assert "10 of 20 done" in explain.told(run, 20)
    assert "10 done" in explain.told(run, -1)
    session.explained = Refused("unknown job", "not yet")
    assert explain.told(run, 20) == ""
    session.lost_at = 1.0
    before = len(session.asked)
    assert explain.told(run, 20) == ""
    assert len(session.asked) == before, "nobody is there to be asked"
