"""All that the doctor looks at, in order.

Rules of this file: what cannot be looked at is a finding, too, and never ends the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from raisin_cli import background, network, programs
from raisin_cli.doctor import findings, here, reach
from raisin_cli.doctor.findings import Finding
from raisin_core import home, logs
from raisin_core.errors import RaisinError
from raisin_core.identity import keys
from raisin_core.identity.profile import Profile
from raisin_core.interfaces import EVERYWHERE, own_addresses


def examine() -> Iterator[Finding]:
    """Findings, one after the other."""
    yield from here.versions()
    yield from here.machine(home.home())
    name = Profile.active_name()
    if name is None:
        kept = Profile.names()
        hint = f"raisin cluster use {kept[0]}" if kept else "raisin cluster create lab, or raisin join rsn1-..."
        yield Finding("cluster", "ok", f"none is active: jobs run on this machine; to share: {hint}")
        yield here.interpreter(sys.executable)
        return
    try:
        profile = Profile.load(name)
    except (RaisinError, OSError) as error:
        advice = "put a copy of its directory back, or join anew with a new invitation"
        yield Finding("keys", "wrong", f"the profile of {name} cannot be used: {error}", advice)
        return
    yield from _of(profile)


def _of(profile: Profile) -> Iterator[Finding]:
    yield from findings.keys(profile.name, list(_complaints(profile)))
    yield from reach.broker(profile.addresses, profile.broker_key, profile.secrets.curve)
    yield from _programs(profile)
    yield from _broker_here(profile)
    if "worker" in profile.me.roles:
        yield here.interpreter(sys.executable)
        yield findings.sandbox(profile.runs)


def _complaints(profile: Profile) -> Iterator[str]:
    """What does not fit: own keys, root key and broker's key to the roster."""
    if profile.secrets.public.ed25519 not in profile.standing.by_signature:
        yield f"{profile.name} does not count this machine's keys among its members\task for a new invitation"
    elif profile.standing.epoch not in profile.keys:
        yield "the key of the newest epoch is missing\traisin cluster status asks for the roster anew"
    directory = programs.broker_directory(profile.name)
    if programs.broker_of(profile.name) is None:
        return
    try:
        own = keys.load(directory / "broker.key").public
    except (RaisinError, OSError) as error:
        yield f"the broker's key cannot be used: {error}\tput a copy of broker.key back into {directory}"
        return
    if own != profile.broker_key:
        yield f"the broker here has another key than the roster says\tput the old broker.key back into {directory}"


def _programs(profile: Profile) -> Iterator[Finding]:
    for each in programs.programs_of(profile.name):
        if each.name == "worker" and "worker" not in profile.me.roles:
            continue
        pid = background.running(each)
        if pid is not None:
            yield Finding("programs", "ok", f"the {each.name} of {profile.name} runs in the background (pid {pid})")
        elif each.name == "worker":
            text = f"no worker runs in the background: this machine does not compute for {profile.name}"
            yield Finding("programs", "warning", text, "raisin cluster start")
        else:
            last = logs.tail(each.out, 1)
            said = f"; it last said: {last}" if last else ""
            yield Finding(
                "programs", "warning", f"the broker is not running in the background{said}", "raisin cluster start"
            )


def _broker_here(profile: Profile) -> Iterator[Finding]:
    """What others may meet on their way to a broker on this machine."""
    listen = programs.listening(profile.name)
    if listen is None:
        return
    told, now = profile.standing.broker.addresses, own_addresses(str(listen))
    if listen.host in EVERYWHERE and not set(told) & set(now):
        text = f"this machine has other addresses than the members look for the broker at: {', '.join(told)}"
        yield Finding("reachability", "warning", text, f"raisin cluster addresses {' '.join(now)}")
    for wall in network.firewalls(listen.port):
        text = f"a firewall ({wall.name}) is active on this machine, where the broker is"
        yield Finding("reachability", "warning", text, f"if others do not get through: {wall.command}")
