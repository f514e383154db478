"""The client's machine by itself: what it says to the broker, and what it tells the program."""

from __future__ import annotations

import pytest

from raisin_core import messages as m
from raisin_core.client import commands as c
from raisin_core.client.machine import LAST_WORDS, Client
from raisin_core.client.state import FIRST_CREDIT, Me
from raisin_core.peer import BlobThere, Connected, Disconnected, Exit, Received, Reconnect, Say, SendBlob, Tick
from tests.support import wire

JOB, OTHER = b"j" * 16, b"k" * 16
FUNCTION, BLOB, MORE = b"f" * 32, b"b" * 32, b"c" * 32
OPEN = m.Open(JOB, "map", "f", FUNCTION, m.Options())


def page(number: int, blobs: list[bytes] | None = None, last: bool = False) -> m.Page:
    return m.Page(JOB, number, number * 10, 10, blobs or [], last)


def result(arrival: int, reader: int = 1) -> m.Result:
    return m.Result(JOB, reader, arrival, arrival - 1, arrival, [], "den", "bob", run=1)


def progress(state: m.JobState, arrivals: int = 0) -> m.Progress:
    return m.Progress(JOB, state, 0, 0, 0, -1, arrivals)


class Desk:
    """A client, its clock, and what came out of it at the last event."""

    def __init__(self) -> None:
        self.now = 100.0
        self.client = Client(Me(b"c" * 16, "den", 7, "3.11", b"x" * 32, b"here"))

    def on(self, event: c.Event, seconds: float = 0.0) -> list[c.Command]:
        """Hand it an event, so many seconds after the last."""
        self.now += seconds
        out = self.client.handle(event, self.now)
        self.client.check()
        return out

    def hear(self, message: m.Message, payload: bytes = b"") -> list[c.Command]:
        return self.on(Received(*wire.passed(message, payload)))

    def tick(self, seconds: float) -> list[c.Command]:
        return self.on(Tick(), seconds)

    def welcome(self) -> list[c.Command]:
        self.on(Connected())
        return self.hear(m.Welcome(1, 5.0, 15.0))

    def again(self) -> list[m.Message]:
        """The connection is lost and another stands: what is said in the new session."""
        self.on(Disconnected())
        return said(self.welcome())

    def submit(self, blobs: list[bytes] | None = None) -> list[c.Command]:
        return self.on(c.Submit(m.Open(JOB, "map", "f", FUNCTION, m.Options(), blobs=blobs or []), b"function"))

    def add(self, *pages: m.Page) -> list[c.Command]:
        return [command for each in pages for command in self.on(c.AddPage(each, b"page"))]


def said(out: list[c.Command]) -> list[m.Message]:
    return [command.message for command in out if isinstance(command, Say)]


def others(out: list[c.Command]) -> list[c.Command]:
    return [command for command in out if not isinstance(command, Say)]


@pytest.fixture
def desk() -> Desk:
    """A client in a session."""
    desk = Desk()
    desk.tick(0.0)
    desk.welcome()
    return desk


# -- sessions --------------------------------------------------------------------------------------------------------


def test_hello_brings_the_context() -> None:
    (say,) = Desk().on(Connected())
    assert say == Say(m.Hello(b"c" * 16, "client", "den", 7, "3.11", 0, b"x" * 32), b"here")


def test_the_program_hears_of_the_session() -> None:
    assert others(Desk().welcome()) == [c.Greeted(1)]


def test_nothing_is_due_without_a_connection() -> None:
    desk = Desk()
    assert desk.client.next_deadline() is None
    desk.on(Connected())
    assert desk.client.next_deadline() == desk.now + 1.0


def test_heartbeats(desk: Desk) -> None:
    assert [said(desk.tick(1.0)) for _ in range(6)] == [[], [], [], [], [m.Beat()], []]


@pytest.mark.parametrize("greeted", [True, False])
def test_silence_is_answered_with_a_new_connection(greeted: bool) -> None:
    desk = Desk()
    desk.tick(0.0)
    desk.welcome() if greeted else desk.on(Connected())
    for _ in range(14):
        assert Reconnect() not in desk.tick(1.0)
    assert Reconnect() in desk.tick(1.0)
    assert desk.client.next_deadline() is None


def test_a_client_that_slept_takes_no_silence_amiss(desk: Desk) -> None:
    assert Reconnect() not in desk.tick(3600.0)


