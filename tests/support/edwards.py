"""The curve of Ed25519 in the plainest Python: for making the odd keys and signatures that no library makes.

Rules of this file: affine points, no care for time; nothing of raisin's own but the numbers.
"""

from __future__ import annotations

import hashlib

from raisin_core.ciphers.curve25519 import BASE, ORDER, PRIME

Point = tuple[int, int]
D = -121665 * pow(121666, -1, PRIME) % PRIME
ZERO: Point = (0, 1)
ROOT = pow(2, (PRIME - 1) // 4, PRIME)  # of -1


def add(one: Point, other: Point) -> Point:
    (a, b), (c, d) = one, other
    both = D * a * b * c * d % PRIME
    x = (a * d + b * c) * pow(1 + both, -1, PRIME) % PRIME
    return x, (b * d + a * c) * pow(1 - both, -1, PRIME) % PRIME


def times(number: int, point: Point) -> Point:
    found = ZERO
    for bit in f"{number:b}":
        found = add(found, found)
        if bit == "1":
            found = add(found, point)
    return found


def encoded(point: Point) -> bytes:
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def with_y(y: int) -> Point | None:
    """The point with this y and an even x."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    for root in (x, x * ROOT % PRIME):
        if root * root % PRIME == square:
            return root if root % 2 == 0 else PRIME - root, y
    return None


def of_order_8() -> Point:
    """Found, not looked up: what is left of some point when the base point's part of it is taken away."""
    candidates = (times(ORDER, point) for y in range(2, 100) if (point := with_y(y)))
    return next(point for point in candidates if times(4, point) != ZERO)


def hashed(r: bytes, public: bytes, data: bytes) -> int:
    return int.from_bytes(hashlib.sha512(r + public + data).digest(), "little") % ORDER


def signed(scalar: int, public: bytes, data: bytes, r: Point) -> bytes:
    """A signature by the owner of `scalar`, whose R is 5 times the base, or that and a part of low order."""
    first = encoded(r)
    return first + ((5 + hashed(first, public, data) * scalar) % ORDER).to_bytes(32, "little")


def cancel(r: bytes, public: bytes, data: bytes, of_r: Point, of_key: Point) -> bool:
    """Whether the parts of low order of R and of the key do not show in the equation without the cofactor."""
    return add(of_r, times(hashed(r, public, data), of_key)) == ZERO


__all__ = ["BASE", "ORDER", "PRIME", "ZERO", "add", "cancel", "encoded", "of_order_8", "signed", "times", "with_y"]
