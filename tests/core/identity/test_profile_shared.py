"""What one process changes in a profile, another one hears of, whatever it does next."""

from __future__ import annotations

from raisin_core.identity.profile import Profile
from tests.core.identity.people import Lab
from tests.core.identity.test_profile import ann


def test_settings_that_were_changed_meanwhile_are_told_by_adopt_too() -> None:
    lab = Lab()
    worker = ann(lab)
    Profile.load("lab").set_runs(["zoe"])
    assert worker.adopt(lab.standing.book), "nothing new in the roster, but in the settings"
    assert worker.runs == ["zoe"]
    assert not worker.adopt(lab.standing.book)
    assert not worker.reload()