def test_a_deadline_is_never_behind_the_clock(desk: Desk) -> None:
    """The broker said farewell, and the connection still stands: there is no heartbeat to be late with."""
    for _ in range(9):
        desk.tick(1.0)
        desk.hear(m.BeatBack())
    desk.hear(m.Farewell())
    for _ in range(14):
        desk.tick(1.0)
        deadline = desk.client.next_deadline()
        assert deadline is not None
        assert deadline > desk.now


def test_who_are_you_is_answered_once(desk: Desk) -> None:
    assert [type(each) for each in said(desk.hear(m.WhoAreYou()))] == [m.Hello]
    assert said(desk.hear(m.WhoAreYou())) == []


def test_leaving(desk: Desk) -> None:
    assert desk.on(c.Leave()) == [Say(m.Goodbye()), Exit()]


# -- submitting ------------------------------------------------------------------------------------------------------


def test_pages_follow_the_function_without_waiting(desk: Desk) -> None:
    assert desk.submit() == [Say(OPEN, b"function")]
    assert desk.add(page(0), page(1)) == [Say(page(0), b"page"), Say(page(1), b"page")]
    assert said(desk.on(c.CloseJob(JOB, 20))) == [m.Close(JOB, 20)]


def test_credit_bounds_the_pages_on_their_way(desk: Desk) -> None:
    desk.submit()
    pages = [page(number) for number in range(FIRST_CREDIT + 5)]
    assert said(desk.add(*pages)) == pages[:FIRST_CREDIT]
    out = desk.hear(m.Stored(JOB, 2, FIRST_CREDIT + 2))
    assert said(out) == pages[FIRST_CREDIT : FIRST_CREDIT + 2]
    assert others(out) == [c.Accepted(JOB, 2, False)]
    assert said(desk.hear(m.Stored(JOB, 2, 3))) == []  # credit is cumulative
    assert said(desk.on(c.CloseJob(JOB, 1))) == []
    assert said(desk.hear(m.Stored(JOB, 3, 100)))[-1] == m.Close(JOB, 1)


def test_what_is_not_acknowledged_is_sent_again(desk: Desk) -> None:
    desk.submit()
    desk.add(page(0), page(1))
    desk.on(c.CloseJob(JOB, 20))
    assert desk.again() == [OPEN, page(0), page(1), m.Close(JOB, 20)]
    desk.hear(m.Stored(JOB, 1, 64))
    assert desk.again() == [m.Attach(JOB), page(1), m.Close(JOB, 20)]
    assert not desk.client.settled()
    assert others(desk.hear(m.Closed(JOB))) == [c.Accepted(JOB, 2, True)]
    assert desk.client.settled()
    assert desk.again() == [m.Attach(JOB)]


def test_a_last_page_closes_the_job(desk: Desk) -> None:
    desk.submit()
    assert said(desk.add(page(0), page(1, last=True))) == [page(0), page(1, last=True)]
    assert desk.again() == [OPEN, page(0), page(1, last=True)]
    desk.hear(m.Closed(JOB))
    assert desk.client.settled()


def test_what_happens_without_a_connection_is_said_when_there_is_one() -> None:
    desk = Desk()
    assert desk.submit() == []
    assert desk.add(page(0)) == []
    assert desk.on(c.Read(JOB, 1, "arrival", 0, 4)) == []
    assert said(desk.welcome()) == [OPEN, m.Follow(JOB, 1, "arrival", 0, 4), page(0)]


def test_blobs_go_before_what_needs_them(desk: Desk) -> None:
    assert desk.submit([BLOB]) == [SendBlob(BLOB)]
    assert desk.add(page(0), page(1, [MORE]), page(2)) == []
    assert desk.on(c.Read(JOB, 1, "arrival", 0, 4)) == []
    out = desk.on(BlobThere(BLOB))
    assert said(out)[1:] == [m.Follow(JOB, 1, "arrival", 0, 4), page(0)]
    assert others(out) == [SendBlob(MORE)]
    assert said(desk.on(BlobThere(MORE))) == [page(1, [MORE]), page(2)]


def test_a_blob_is_sent_once(desk: Desk) -> None:
    desk.submit([BLOB])
    desk.on(BlobThere(BLOB))
    assert desk.add(page(0, [BLOB])) == [Say(page(0, [BLOB]), b"page")]


