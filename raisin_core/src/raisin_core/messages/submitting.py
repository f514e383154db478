"""A client submits jobs."""

from __future__ import annotations

from raisin_core.messages.base import (
    Blobs,
    Digest,
    Form,
    Id,
    Index,
    Label,
    Message,
    NoDigest,
    Options,
    Parts,
    Tags,
    Text,
)


class Open(Message, frozen=True):
    """Makes a job; sending it again changes nothing. `shape` holds the lengths of a scan's axes; for a map, how many
    arguments a task has (0: each element is a tuple of arguments). With `resume`, results are recorded under that key
    of the account, and those recorded before count. The key belongs to one function, told by its `fingerprint` (whose
    `parts` only clients read); another one is refused ("changed"), or begins anew with `force`. `epoch` is that of the
    key that it is sealed with (0: none)."""

    way = "client>broker"
    payload = "the function, with its constant keyword arguments"
    job: Id
    form: Form
    name: Text
    function: Digest
    options: Options
    context: NoDigest = b""
    shape: list[int] = []
    blobs: Blobs = []
    resume: Label = ""
    fingerprint: NoDigest = b""
    parts: Parts = b""
    force: bool = False
    epoch: Index = 0


class Page(Message, frozen=True):
    """Adds the arguments of tasks `[first, first + count)`. Pages are numbered from 0 without gaps; after the `last`
    one the job has as many tasks as were sent. `tags` name each task's arguments, 16 bytes a task, where the job has a
    key: tasks with a tag that is recorded under it are done."""

    way = "client>broker"
    payload = "the arguments, encoded together"
    job: Id
    number: Index
    first: Index
    count: Index
    blobs: Blobs = []
    last: bool = False
    tags: Tags = b""


class Close(Message, frozen=True):
    """No more pages: the job has `total` tasks. Not needed where a page was said to be the last."""

    way = "client>broker"
    job: Id
    total: Index


class Opened(Message, frozen=True):
    """The job is durable; pages below `credit` may be sent. Stored and Closed say this as well."""

    way = "broker>client"
    job: Id
    credit: Index


class Stored(Message, frozen=True):
    """Pages below `pages` are durable, pages below `credit` may be sent (both are cumulative)."""

    way = "broker>client"
    job: Id
    pages: Index
    credit: Index


class Closed(Message, frozen=True):
    """The job, all its pages and its end are durable."""

    way = "broker>client"
    job: Id


class Cancel(Message, frozen=True):
    """Stops a job for good: what is not recorded yet never will be."""

    way = "client>broker"
    job: Id


class Forget(Message, frozen=True):
    """The job's handle is gone: an ended job may be deleted, a running one when it ends. With `keep` it stays as long
    as the broker keeps jobs."""

    way = "client>broker"
    job: Id
    keep: bool = False


class Release(Message, frozen=True):
    """Results that travel as pickles are welcome, whoever computed them: a job that one of them holds goes on."""

    way = "client>broker"
    job: Id
