"""Who gets how many tasks, and what is taken back."""

from __future__ import annotations

import pytest

from raisin_broker import scheduler
from raisin_broker.records import JobOpened, Tried
from raisin_broker.state import Job, Lease, Session, State
from raisin_core.messages import LeaseId, Options

FUNCTION = b"f" * 32
SLOW, FAST = 0.5, 0.001


class Board:
    """A state to be filled in."""

    def __init__(self) -> None:
        self.state = State()
        self._leases = 0

    def worker(self, name: str, slots: int = 1, pace: float | None = None, environment: str = "") -> Session:
        session = Session(
            route=name.encode(),
            key=name,
            member=name,
            instance=name.encode(),
            role="worker",
            host=name,
            environment=environment,
            slots=slots,
            context=b"",
            heard=0.0,
        )
        if pace is not None:
            session.pace[FUNCTION] = pace
        self.state.sessions[session.route] = self.state.instances[session.instance] = session
        return session

    def job(self, tasks: int, closed: bool = True, name: str = "j", context: bytes = b"", **options: object) -> Job:
        asked = Options(**options)  # type: ignore[arg-type]
        key = name.encode()
        job = Job(JobOpened(key, "", "", b"", "map", name, FUNCTION, b"", [], asked, context, [], 0.0))
        job.context = context
        job.add_page(tasks, [], 0.0)
        job.ready.add(0, tasks)
        job.total = tasks if closed else None
        self.state.jobs[key] = self.state.active[key] = job
        return job

    def lease(self, session: Session, job: Job, start: int, stop: int, touched: float = 0.0) -> Lease:
        self._leases += 1
        lease = Lease(LeaseId(1, self._leases), job.id, start, stop, session.route, touched)
        job.ready.remove(start, stop)
        job.picky.pop(start, None)
        self.state.add_lease(job, session, lease)
        return lease

    def tried(self, job: Job, index: int, kind: str, *places: str) -> None:
        """A task that is to be tried again, and where it has been."""
        job.ready.remove(index, index + 1)
        job.picky[index] = None
        job.tried[index] = [Tried(job.id, index, place, kind, place, place, "") for place in places]

    def granted(self) -> tuple[str, str, tuple[int, int]] | None:
        self.state.check()
        grant = scheduler.next_grant(self.state)
        return None if grant is None else (grant.session.host, grant.job.opened.name, grant.tasks)

    def size(self) -> int:
        granted = self.granted()
        return 0 if granted is None else granted[2][1] - granted[2][0]


@pytest.fixture
def board() -> Board:
    return Board()


# -- how many --------------------------------------------------------------------------------------------------------


def test_one_task_first_to_learn_the_pace(board: Board) -> None:
    board.worker("bob")
    board.job(1000)
    assert board.granted() == ("bob", "j", (0, 1))


def test_then_as_many_as_take_100_ms(board: Board) -> None:
    board.worker("bob", pace=FAST)
    board.job(1000, closed=False)
    assert board.size() == 100


def test_a_slow_function_goes_one_by_one(board: Board) -> None:
    board.worker("bob", pace=SLOW)
    board.job(1000)
    assert board.size() == 1


def test_no_lease_is_endless(board: Board) -> None:
    board.worker("bob", pace=0.0)
    board.job(10**7, closed=False)
    assert board.size() == scheduler.MAX_TASKS


def test_pieces_shrink_towards_the_end_of_a_closed_job(board: Board) -> None:
    bob = board.worker("bob", pace=FAST)
    board.worker("cleo", slots=3, pace=FAST)
    job = board.job(160)
    assert board.size() == 20  # an eighth: twice the slots
    board.lease(bob, job, 0, 80)
    assert board.size() == 10


def test_but_not_below_what_pays(board: Board) -> None:
    board.worker("bob", pace=1e-6)
    board.job(1000)
    assert board.size() == 1000
    board.state.jobs[b"j"].ready.add(1000, 100_000)
    board.state.jobs[b"j"].pages.tasks = 100_000
    assert board.size() == 50_000


@pytest.mark.parametrize("pace", [None, SLOW, 0.0])
def test_chunksize_is_taken_literally(board: Board, pace: float | None) -> None:
    board.worker("bob", pace=pace)
    board.job(100, chunksize=7)
    assert board.size() == 7


def test_a_lease_ends_where_what_is_ready_ends(board: Board) -> None:
    bob = board.worker("bob", slots=2, pace=FAST)
    job = board.job(100, chunksize=50)
    board.lease(bob, job, 30, 100)
    assert board.granted() == ("bob", "j", (0, 30))


# -- to whom ---------------------------------------------------------------------------------------------------------


def test_two_leases_are_there_for_a_slot_if_they_are_short(board: Board) -> None:
    bob = board.worker("bob", pace=FAST)
    job = board.job(1000, closed=False)
    board.lease(bob, job, 0, 100)
    assert board.size() == 100
    board.lease(bob, job, 100, 200)
    assert board.granted() is None


@pytest.mark.parametrize("pace", [None, SLOW])
def test_nothing_is_queued_before_the_pace_is_known_or_if_it_is_slow(board: Board, pace: float | None) -> None:
    bob = board.worker("bob", pace=pace)
    board.lease(bob, board.job(10), 0, 1)
    assert board.granted() is None