def test_nothing_is_said_of_a_job_that_the_broker_cannot_know(desk: Desk) -> None:
    """Its function waits for a blob: reading, cancelling, another blob must not come before Open."""
    desk.submit([BLOB])
    desk.on(c.Read(JOB, 1, "arrival", 0, 4))
    desk.on(c.CancelJob(JOB))
    assert desk.again() == []
    assert said(desk.on(BlobThere(MORE))) == []
    opened, *rest = said(desk.on(BlobThere(BLOB)))
    assert isinstance(opened, m.Open)
    assert rest == [m.Cancel(JOB), m.Follow(JOB, 1, "arrival", 0, 4)]
    assert said(desk.on(BlobThere(BLOB))) == []


def test_an_ended_job_takes_no_more_pages(desk: Desk) -> None:
    desk.submit()
    desk.hear(m.Opened(JOB, 64))
    assert others(desk.hear(progress("cancelled"))) == [c.Stands(progress("cancelled"))]
    assert desk.add(page(0)) == []
    assert desk.client.settled()
    assert desk.again() == []


# -- what else is wanted of a job ------------------------------------------------------------------------------------


def test_a_job_is_watched_again_in_a_new_session(desk: Desk) -> None:
    """Nobody reads it: without this the program would wait for its end for ever."""
    desk.submit()
    desk.hear(m.Opened(JOB, 64))
    assert desk.again() == [m.Attach(JOB)]
    desk.hear(progress("done"))
    assert desk.again() == []


def test_attaching_to_what_is_known_is_said_again_until_it_is_answered(desk: Desk) -> None:
    """It has ended, so nobody would ask for it otherwise."""
    desk.submit()
    desk.hear(m.Opened(JOB, 64))
    desk.hear(progress("done"))
    assert said(desk.on(c.AttachTo(JOB))) == [m.Attach(JOB)]
    assert desk.again() == [m.Attach(JOB)]
    desk.hear(m.Described(JOB, "map", "f", [1]))
    assert desk.again() == []


def test_cancelling_is_said_again(desk: Desk) -> None:
    desk.submit()
    assert said(desk.on(c.CancelJob(JOB))) == [m.Cancel(JOB)]
    assert said(desk.on(c.CancelJob(JOB))) == []
    assert desk.again() == [OPEN, m.Cancel(JOB)]
    desk.hear(m.Opened(JOB, 64))
    assert desk.again() == [m.Attach(JOB), m.Cancel(JOB)]


@pytest.mark.parametrize(("keep", "expected"), [(False, [m.Forget(JOB)]), (True, [m.Forget(JOB, keep=True)])])
def test_forgetting(desk: Desk, keep: bool, expected: list[m.Message]) -> None:
    desk.submit()
    assert said(desk.on(c.ForgetJob(JOB, keep))) == expected
    assert desk.again() == expected
    assert desk.hear(m.Stored(JOB, 1, 64)) == []


def test_last_words_are_said_again(desk: Desk) -> None:
    """The line was down, or went down, when the handle was dropped: else the job would run for nobody."""
    desk.submit()
    desk.on(Disconnected())
    desk.on(c.CancelJob(JOB))
    desk.on(c.ForgetJob(JOB))
    assert said(desk.welcome()) == [m.Cancel(JOB), m.Forget(JOB)]
    assert desk.again() == [m.Cancel(JOB), m.Forget(JOB)]
    desk.on(c.AttachTo(JOB))
    assert desk.again() == [m.Attach(JOB)]


def test_last_words_do_not_pile_up(desk: Desk) -> None:
    for number in range(LAST_WORDS + 3):
        key = number.to_bytes(16, "big")
        desk.on(c.AttachTo(key))
        desk.on(c.ForgetJob(key))
    assert next(each.job for each in desk.again() if isinstance(each, m.Forget)) == (3).to_bytes(16, "big")


def test_attaching(desk: Desk) -> None:
    assert said(desk.on(c.AttachTo(JOB))) == [m.Attach(JOB)]
    assert others(desk.hear(m.Described(JOB, "scan", "f", [2, 3]))) == [c.Describes(JOB, "scan", "f", [2, 3])]
    assert said(desk.on(c.Read(JOB, 1, "window", 0, 4))) == [m.Follow(JOB, 1, "window", 0, 4)]
    assert desk.again() == [m.Attach(JOB), m.Follow(JOB, 1, "window", 0, 4)]


