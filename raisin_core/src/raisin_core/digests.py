"""Digests that both ends of a conversation compute.

Rules of this file: pure.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

from raisin_core.messages import LeaseId


def content(data: bytes) -> bytes:
    """The name of a blob or a function: SHA-256 of its bytes."""
    return hashlib.sha256(data).digest()


def held(leases: Iterable[LeaseId]) -> int:
    """A digest of a set of leases, for heartbeats: equal sets give equal numbers below 2**63.

    >>> held([LeaseId(1, 2), LeaseId(1, 3)]) == held([LeaseId(1, 3), LeaseId(1, 2)])
    True
    """
    packed = b"".join(struct.pack(">QQ", lease.run, lease.number) for lease in sorted(leases))
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "big") >> 1
