"""A client's program: one job after the other until the file `enough` is there, each read twice.

    python -m tests.soak.client NAME FOLDER ADDRESS BROKER_KEY KEY_FILE WITNESS

It may be killed at any time and started again. What it was doing stands in `FOLDER/state`: the job's label and id, and
whether the broker has acknowledged all of it (`fed`). A job that was not is half made if its feeder died: it is
cancelled, and begun anew under another label. One that was fed must be known to the broker, with its end, for ever.
`FOLDER/results-NUMBER` has the outcomes of a job that is over, `FOLDER/progress` a line (time, results of this job so
far) whenever results came, `FOLDER/notes` what a person should know.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import raisin
from raisin_core import stdin_life
from raisin_core.client.handles import Handle
from tests.soak import files, workload

NOTE_SECONDS: Final = 0.05
SAVED_EVERY: Final = 3


class Client:
    """What one client does."""

    def __init__(self, name: str, folder: Path, witness: str) -> None:
        self.name, self.folder, self.witness = name, folder, witness
        self.state_file = folder / "state"
        self._noted = 0.0

    def run(self) -> None:
        """Work until it is enough."""
        number = len(list(self.folder.glob("results-*[0-9]")))
        while not (self.folder / "enough").exists():
            self.do(number)
            number += 1

    def do(self, number: int) -> None:
        """One job, from wherever it stands to its end."""
        work = workload.work(number)
        state = files.read(self.state_file)
        handle = self._take_up(state) if state and state["number"] == number else None
        attached = handle is not None
        if handle is None:
            state = {"number": number, "label": f"{self.name}-{number}-{os.getpid()}", "fed": False}
            handle = self._begin(work, state)
        state["fed"] = state["fed"] or attached
        readings = [by_arrival, in_order] if number // len(workload.ROUND) % 2 else [in_order, by_arrival]
        first, second = (self._read(reading(handle), handle, state) for reading in readings)
        files.write(
            self.folder / f"results-{number}",
            {
                **state,
                **work._asdict(),
                "attached": attached,
                "kept": attached or number % SAVED_EVERY == 0,
                "first": first,
                "second": second,
            },
        )

    def _begin(self, work: workload.Work, state: dict[str, Any]) -> Handle:
        kwargs = {"kind": work.kind, "label": state["label"], "witness": self.witness}
        save = state["number"] % SAVED_EVERY == 0
        elements = workload.elements(work)
        where = workload.where(work)
        handle = raisin.Map(workload.task, elements, kwargs=kwargs, name=state["label"], save=save, where=where).start()
        state["id"] = handle.id
        files.write(self.state_file, state)
        return handle

    def _take_up(self, state: dict[str, Any]) -> Handle | None:
        """The job that a former life began; None if it got nowhere or is half made."""
        while True:
            try:
                handle = raisin.attach(state["id"])
                break
            except raisin.BrokerUnreachable as error:
                self.note(f"attach: {error}")
            except raisin.UnknownJob:
                if state["fed"]:
                    raise
                self.note(f"{state['label']} had not reached the broker")
                return None
        if handle.progress().total < 0 and handle.progress().state == "running":
            if state["fed"]:
                raise AssertionError(f"{state['label']} was acknowledged whole, and has lost its end")
            self.note(f"{state['label']} is half made: cancelled")
            handle.cancel()
        if handle.progress().state == "cancelled":
            return None
        self.note(f"{state['label']} taken up")
        return handle

    def _read(
        self, outcomes: Iterator[tuple[int, workload.Outcome]], handle: Handle, state: dict[str, Any]
    ) -> list[tuple[int, workload.Outcome]]:
        got = []
        for index, outcome in outcomes:
            got.append((index, outcome))
            if time.time() - self._noted > NOTE_SECONDS:
                self._noted = time.time()
                files.append(self.folder / "progress", f"{self._noted:.3f} {len(got)}")
                self._note_fed(handle, state)
        return got

    def _note_fed(self, handle: Handle, state: dict[str, Any]) -> None:
        if not state["fed"] and handle._run.job.closed:  # type: ignore[union-attr]
            state["fed"] = True
            files.write(self.state_file, state)

    def note(self, text: str) -> None:
        files.append(self.folder / "notes", f"{time.time():.3f} {text}")


def by_arrival(handle: Handle) -> Iterator[tuple[int, workload.Outcome]]:
    """All outcomes as they come."""
    for record in handle.get_all():
        yield record["index"], outcome(record.get("res"), record["error"], record["stdout"])


def in_order(handle: Handle) -> Iterator[tuple[int, workload.Outcome]]:
    """All outcomes in the order of tasks (where nobody tells what was printed)."""
    values, index = iter(handle), 0
    while True:
        try:
            found = outcome(next(values), None, None)
        except StopIteration:
            return
        except (ValueError, raisin.TaskError) as error:
            found = outcome(None, error, None)
        yield index, found
        index += 1


def outcome(value: Any, error: BaseException | None, printed: str | None) -> workload.Outcome:
    """As `workload.serial` has it."""
    if error is not None:
        return ["error", type(error).__name__, str(error), printed]
    return ["value", workload.plain(value), printed]


def connect(client: Client, address: str, broker_key: str, key_file: str) -> None:
    """Connect, however long that takes: a person would try again, too."""
    while True:
        try:
            raisin.connect(address, broker_key=broker_key, key_file=key_file)
            return
        except (raisin.BrokerUnreachable, raisin.WrongBrokerKey) as error:
            client.note(f"{type(error).__name__}: {error}")


def main(name: str, folder: str, address: str, broker_key: str, key_file: str, witness: str) -> None:
    faulthandler.register(signal.SIGUSR1)
    stdin_life.end_with_stdin()
    client = Client(name, Path(folder), witness)
    connect(client, address, broker_key, key_file)
    client.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
