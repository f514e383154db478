"""Blobs in pieces, on the second socket pair."""

from __future__ import annotations

from raisin_core.messages.base import Digest, Index, Message


class Put(Message, frozen=True):
    """A piece of a blob of `size` bytes, from `offset`; with an empty payload, asks how much is there already."""

    way = "peer>broker"
    payload = "up to 256 KiB"
    bulk = True
    digest: Digest
    offset: Index
    size: int


class Have(Message, frozen=True):
    """The broker has the blob's first `offset` bytes; all of it, checked and durable, if `complete`."""

    way = "broker>peer"
    bulk = True
    digest: Digest
    offset: Index
    complete: bool


class Get(Message, frozen=True):
    """Asks for a piece of a blob."""

    way = "peer>broker"
    bulk = True
    digest: Digest
    offset: Index


class Chunk(Message, frozen=True):
    """A piece of a blob of `size` bytes; `size` is -1 if the broker does not have it."""

    way = "broker>peer"
    payload = "up to 256 KiB"
    bulk = True
    digest: Digest
    offset: Index
    size: int