def test_the_least_loaded_worker_is_first(board: Board) -> None:
    bob, cleo = board.worker("bob", slots=2), board.worker("cleo", slots=4)
    job = board.job(10)
    board.lease(bob, job, 0, 1)
    board.lease(cleo, job, 1, 2)
    assert board.granted() == ("cleo", "j", (2, 3))


def test_the_job_with_the_least_running_is_first(board: Board) -> None:
    bob = board.worker("bob", slots=4)
    board.lease(bob, board.job(10, name="j"), 0, 1)
    board.job(10, name="k")
    assert board.granted() == ("bob", "k", (0, 1))


def test_where(board: Board) -> None:
    bob = board.worker("bob")
    board.job(10, where=["cleo"])
    assert board.granted() is None
    board.worker("cleo")
    assert board.granted() == ("cleo", "j", (0, 1))
    assert not scheduler.admits(bob, board.state.jobs[b"j"])


def test_a_job_waits_for_its_context(board: Board) -> None:
    board.worker("bob")
    board.job(10, context=b"c" * 32)
    assert board.granted() is None
    board.state.contexts[b"c" * 32] = b""
    assert board.granted() is not None


@pytest.mark.parametrize("why", ["suspect", "draining"])
def test_who_is_going_gets_nothing(board: Board, why: str) -> None:
    setattr(board.worker("bob"), why, True)
    board.job(10)
    assert board.granted() is None


# -- after a failure -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["raised", "crash", "timeout", "unfit"])
def test_a_task_that_failed_goes_elsewhere(board: Board, kind: str) -> None:
    board.worker("bob")
    job = board.job(1)
    board.tried(job, 0, kind, "bob")
    board.worker("cleo")
    assert board.granted() == ("cleo", "j", (0, 1))


@pytest.mark.parametrize(("kind", "again"), [("raised", True), ("crash", True), ("timeout", True), ("unfit", False)])
def test_where_there_is_no_other_place(board: Board, kind: str, again: bool) -> None:
    board.worker("bob")
    job = board.job(1)
    board.tried(job, 0, kind, "bob")
    assert (board.granted() is not None) == again
    assert scheduler.someone_fits(board.state, job, 0) == again


def test_two_workers_with_one_environment_are_one_place(board: Board) -> None:
    board.worker("bob", environment="3.11").host = "den"
    other = board.worker("cleo", environment="3.12")
    other.host = "den"
    job = board.job(1)
    board.tried(job, 0, "unfit", "den 3.11")
    assert board.granted() == ("den", "j", (0, 1))
    assert scheduler.fits(board.state, other, job, 0)
    board.tried(job, 0, "unfit", "den 3.11", "den 3.12")
    assert board.granted() is None


def test_a_silent_worker_may_still_be_the_one_that_fits(board: Board) -> None:
    board.worker("bob")
    cleo = board.worker("cleo")
    cleo.suspect = True
    job = board.job(1)
    board.tried(job, 0, "unfit", "bob")
    assert board.granted() is None
    assert scheduler.someone_fits(board.state, job, 0)
    cleo.draining = True
    assert not scheduler.someone_fits(board.state, job, 0)


def test_a_place_that_could_not_run_some_gets_no_others_while_there_is_another_place(board: Board) -> None:
    board.worker("bob")
    board.job(10).shunned.add("bob")
    assert board.granted() == ("bob", "j", (0, 1))
    cleo = board.worker("cleo")
    assert board.granted() == ("cleo", "j", (0, 1))
    board.lease(cleo, board.state.jobs[b"j"], 0, 1)
    assert board.granted() is None


# -- taking back -----------------------------------------------------------------------------------------------------


def test_half_of_what_runs_long_is_taken_for_an_idle_slot(board: Board) -> None:
    lease = board.lease(board.worker("bob"), board.job(9), 0, 9)
    board.worker("cleo")
    assert scheduler.next_trim(board.state, 0.19) is None
    assert scheduler.next_trim(board.state, 0.21) == (lease, 5)


def test_what_is_queued_goes_first_and_whole(board: Board) -> None:
    bob, job = board.worker("bob"), board.job(100)
    board.lease(bob, job, 0, 90)
    queued = board.lease(bob, job, 90, 100, touched=0.4)
    board.worker("cleo")
    queued.touched = 0.0
    board.state.jobs[b"j"].leases[queued.id].stop = 100
    trims = []
    while (trim := scheduler.next_trim(board.state, 1.0)) is not None:
        trim[0].trimming = True
        trims.append(trim[1])
    assert sorted(trims) == [45, 90]


def test_nothing_is_taken_while_something_waits_or_nobody_is_idle(board: Board) -> None:
    bob, job = board.worker("bob"), board.job(10)
    board.lease(bob, job, 0, 9)
    cleo = board.worker("cleo")
    assert scheduler.next_trim(board.state, 9.0) is None  # task 9 waits
    board.lease(cleo, job, 9, 10)
    assert scheduler.next_trim(board.state, 9.0) is None  # nobody is idle


def test_one_task_cannot_be_halved_and_nobody_is_asked_twice(board: Board) -> None:
    bob, job = board.worker("bob", slots=2), board.job(9)
    board.lease(bob, job, 0, 1)
    asked = board.lease(bob, job, 1, 9)
    asked.trimming = True
    board.worker("cleo")
    assert scheduler.next_trim(board.state, 9.0) is None
    asked.trimming = False
    bob.suspect = True
    assert scheduler.next_trim(board.state, 9.0) is None
