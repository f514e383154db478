"""A process: it takes turns, may sleep without knowing it, and may end at any command."""

from __future__ import annotations

from collections.abc import Callable

from tests.simulation.world import Crash, World

NEVER = float("inf")


class Host:
    """Takes a turn whenever something has happened or its deadline has come. `clock` begins anywhere."""

    patience = 1.0

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.alive = True
        self.asleep_until = 0.0
        self.fragile = 0.0
        self._offset = world.random.uniform(10.0, 1000.0)
        self._due = NEVER

    @property
    def clock(self) -> float:
        """Its monotonic clock."""
        return self.world.now + self._offset

    def turn(self) -> None:
        """Handle what has happened."""
        raise AssertionError("every host has its own turn")

    def next_deadline(self) -> float | None:
        """On its own clock."""
        raise AssertionError("every host has its own deadline")

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
        self.asleep_until = max(self.asleep_until, self.world.now + seconds)

    def may_crash(self) -> None:
        """Called before each command."""
        if self.fragile and self.world.harmful and self.world.chance(self.fragile):
            raise Crash

    def later(self, delay: float, call: Callable[[], None]) -> None:
        """Do something after a while, unless it is dead by then; what falls into its sleep happens at its end."""

        def now_or_awake() -> None:
            if not self.alive:
                return
            if self.world.now < self.asleep_until:
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
        if self.world.now < self.asleep_until:
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
