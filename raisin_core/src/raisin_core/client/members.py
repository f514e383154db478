"""members and status: who belongs to the cluster that verbs use, who is there now, and what it does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, overload

import msgspec

from raisin_core.client import connection, tables
from raisin_core.client.asking import ask
from raisin_core.client.jobs import listed
from raisin_core.client.state import MEMBERS
from raisin_core.errors import ClusterError
from raisin_core.identity.roster import ROLES
from raisin_core.messages import ListMembers, MemberLine, Members
from raisin_core.texts import plain

HEAD: Final = ("name", "account", "roles", "mine", "here", "slots")
LISTED: Final = 10_000


class MemberInfo(msgspec.Struct, frozen=True):
    """One member of the cluster.

    `mine`: this machine, or one confirmed as its user's own. `here`: as what it is connected now ("client", "worker");
    its `slots` are tasks that it can run at a time, of which so many are `busy`; `hosts` are the names it goes by.
    """

    name: str
    account: str
    roles: list[str]
    mine: bool = False
    here: list[str] = []
    hosts: list[str] = []
    slots: int = 0
    busy: int = 0

    @property
    def connected(self) -> bool:
        """Whether anything of it is connected to the broker."""
        return bool(self.here)


class MemberList(Sequence[MemberInfo]):
    """Members by name; prints as a table."""

    def __init__(self, members: Iterable[MemberInfo]) -> None:
        self._members = tuple(sorted(members, key=lambda each: each.name))

    def __len__(self) -> int:
        return len(self._members)

    @overload
    def __getitem__(self, at: int) -> MemberInfo: ...

    @overload
    def __getitem__(self, at: slice) -> MemberList: ...

    def __getitem__(self, at: int | slice) -> MemberInfo | MemberList:
        return MemberList(self._members[at]) if isinstance(at, slice) else self._members[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MemberList) and self._members == other._members

    def __hash__(self) -> int:
        return hash(tuple(each.name for each in self._members))

    def __repr__(self) -> str:
        return tables.table(HEAD, self._rows()) if self._members else "no members"

    def _repr_html_(self) -> str:
        return tables.html_table(HEAD, self._rows(), "") if self._members else "<p>no members</p>"

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                plain(each.name, 40),
                plain(each.account, 24),
                ", ".join(each.roles),
                "yes" if each.mine else "",
                ", ".join(each.here) or "no",
                f"{each.busy}/{each.slots} busy" if each.slots else "",
            )
            for each in self._members
        ]


class Status(msgspec.Struct, frozen=True):
    """The cluster that verbs use, as it stood when it was asked for; prints as a few lines. `problem` says why there is
    no more to say, where it cannot be reached."""

    cluster: str
    address: str = ""
    problem: str = ""
    members: int = 0
    connected: int = 0
    workers: int = 0
    slots: int = 0
    busy: int = 0
    running: int = 0
    jobs: int = 0

    def __repr__(self) -> str:
        if self.problem:
            return self.problem
        return "\n".join(
            (
                f"{self.cluster} ({self.address}): connected",
                f"{self.connected} of {_counted(self.members, 'member')} here; {_counted(self.workers, 'worker')} with "
                f"{_counted(self.slots, 'slot')}, {self.busy} busy",
                f"{_counted(self.jobs, 'job')} of yours, {self.running} running",
            )
        )


def members() -> MemberList:
    """Who belongs to the cluster that verbs use now, and who of them is connected. Raises ClusterError.

    >>> raisin.members()                                     # doctest: +SKIP
    name        account  roles                  mine  here            slots
    me          me       admin, client, worker  yes   client, worker  3/4 busy
    zoe-laptop  zoe      client, worker               worker          0/8 busy
    """
    return _members(connection.current("auto"))


def status() -> Status:
    """How the cluster that verbs use stands; where it cannot be reached, why not.

    >>> raisin.status()                                      # doctest: +SKIP
    lab (192.168.1.20:5757): connected
    2 of 3 members here; 2 workers with 12 slots, 3 busy
    4 jobs of yours, 1 running
    """
    try:
        cluster = connection.current("auto")
        there = _members(cluster)
        jobs = listed(cluster, LISTED)
    except ClusterError as error:
        return Status("", problem=str(error))
    return Status(
        cluster=cluster.name or ("this machine" if cluster.place is not None else "a broker"),
        address=cluster.address,
        members=len(there),
        connected=sum(each.connected for each in there),
        workers=sum("worker" in each.here for each in there),
        slots=sum(each.slots for each in there),
        busy=sum(each.busy for each in there),
        running=sum(job.state == "running" for job in jobs),
        jobs=jobs.all,
    )


def _members(cluster: connection.Connection) -> MemberList:
    said = ask(cluster, ListMembers(), MEMBERS)
    if not isinstance(said, Members):
        raise ClusterError(f"{cluster.address} did not say who is there")
    return MemberList(_told(each, said.lines) for each in _belonging(cluster, said.lines))


def _belonging(cluster: connection.Connection, lines: Sequence[MemberLine]) -> list[MemberInfo]:
    """Who belongs: by the signed roster where there is one, else whom the broker names."""
    if cluster.belonging is None:
        own = cluster.place is not None
        return [MemberInfo(name, "", [], own) for name in {line.member for line in lines}]
    profile = cluster.belonging.profile
    everybody = profile.standing.members.values()
    return [
        MemberInfo(each.name, each.account, list(each.roles), each.publics.ed25519 in profile.mine)
        for each in everybody
    ]


def _told(member: MemberInfo, lines: Sequence[MemberLine]) -> MemberInfo:
    """With what the broker says of its sessions."""
    own = [line for line in lines if line.member == member.name]
    return msgspec.structs.replace(
        member,
        here=sorted({line.role for line in own} & ROLES),
        hosts=sorted({line.host for line in own}),
        slots=sum(max(0, line.slots) for line in own),
        busy=sum(max(0, line.busy) for line in own),
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
