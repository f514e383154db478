"""What the tasks of the second act do: how chaotic is a population whose growth rate changes between good and bad years?

The logistic map x -> r x (1 - x) with r = a or b by turns, and its Lyapunov exponent: below 0 the population settles
into a rhythm, above 0 it is chaotic. Source: M. Markus, B. Hess, "Lyapunov exponents of the logistic map with periodic
forcing", Computers & Graphics 13 (1989).
"""

from __future__ import annotations

from math import log
from typing import Final

PATTERN: Final = "BBBBBBAAAAAA"
PERIODS: Final = 600
SETTLING: Final = 100
COLUMNS: Final = 96
ROWS: Final = 44


def exponent(b: float, a: float) -> float:
    """The Lyapunov exponent, per year."""
    rates = [a if letter == "A" else b for letter in PATTERN]
    x, total = 0.5, 0.0
    for period in range(PERIODS):
        product = 1.0
        for r in rates:
            x = r * x * (1.0 - x)
            product *= r * (1.0 - 2.0 * x)
        if period >= SETTLING:
            total += log(abs(product) or 1e-300)
    return total / (len(PATTERN) * (PERIODS - SETTLING))


def axes() -> tuple[list[float], list[float]]:
    """Values of b, from top to bottom, and of a, from left to right."""
    return _steps(4.0, 3.4, ROWS), _steps(2.5, 3.4, COLUMNS)


def _steps(first: float, last: float, count: int) -> list[float]:
    return [round(first + (last - first) * at / (count - 1), 6) for at in range(count)]