def test_a_job_that_is_refused(desk: Desk) -> None:
    desk.on(c.AttachTo(JOB))
    refused = m.Refused("unknown job", "no job", JOB)
    assert others(desk.hear(refused)) == [c.Failed(JOB, "unknown job", "no job")]
    assert desk.hear(m.Refused("unknown job", "no job", OTHER)) == []
    assert desk.hear(m.Refused("replaced", "newer", fatal=True)) == []
    assert others(desk.hear(m.Refused("member", "out", fatal=True))) == [c.Failed(b"", "member", "out")]


def test_arguments_are_asked_for_until_they_come(desk: Desk) -> None:
    desk.on(c.AttachTo(JOB))
    assert said(desk.on(c.FetchArguments(JOB, 12))) == [m.Fetch(JOB, 12)]
    assert desk.again() == [m.Attach(JOB), m.Fetch(JOB, 12)]
    argument = m.Argument(JOB, 1, 10, 10)
    assert desk.hear(argument, b"page") == [c.DeliverArguments(argument, b"page")]
    assert desk.again() == [m.Attach(JOB)]


def test_what_tasks_print(desk: Desk) -> None:
    assert desk.hear(m.Printed(JOB, 3, "den"), b"hello") == [c.Printed(JOB, 3, "den", b"hello")]


# -- reading ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def reading(desk: Desk) -> Desk:
    """A job with a reader by arrival."""
    desk.submit()
    desk.hear(m.Opened(JOB, 64))
    assert said(desk.on(c.Read(JOB, 1, "arrival", 0, 4))) == [m.Follow(JOB, 1, "arrival", 0, 4)]
    return desk


def test_each_result_page_is_delivered_once(reading: Desk) -> None:
    assert reading.hear(result(1), b"r") == [c.Deliver(result(1), b"r")]
    assert reading.hear(result(1), b"r") == []
    assert reading.hear(result(2), b"r") == [c.Deliver(result(2), b"r")]
    assert reading.hear(result(2, reader=9), b"r") == []


def test_reading_goes_on_where_it_was(reading: Desk) -> None:
    for arrival in (1, 2, 3):
        reading.hear(result(arrival))
    assert said(reading.on(c.Read(JOB, 1, "arrival", 0, 8))) == [m.Follow(JOB, 1, "arrival", 0, 8)]
    assert reading.again() == [m.Attach(JOB), m.Follow(JOB, 1, "arrival", 3, 8, seen=3, run=1)]


def test_reading_goes_on_before_a_gap(reading: Desk) -> None:
    for arrival in (2, 4):
        reading.hear(result(arrival))
    assert reading.again()[-1] == m.Follow(JOB, 1, "arrival", 0, 4, seen=4, run=1)
    reading.hear(result(1))
    assert reading.again()[-1] == m.Follow(JOB, 1, "arrival", 2, 4, seen=4, run=1)


def test_a_window_goes_on_where_the_program_is(reading: Desk) -> None:
    reading.on(c.StopReading(JOB, 1))
    reading.on(c.Read(JOB, 2, "window", 0, 10))
    reading.hear(result(3, reader=2))
    reading.on(c.Read(JOB, 2, "window", 5, 15))
    assert reading.again() == [m.Attach(JOB), m.Follow(JOB, 2, "window", 5, 15, seen=3, run=1)]
    assert reading.hear(result(3, reader=2)) == []


def test_a_reader_that_stops(reading: Desk) -> None:
    assert said(reading.on(c.StopReading(JOB, 1))) == [m.Unfollow(JOB, 1)]
    assert reading.hear(result(1)) == []
    assert said(reading.on(c.StopReading(JOB, 1))) == []
    assert reading.again() == [m.Attach(JOB)]


def test_what_releases_a_job_is_said_again_in_a_new_session() -> None:
    desk = Desk()
    desk.welcome()
    desk.submit()
    assert said(desk.on(c.ReleaseJob(JOB))) == [m.Release(JOB)]
    assert said(desk.on(c.ReleaseJob(JOB))) == []
    desk.hear(m.Opened(JOB, 16))
    assert m.Release(JOB) in desk.again()
