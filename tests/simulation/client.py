"""The client's shell in the simulation: carries out the machine's commands as `raisin_core.client.session` does."""

from __future__ import annotations

from collections.abc import Callable

from raisin_core.client import commands as c
from raisin_core.client.machine import Client
from raisin_core.client.state import Me
from raisin_core.peer import BlobThere, Connected, Disconnected, Received, Reconnect, Say, SendBlob, Tick
from tests.simulation.blobs import Bulk
from tests.simulation.host import Host
from tests.simulation.ledger import Wrong
from tests.simulation.network import Link, Listening
from tests.simulation.plan import JobPlan
from tests.simulation.submission import Submission
from tests.simulation.watch import watch_client
from tests.simulation.world import World
from tests.support import wire


class ClientHost(Host):
    """A machine where programs run; when its process is killed, another one attaches to the jobs that are left, unless
    it is `gone` for good."""

    def __init__(
        self,
        world: World,
        name: str,
        broker: Callable[[], Listening],
        jobs: list[Submission],
        planned: Callable[[JobPlan], None],
    ) -> None:
        super().__init__(world, name)
        self._instance = b""
        self._planned = planned
        self._broker = broker
        self._jobs = {job.plan.id: job for job in jobs}
        self.started: set[bytes] = set()
        self.boot()
        for job in jobs:
            world.after(world.random.uniform(0.1, 200.0), lambda job=job: self._start(job))  # type: ignore[misc]

    @property
    def jobs(self) -> list[Submission]:
        """What its programs submit or look at; of one that is gone for good, what it had begun."""
        return [job for key, job in self._jobs.items() if key in self.started or not self.gone]

    def boot(self) -> None:
        """A new instance."""
        self.begin()
        before = [self._instance] if self._instance and self.world.chance(0.7) else []
        self._instance = self.world.bytes16()
        self.machine = Client(Me(self._instance, self.name, 1, before=before))
        self._inbox: list[c.Event] = []
        self.bulk = Bulk(self)
        self.link = Link(self.world, self, self._broker, self.key)
        for key, job in list(self._jobs.items()):
            if key in self.started and not job.over and not self.gone:
                if job.may_run_again and self.world.chance(0.6):
                    self._run_again(job)
                else:
                    job.resume(self._poster())
        self.poke()

    def _run_again(self, job: Submission) -> None:
        """The program is started again, and submits all of it as another job with the same key."""
        del self._jobs[job.plan.id]
        job.plan = job.plan.again(self.world)
        self.world.note(self.name, f"runs its program again, as job {job.plan.id.hex()[:6]}")
        self._planned(job.plan)
        self._jobs[job.plan.id] = job
        self.started.add(job.plan.id)
        job.start(self._poster())

    def restart(self) -> None:
        """Come back, if it is gone."""
        if not self.alive:
            self.world.note(self.name, "restarts")
            self.boot()

    def die(self) -> None:
        super().die()
        self.link.shut()
        for job in self._jobs.values():
            job.halt()

    def forget(self) -> None:
        """All handles are dropped, also those of processes before this one; for who is gone, somebody cleans up."""
        if self.gone and not self.removed:
            self.restart()
        for key in self._jobs:
            if key not in self.machine.jobs:
                self.post(c.AttachTo(key))
            self.post(c.CancelJob(key), c.ForgetJob(key))

    def post(self, *events: c.Event) -> None:
        """Hand events to the machine."""
        if self.alive:
            self._inbox += events
            self.poke(0.0001)

    def connected(self) -> None:
        self.post(Connected())
        self.bulk.restart()

    def disconnected(self) -> None:
        self.post(Disconnected())

    def receive(self, frames: list[bytes]) -> None:
        self.post(Received(*wire.opened(frames)))

    def turn(self) -> None:
        inbox, self._inbox = self._inbox, []
        for event in inbox:
            self._handle(event)
        self._handle(Tick())
        if inbox:
            self.machine.check()

    def next_deadline(self) -> float | None:
        return self.machine.next_deadline()

    def _start(self, job: Submission) -> None:
        if self.gone:
            return
        if self.alive and self.awake:
            self.started.add(job.plan.id)
            job.start(self._poster())
        else:
            self.world.after(1.0, lambda: self._start(job))

    def _poster(self) -> Callable[..., None]:
        """`post`, as long as this process lives."""
        machine = self.machine
        return lambda *events: self.post(*events) if self.machine is machine else None

    def _handle(self, event: c.Event) -> None:
        if isinstance(event, Received):
            watch_client(self.world.seen, self.machine, event.message)
        commands = self.machine.handle(event, self.clock)
        for command in commands:
            self.may_crash()
            self._carry_out(command)

    def _carry_out(self, command: c.Command) -> None:
        match command:
            case Say():
                self.link.send(command.message, command.payload)
            case c.Deliver():
                self._jobs[command.message.job].on_result(command.message, command.payload)
            case c.Accepted():
                self._jobs[command.job].on_accepted(command)
            case c.Stands():
                self._jobs[command.progress.job].on_progress(command.progress)
            case c.Failed():
                if not command.job and command.code == "member" and self.removed:
                    return
                if not command.job:
                    raise Wrong(f"refused: {command}")
                self._jobs[command.job].on_failed(command)
            case c.Adopt():
                self._handle(c.Holds(int(command.book), command.book))
            case SendBlob():
                self.bulk.send(command.digest, lambda: self.post(BlobThere(command.digest)))
            case Reconnect():
                self.world.note(self.name, "hears nothing: connects anew")
                self.link.reset()
            case _:
                pass  # descriptions, greetings: nobody here is interested
