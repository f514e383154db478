"""The dialogs in `*.txt`: what is said to a broker, and what it says and does. They are the protocol's examples.

    ann > Page job=j number=0 first=0 count=4 | a        ann says this; after `|` comes the payload, here one letter
        ann < Stored job=j pages=1 credit=65             the broker says this to ann
    bob/2 > ...                                          bob's second connection
    > turn                                               all that had arrived was handed over
        < keep JobOpened, PageAdded                      the broker gives these records to its store, in one batch,
        < commit                                         and lets the store make it durable (or `< commit fails`)
    > here ann client                                    short for Hello and Welcome, and a worker's first Held
    9.5 > wait ann bob                                   time passes, with a turn each second; ann and bob stay alive
    > disk full good full                                how the next three commits go
    > killed                                             kill -9, and a new broker on what was committed
    > unreachable bob                                    what was said to bob could not be sent
    > closed                                             from now on it is the broker of a closed cluster
    > made v2 invite zoe uses=2                          a document is made elsewhere (see tests/support/papers.py)
    zoe_invitation > ...                                 somebody says it who is connected with an invitation's key
        < keep the book                                  the broker writes the new roster to its disk
    > garbled ann 3 bad header                           three times something came from ann that is no message
    > room 2000 the disk is full                         so many bytes are kept; the disk has no room
    > clock -7200                                        somebody sets the wall clock back by two hours
    > stop                                               a signal asks it to end
        < stop                                           it does
    12.5 ann > ...                                       at this time, in seconds; it stays until another one is given

Nothing may be left over: each line with `<` is the next thing that came out, word by word, and nothing else did.
How fields are written: `tests/support/notation.py`. `FLOWS_SHOW=1 pytest tests/flows -s` shows what really came out.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.flow import play

FLOWS = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_flow(path: Path) -> None:
    play(path.read_text(encoding="utf-8").splitlines(), print if "FLOWS_SHOW" in os.environ else lambda line: None)


GOOD = [
    "> here ann client",
    "ann > Attach job=j",
    "    ann < Refused code='unknown job' reason='no job 6a000000 here' about=j",
]


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (GOOD[:2], "left over at the end"),
        ([*GOOD, "    ann < BeatBack"], "but nothing came"),
        ([*GOOD[:2], "ann > Beat"], "left over before line 3"),
        ([*GOOD[:2], GOOD[2].replace("about=j", "about=k")], "line 3"),
        (["bob is silent"], "line 1 says nothing"),
    ],
)
def test_a_wrong_dialog_is_noticed(lines: list[str], complaint: str) -> None:
    play(GOOD, lambda line: None)
    with pytest.raises(AssertionError, match=complaint):
        play(lines, lambda line: None)
