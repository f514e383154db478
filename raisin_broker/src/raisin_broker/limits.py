"""What one member may have, so that the others get theirs: how often it may come, and how much of a turn is its.

Rules of this file: pure; time comes in. What is remembered of a key goes when it says nothing any more.
"""

from __future__ import annotations

from typing import Final

MOST_KEYS: Final = 4096
SHARE_SECONDS: Final = 0.004
"""So much of a turn's time is one member's; with it the turn ends. libzmq takes from all connections in rotation, so
the others had as much, or had no more to say."""
SHARE_MALFORMED: Final = 16
"""As many messages that are none: reading them brings nobody anything, so the turn ends sooner."""


class Rate:
    """For each key so many at once, and so many a second.

    >>> rate = Rate(2, each_second=1.0)
    >>> [rate.admits("zoe", 10.0), rate.admits("zoe", 10.0), rate.admits("zoe", 10.0), rate.admits("zoe", 11.0)]
    [True, True, False, True]
    """

    def __init__(self, burst: int, each_second: float) -> None:
        self._burst, self._each_second = float(burst), each_second
        self._left: dict[str | bytes, tuple[float, float]] = {}

    def admits(self, key: str | bytes, now: float) -> bool:
        """Whether this key may once more, at the time `now` (in seconds); then it has one less left."""
        left = self._now_left(key, now)
        self._left[key] = (left - 1.0 if left >= 1.0 else left), now
        if len(self._left) > MOST_KEYS:
            self._tidy(now)
        return left >= 1.0

    def _now_left(self, key: str | bytes, now: float) -> float:
        left, since = self._left.get(key, (self._burst, now))
        return min(self._burst, left + max(0.0, now - since) * self._each_second)

    def _tidy(self, now: float) -> None:
        """Those that have all of theirs again need not be remembered; if that does not suffice, nor do the oldest."""
        kept = [(key, each) for key, each in self._left.items() if self._now_left(key, now) < self._burst]
        kept.sort(key=lambda entry: entry[1][1])
        self._left = dict(kept[-MOST_KEYS // 2 :])


class Shares:
    """How much of a turn each member has had."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._malformed: dict[str, int] = {}

    def begin(self) -> None:
        """A turn begins."""
        self._seconds.clear()
        self._malformed.clear()

    def note(self, key: str, seconds: float, malformed: int) -> bool:
        """A message of this member took so long, so much in it was none; whether the turn must end."""
        taken = self._seconds[key] = self._seconds.get(key, 0.0) + seconds
        if malformed:
            self._malformed[key] = self._malformed.get(key, 0) + malformed
        return taken > SHARE_SECONDS or self._malformed.get(key, 0) >= SHARE_MALFORMED
