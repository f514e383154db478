"""What facts about this machine mean, and what to do.

Rules of this file: pure; every finding that is not good says what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

State = Literal["ok", "warning", "wrong"]

RELEASED: Final = 1_793_491_200.0
"""2026-11-01, in seconds since the epoch: no clock that is right shows an earlier time to this version."""
FAR: Final = 10 * 365 * 86_400.0
AHEAD: Final = 120.0
LITTLE_DISK: Final = 2 * 10**9
NO_DISK: Final = 200 * 10**6
OLDEST_PYTHON: Final = (3, 10)
NEWEST_PYTHON: Final = (3, 13)
SHOWN: Final = 5


class Finding(NamedTuple):
    """One thing that was looked at: what, how it is, in words, and what to do about it."""

    area: str
    state: State
    text: str
    advice: str = ""


class Exposed(NamedTuple):
    """A file or directory that is not its owner's alone: its mode, and whether it belongs to somebody else."""

    path: str
    mode: int
    foreign: bool = False
    directory: bool = False


def worst(findings: Iterable[Finding]) -> State:
    """The gravest state among them.

    >>> worst([Finding("disk", "ok", ""), Finding("clock", "warning", "")])
    'warning'
    """
    order: tuple[State, ...] = ("ok", "warning", "wrong")
    return max((each.state for each in findings), key=order.index, default="ok")


def python(version: tuple[int, int], path: str) -> Finding:
    """The interpreter that this is."""
    text = f"Python {version[0]}.{version[1]} ({path})"
    if version < OLDEST_PYTHON:
        return Finding("versions", "wrong", text, "raisin needs 3.10 or newer")
    if version > NEWEST_PYTHON:
        return Finding("versions", "warning", text, "raisin was tried with 3.10 to 3.13")
    return Finding("versions", "ok", text)


def zeromq(pyzmq: str, libzmq: str, curve: bool) -> Finding:
    """The library of the links."""
    text = f"pyzmq {pyzmq}, libzmq {libzmq}"
    if not curve:
        advice = "install pyzmq from a wheel: pip install --force-reinstall --only-binary :all: pyzmq"
        return Finding("versions", "wrong", f"{text}, without CURVE: nothing can be encrypted", advice)
    return Finding("versions", "ok", f"{text}, with CURVE")


def cipher(library: str) -> Finding:
    """The library that seals; empty where there is none."""
    if not library:
        return Finding("versions", "wrong", "no library to encrypt with", "pip install pycryptodomex")
    if library == "pycryptodomex":
        return Finding("versions", "ok", "sealing by pycryptodomex; `pip install cryptography` makes it faster")
    return Finding("versions", "ok", f"sealing by {library}")


def parts(missing: Sequence[str]) -> Finding:
    """The distributions beside raisin-core."""
    if missing:
        what = " and ".join(missing)
        return Finding("versions", "warning", f"{what} not installed", f"where needed: pip install {' '.join(missing)}")
    return Finding("versions", "ok", "broker and worker are installed")


def clock(now: float, newest_file: float) -> Finding:
    """Seconds since the epoch: what the clock says, and when the newest file of raisin's directory was written."""
    advice = "set it (Linux: timedatectl set-ntp true); invitations and time limits depend on it"
    if now < RELEASED:
        return Finding("clock", "wrong", "this machine's clock is slow: it shows a time before raisin was made", advice)
    if now > RELEASED + FAR:
        return Finding("clock", "wrong", "this machine's clock is fast, by years", advice)
    if newest_file > now + AHEAD:
        return Finding("clock", "warning", "files here were written in the future: the clock was set back", advice)
    return Finding("clock", "ok", "the time is plausible (it was compared with no other clock)")


def permissions(directory: str, looked_at: int, exposed: Sequence[Exposed]) -> list[Finding]:
    """Of all files in raisin's directory."""
    found = [_exposed(each) for each in exposed[:SHOWN]]
    if len(exposed) > SHOWN:
        advice = f"chmod -R go= {directory}"
        found.append(Finding("permissions", "wrong", f"and {len(exposed) - SHOWN} more below {directory}", advice))
    count = f"{looked_at} file{'' if looked_at == 1 else 's'}"
    return found or [Finding("permissions", "ok", f"{count} in {directory}, for you only")]


def _exposed(each: Exposed) -> Finding:
    if each.foreign:
        return Finding("permissions", "wrong", f"{each.path} belongs to another user", f"sudo chown $USER {each.path}")
    mode = "700" if each.directory else "600"
    advice = f"chmod {mode} {each.path}; if it is a key that somebody may have read, join anew with another"
    return Finding("permissions", "wrong", f"others can use {each.path} (mode {each.mode:04o})", advice)


def disk(directory: str, free: int) -> Finding:
    """Bytes that are left where raisin keeps its things."""
    text = f"{free / 10**9:.1f} GB free at {directory}"
    if free < NO_DISK:
        return Finding("disk", "wrong", text, "make room: a broker refuses jobs, a worker cannot take large arguments")
    if free < LITTLE_DISK:
        return Finding(
            "disk", "warning", text, "that is little for jobs with large results; see raisin-broker --max-disk"
        )
    return Finding("disk", "ok", text)


def interpreter(path: str, problem: str) -> Finding:
    """The interpreter that runs tasks on this machine, and why it cannot."""
    if problem:
        advice = f"{path} -m pip install cloudpickle, or another one: raisin worker run --python PATH"
        return Finding("interpreter", "wrong", f"{path}: {problem}", advice)
    return Finding("interpreter", "ok", f"tasks run with {path}")


def sandbox(allowed: Sequence[str]) -> Finding:
    """Whose code runs here; nothing isolates it yet."""
    who = f", and of the accounts that you named: {', '.join(allowed)}" if allowed else ""
    advice = "allow only people whom you would let use this computer: raisin worker list, raisin worker deny ACCOUNT"
    text = f"no sandbox isolates tasks yet: only code of your own machines runs here{who}"
    return Finding("sandbox", "warning" if allowed else "ok", text, advice if allowed else "")


def keys(name: str, complaints: Sequence[str]) -> list[Finding]:
    """Those of the active cluster's profile; each complaint is a text, a tab and what to do."""
    if not complaints:
        return [Finding("keys", "ok", f"the keys of {name} are there, and belong to its roster")]
    split = [each.partition("\t") for each in complaints]
    return [Finding("keys", "wrong", text, advice) for text, _, advice in split]
