"""Mutants of the client's machine."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

MACHINE = "raisin_core/client/machine.py"

MUTANTS: Final = (
    Mutant("takes credit for an increment", MACHINE, "job.credit = max(job.credit, credit)", "job.credit += credit"),
    Mutant(
        "forgets the close when it sends again",
        MACHINE,
        "job.sent, job.close_sent, job.told, job.again_at = job.stored, False, job.opened, None",
        "job.sent, job.told, job.again_at = job.stored, job.opened, None",
    ),
    Mutant(
        "does not send pages again",
        MACHINE,
        "job.sent, job.close_sent, job.told, job.again_at = job.stored, False, job.opened, None",
        "job.close_sent, job.told, job.again_at = False, job.opened, None",
    ),
    Mutant(
        "takes one page more for stored than was said",
        MACHINE,
        "while job.pages and job.stored < message.pages:",
        "while job.pages and job.stored <= message.pages:",
    ),
    Mutant(
        "delivers a page twice",
        MACHINE,
        "if reader is not None and message.arrival not in reader.seen:",
        "if reader is not None:",
    ),
    Mutant(
        "skips a page when it reads on by arrival",
        MACHINE,
        "reader.seen.missing(after + 1, 2**62)[0][0] - 1",
        "reader.seen.missing(after + 1, 2**62)[0][0]",
    ),
    Mutant(
        "does not follow again after a reconnect",
        MACHINE,
        "            self._follow(key, number, reader)\n",
        "            pass\n",
    ),
    Mutant(
        "does not cancel again after a reconnect",
        MACHINE,
        "        if job.cancelled:\n            self._say(m.Cancel(key))\n",
        "",
    ),
    Mutant(
        "does not say again after a reconnect that pickles are welcome",
        MACHINE,
        "        if job.released:\n            self._say(m.Release(key))\n",
        "",
    ),
    Mutant(
        "does not forget again after a reconnect",
        MACHINE,
        "        self._forgotten[event.job] = job.cancelled, event.keep\n",
        "",
    ),
    Mutant(
        "does not attach again after a reconnect",
        MACHINE,
        "            if job.attached or job.asked or (job.opened and (anew or not job.ended)):",
        "            if job.attached and not job.opened:",
    ),
    Mutant(
        "does not notice that a job's end was lost",
        MACHINE,
        "            if job.closed and not job.attached and message.total < 0 and not job.ended:",
        "            if job.closed and job.attached and message.total < 0 and not job.ended:",
    ),
)
