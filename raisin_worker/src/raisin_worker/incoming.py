"""What a task process says, as events; nothing that it says is believed before it is checked.

Rules of this file: no I/O; a process that breaks the rules is a FrameError, and whoever reads it ends the process.
"""

from __future__ import annotations

import math
from typing import Annotated

import msgspec

from raisin_core import pages
from raisin_worker import frames
from raisin_worker.events import Outcome, RangeEnded, Ready, SlotEvent, Wrote
from raisin_worker.frames import Frame, FrameError

MAX_TEXT = 1024 * 1024

Text = Annotated[str, msgspec.Meta(max_length=frames.MAX_REASON)]
Hex = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class About(msgspec.Struct):
    """What an outcome says besides its payload; `unfit` names reasons by their place in `reasons`."""

    failed: Annotated[list[int], msgspec.Meta(max_length=pages.TASKS)]
    unfit: Annotated[list[tuple[int, int]], msgspec.Meta(max_length=pages.TASKS)]
    reasons: Annotated[list[Text], msgspec.Meta(max_length=pages.TASKS)]
    blobs: Annotated[list[Hex], msgspec.Meta(max_length=pages.TASKS + 1)]
    opaque: bool = False


_about = msgspec.json.Decoder(About)


class Incoming:
    """The conversation's state: which range runs and how much of it was reported."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.range: tuple[int, int] | None = None
        self.reported = 0

    def begin(self, start: int, stop: int) -> None:
        """The process was given `[start, stop)`."""
        self.range, self.reported = (start, stop), start

    def take(self, frame: Frame) -> SlotEvent:
        """One frame as an event. Raises FrameError."""
        if frame.kind == frames.READY:
            if frame.a != frames.VERSION:
                raise FrameError(f"its raisin_worker speaks version {frame.a}, the agent's {frames.VERSION}")
            return Ready(self.slot)
        if self.range is None:
            raise FrameError(f"a frame of kind {frame.kind} while nothing runs")
        if frame.kind == frames.OUTCOME:
            return self._outcome(frame)
        if frame.kind == frames.ENDED:
            if frame.a != self.reported:
                raise FrameError(f"a range that ends at {frame.a} after results up to {self.reported}")
            self.range = None
            return RangeEnded(self.slot, frame.a)
        if frame.kind == frames.WROTE and len(frame.body) <= MAX_TEXT:
            return Wrote(self.slot, frame.a, frame.body)
        raise FrameError(f"a frame of kind {frame.kind} with {len(frame.body)} bytes")

    def _outcome(self, frame: Frame) -> Outcome:
        start, stop = frame.a, frame.b
        if self.range is None or start != self.reported or not start < stop <= self.range[1]:
            raise FrameError(f"results of [{start}, {stop}) where those from {self.reported} on are due")
        seconds, text, payload = frames.split_outcome(frame.body)
        try:
            about = _about.decode(text)
            unfit = [(index, about.reasons[reason]) for index, reason in about.unfit]
        except (msgspec.DecodeError, IndexError) as error:
            raise FrameError(f"results that cannot be read: {error}") from error
        indices = {*about.failed, *(index for index, _ in unfit)}
        if len(indices) != len(about.failed) + len(unfit) or not all(start <= index < stop for index in indices):
            raise FrameError("results of tasks that are not in the page")
        if not (math.isfinite(seconds) and seconds >= 0):
            raise FrameError("results that took no time")
        self.reported = stop
        blobs = [bytes.fromhex(name) for name in about.blobs]
        return Outcome(self.slot, start, stop, seconds, about.failed, unfit, payload, blobs, about.opaque)
