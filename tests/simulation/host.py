"""A process: it takes turns, may sleep without knowing it, has clocks of its own, and may end at any command."""

from __future__ import annotations

from collections.abc import Callable

from tests.simulation.world import EPOCH, Crash, World

NEVER = float("inf")


class Host:
    """Takes a turn whenever something has happened or its deadline has come.

    `clock` is monotonic, begins anywhere, and on some machines stands still behind a closed lid; `wall` is wrong by
    `wall_error`, which may change at any time. It connects with its `key`; once that is `removed` from the roster it
    must come back with another one, unless it is `gone` for good.
    """

    patience = 1.0

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.key, self.removed, self.gone = name, False, False
        self.alive = True
        self.asleep_until = 0.0
        self.fragile = 0.0
        self.wall_error = 0.0
        self._offset = world.random.uniform(10.0, 1000.0)
        self._stands_still = world.chance(0.5)
        self._due = NEVER

    @property
    def clock(self) -> float:
        """Its monotonic clock."""
        return self.world.now + self._offset

    @property
    def wall(self) -> float:
        """Its wall clock."""
        return EPOCH + self.world.now + self.wall_error

    @property
    def awake(self) -> bool:
        return self.world.now >= self.asleep_until

    def turn(self) -> None:
        """Handle what has happened."""
        raise AssertionError("every host has its own turn")

    def next_deadline(self) -> float | None:
        """On its own clock."""
        raise AssertionError("every host has its own deadline")

    def rejoin(self) -> None:
        """It is a member again, with a new key and a new process."""
        name, _, number = self.key.partition("/")
        self.key, self.removed = f"{name}/{int(number or 1) + 1}", False
        if self.alive:
            self.die()

    def die(self) -> None:
        """End without a word."""
        self.alive = False

    def poke(self, delay: float = 0.0) -> None:
        """Something has happened: take a turn soon."""
        due = max(self.world.now + delay, self.asleep_until)
        if self.alive and due < self._due:
            self._due = due
            self.world.after(due - self.world.now, lambda: self._on_due(due))

    def sleep(self, seconds: float) -> None:
        """Stop for a while, like a laptop whose lid is closed."""
        self.world.note(self.name, f"sleeps for {seconds:.1f} s")
        before = max(self.asleep_until, self.world.now)
        self.freeze(seconds)
        self._pause_clock(self.asleep_until - before)

    def freeze(self, seconds: float) -> None:
        """Stop for a while, like a process after SIGSTOP: its clocks go on."""
        self.asleep_until = max(self.asleep_until, self.world.now + seconds)

    def begin(self) -> None:
        """A new process; if somebody opened the lid for it, the clock goes on from there."""
        self._pause_clock(min(0.0, self.world.now - self.asleep_until))
        self.alive, self.asleep_until = True, 0.0

    def _pause_clock(self, seconds: float) -> None:
        if self._stands_still:
            self._offset -= seconds

    def may_crash(self) -> None:
        """Called before each command."""
        if self.fragile and self.world.harmful and self.world.chance(self.fragile):
            raise Crash

    def later(self, delay: float, call: Callable[[], None]) -> None:
        """Do something after a while, unless it is dead by then; what falls into its sleep happens at its end."""

        def now_or_awake() -> None:
            if not self.alive:
                return
            if not self.awake:
                self.world.after(self.asleep_until - self.world.now, now_or_awake)
            else:
                call()

        self.world.after(delay, now_or_awake)

    def _on_due(self, due: float) -> None:
        if due != self._due:
            return
        self._due = NEVER
        if not self.alive:
            return
        if not self.awake:
            self.poke()
            return
        try:
            self.turn()
        except Crash:
            self.world.note(self.name, "crashes")
            self.die()
        if self.alive:
            deadline = self.next_deadline()
            wait = self.patience if deadline is None else max(0.0, deadline - self.clock) + 0.0005
            self.poke(min(self.patience, wait))
