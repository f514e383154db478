"""The line that is pasted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zmq.utils import z85

from raisin_core.errors import InvitationError
from raisin_core.identity.invitations import Claim, Invitation, line, parse, parse_claim
from tests.core.identity.people import BROKER

KEY = z85.decode(BROKER.key)
SEED = b"sixteen bytes..."
INVITATION = Invitation(["lab.example.org:5757", "[fe80::1]:5757"], KEY, b"c" * 32, SEED)
CLAIM = Claim(["lab.example.org:5757"], KEY, SEED)
LINE = line(INVITATION)


def test_a_line_says_all() -> None:
    assert parse(LINE) == INVITATION
    assert parse_claim(line(CLAIM)) == CLAIM
    assert INVITATION.key == BROKER.key
    assert LINE.startswith("rsn1-")
    assert line(CLAIM).startswith("rsb1-")
    assert LINE.isascii()
    assert len(LINE) < 250


@pytest.mark.parametrize("form", [str.upper, lambda text: f"  {text[:70]}\n  {text[70:]}\r\n", str.title])
def test_a_line_that_mail_has_folded_or_somebody_dictated(form: type) -> None:
    assert parse(form(LINE)) == INVITATION


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(LINE) - 1), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567018-="))
def test_no_character_can_be_changed(at: int, letter: str) -> None:
    changed = LINE[:at] + letter + LINE[at + 1 :]
    if changed != LINE:
        with pytest.raises(InvitationError):
            parse(changed)


def test_lines_that_were_cut_or_continued() -> None:
    for size in range(len(LINE)):
        with pytest.raises(InvitationError):
            parse(LINE[:size])
    for more in ("a", "=", LINE, "aaaaaaaa"):
        with pytest.raises(InvitationError):
            parse(LINE + more)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300))
def test_garbage_is_refused_politely(text: str) -> None:
    for each in (text, "rsn1-" + text, "rsb1-" + text):
        with pytest.raises(InvitationError):
            parse(each)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hello", "no invitation: one begins with rsn1-"),
        (line(CLAIM), "a claim and not what is wanted here"),
        (LINE.replace("rsn1", "rsn2"), "version 2, this raisin reads rsn1: upgrade"),
        (LINE[:100], "cut"),
        (LINE[:30] + LINE[31:], "mistyped"),
        ("rsn1-" + "a" * 5000, "5005 characters long"),
    ],
)
def test_what_is_wrong_is_told(text: str, why: str) -> None:
    with pytest.raises(InvitationError, match=why):
        parse(text)


@pytest.mark.parametrize(
    "odd",
    [
        Invitation([], KEY, b"c" * 32, SEED),
        Invitation(["a:b:c:d"], KEY, b"c" * 32, SEED),
        Invitation(["a:1"] * 17, KEY, b"c" * 32, SEED),
        Invitation(["a:1"], KEY, b"c" * 31, SEED),
        Invitation(["a:1"], KEY, b"c" * 32, SEED + b"."),
    ],
)
def test_what_says_nothing_that_can_be(odd: Invitation) -> None:
    with pytest.raises(InvitationError):
        parse(line(odd))


def test_a_seed_shows_in_the_line_alone() -> None:
    for each in (INVITATION, CLAIM):
        assert "sixteen" not in repr(each) + str(each)
        assert "lab.example.org" in repr(each)
