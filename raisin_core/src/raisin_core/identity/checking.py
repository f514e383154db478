"""Whether a roster can mean what it says: names, roles, keys and epochs, whoever signed it.

Rules of this file: pure; what is wrong is a ValueError that says what.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from raisin_core.addresses import endpoints
from raisin_core.identity.documents import Broker, Grant, Member, Roster
from raisin_core.identity.keys import check_key
from raisin_core.identity.roster import ROLES
from raisin_core.identity.secrets import Publics

_CLUSTER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", re.ASCII)
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])", re.IGNORECASE)  # no names of files on Windows


def check_roster(roster: Roster) -> None:
    """Whether a roster means something. Raises ValueError."""
    check_cluster_name(roster.cluster)
    if roster.epoch > roster.version:
        raise ValueError(f"its epoch {roster.epoch} is later than itself")
    _check_broker(roster.broker)
    everybody: list[Member | Grant] = [*roster.members, *roster.grants]
    for each in everybody:
        check_label("name", each.name)
        check_label("account", each.account)
        check_roles(each.roles)
    _distinct("name", (each.name for each in roster.members))
    _distinct("key", (key for each in everybody for key in keys_in(each.publics)))
    for grant in roster.grants:
        _distinct("guest", grant.joined)
        if len(grant.joined) >= grant.uses or (grant.uses > 1 and len(grant.name) > 59):
            raise ValueError(f"its grant {grant.name!r} is used up, or has too long a name")
    recipients = [each.x25519 for each in roster.wraps]
    if sorted(recipients) != sorted(each.publics.x25519 for each in everybody):
        raise ValueError("its key is not sealed for exactly those who belong to it")
    _check_former(roster)
    epochs = [each.epoch for each in roster.past]
    if epochs != sorted(set(epochs)) or (epochs and epochs[-1] >= roster.epoch):
        raise ValueError("its past epochs are in disorder")


def _check_former(roster: Roster) -> None:
    for each in roster.former:
        check_label("name", each.name)
        check_label("account", each.account)
        check_roles(each.roles)
        if each.epoch >= roster.epoch:
            raise ValueError(f"{each.name!r} left in an epoch that is not over")
    present = (each.publics.ed25519 for each in roster.members)
    _distinct("signing key", (*present, *(each.ed25519 for each in roster.former)))


def check_cluster_name(name: str) -> str:
    """A cluster's name, which is that of a directory too. Raises ValueError.

    >>> check_cluster_name("lab")
    'lab'
    """
    if not is_cluster_name(name):
        raise ValueError(f"{name[:64]!r} is no name for a cluster: up to 32 letters (a to z), digits, - and _")
    return name


def is_cluster_name(name: str) -> bool:
    """Whether a cluster may be called so."""
    return _CLUSTER.fullmatch(name) is not None and _DEVICES.fullmatch(name) is None


def check_label(what: str, label: str) -> str:
    """The name of a member or an account. Raises ValueError."""
    if not label or len(label) > 64 or not label.isprintable() or label != label.strip():
        raise ValueError(f"{label[:64]!r} is no {what}: 1 to 64 characters that can be printed, no space at its ends")
    return label


def check_roles(roles: list[str]) -> list[str]:
    """Roles, each once and sorted. Raises ValueError."""
    if not roles or roles != sorted(set(roles)) or not ROLES.issuperset(roles):
        raise ValueError(f"{roles!r} are not some of {', '.join(sorted(ROLES))}, in this order")
    return roles


def _check_broker(broker: Broker) -> None:
    for address in broker.addresses:
        endpoints(address)
    check_key(broker.key.decode("ascii"))


def keys_in(publics: Publics) -> tuple[bytes, bytes, bytes]:
    """The three keys."""
    return publics.curve, publics.x25519, publics.ed25519


def _distinct(what: str, values: Iterable[object]) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise ValueError(f"two have the same {what}")
        seen.add(value)
