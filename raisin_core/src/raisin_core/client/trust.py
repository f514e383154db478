"""The option `trust`: what of a job's results is loaded, what is kept until somebody says so, and what is said of it.

Results of machines that are one's own load like any pickle. Of others, values load (docs/values.md); what is none is
kept, and whoever wants it names its type, or trusts all.

Rules of this file: no I/O; what others said is made fit to be printed before it is.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from raisin_core.errors import UntrustedResult, UsageError
from raisin_core.failures import Failure
from raisin_core.marked import EVERYTHING, NOTHING, Accept, Untrusted, name_of
from raisin_core.messages import ENDED, Progress
from raisin_core.pages import Fetch
from raisin_core.texts import plain

MAX_NAMES: Final = 1000
WORDS: Final = '"auto", "all", or a list of types or of their dotted names'


def parse(verb: str, value: object) -> Accept:
    """What `trust=` means. Raises UsageError.

    >>> parse("map", ["sklearn.svm.SVC"])
    Accept(types=frozenset({'sklearn.svm.SVC'}), everything=False)
    """
    if isinstance(value, str) and value in ("auto", "all"):
        return EVERYTHING if value == "all" else NOTHING
    if not isinstance(value, (list, tuple, set, frozenset)) or not 0 < len(value) <= MAX_NAMES:
        raise UsageError(f"{verb}: trust must be {WORDS}, not {value!r}")
    names: set[str] = set()
    for each in value:
        if not isinstance(each, type) and not (isinstance(each, str) and "." in each):
            raise UsageError(f"{verb}: trust must be {WORDS}; {each!r} is neither")
        names |= _names(each)
    return Accept(frozenset(names))


def _names(said: type | str) -> set[str]:
    """What a type is called in marks: where it is defined, which is often not where it is imported from."""
    if isinstance(said, type):
        return {plain(name_of(said))}
    module, _, name = said.rpartition(".")
    found = vars(sys.modules[module]).get(name) if module in sys.modules else None
    return {said, plain(name_of(found))} if isinstance(found, type) else {said}


class Held(NamedTuple):
    """In the place of a result that was not loaded: what is said of it, whose it is, and where its blob comes from."""

    said: Untrusted
    task: int
    member: str
    account: str
    fetch: Fetch

    def load(self) -> Any:
        """The value, or its Failure. Runs code that its sender chose."""
        return self.said.load(self.fetch)


Part = tuple[list[Any], frozenset[int], frozenset[int]]  # items, and the indices of those that failed, that are held


class Trust:
    """What is loaded of one job's results; all its readers share it. `classes` are the job's own; `verb` is that of a
    call without a handle, which keeps nothing; `released` tells whether the broker goes on whatever comes; `own` are
    members who were seen to be oneself."""

    def __init__(self, accept: Accept = NOTHING, classes: Sequence[type] = (), verb: str = "") -> None:
        self.accept, self.classes, self._verb = accept, tuple(classes), verb
        self.released = accept != NOTHING
        self.own: set[str] = set()

    def know(self, classes: Sequence[type]) -> None:
        """Objects of these classes may come, too."""
        self.classes = tuple(dict.fromkeys((*self.classes, *classes)))

    def widen(self, accept: Accept) -> bool:
        """Load these, too; whether that is anything."""
        self.accept = Accept(self.accept.types | accept.types, self.accept.everything or accept.everything)
        self.released = self.released or accept != NOTHING
        return accept != NOTHING

    def settle(self, start: int, part: Part) -> Part:
        """Load what is held and accepted meanwhile. `start` is the index of the first item."""
        items, failed, held = list(part[0]), set(part[1]), set(part[2])
        for index in sorted(held):
            kept: Held = items[index - start]
            if not self.accept.takes(kept.said.type):
                continue
            value = kept.load()
            if type(value) is Failure:
                value = value.error(f"task {index} on {kept.member}")
                failed.add(index)
            items[index - start] = value
            held.discard(index)
        return items, frozenset(failed), frozenset(held)

    def holds(self, progress: Progress | None) -> bool:
        """Whether the broker waits for a word about somebody's result."""
        return progress is not None and bool(progress.held) and not self.released and progress.state not in ENDED

    def refusal(self, kept: Held, name: str, job: bytes, progress: Progress | None) -> UntrustedResult:
        """The error for a result that is kept."""
        what, place = kept.said.type, kept.said.place
        last = what.rpartition(".")[2]
        given = last if last.isidentifier() and "<" not in what else repr(what)
        return UntrustedResult(
            f"task {kept.task} of {name} (job {job.hex()[:8]}) returned {what}{f' at {place}' if place else ''} "
            f"from {plain(kept.member)} (account {plain(kept.account)}).\n"
            f"  {self._stand(progress)}. {self._way(given, plain(kept.account))}"
        )

    def holding(self, name: str, job: bytes, progress: Progress | None) -> UntrustedResult:
        """The error for a job that waits for a word about a result that was not read."""
        who = plain(progress.held) if progress is not None else "somebody"
        return UntrustedResult(
            f"a result of {name} (job {job.hex()[:8]}) from {who} can only be loaded by running code of its sender's.\n"
            f"  {self._stand(progress)}. {self._way('its type', who)}"
        )

    def _stand(self, progress: Progress | None) -> str:
        """How the job stands, and that nothing is lost."""
        said = [] if self._verb else ["result kept"]
        if progress is not None:
            of = f" of {progress.total}" if progress.total >= 0 else ""
            count = f"{progress.done}{of}"
            said.insert(0, f"Stopped after {count}" if self.holds(progress) else f"{count} done")
        return "; ".join(said) or "Not loaded"

    def _way(self, given: str, who: str) -> str:
        """What to do."""
        call = f"raisin.{self._verb}(..., " if self._verb else "m.get("
        return f'Accept: {call}trust=[{given}]); trust="all" lets {who} run code here.'
