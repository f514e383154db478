"""What the tasks of the second act do: how chaotic is a population whose growth rate alternates between two values?

The logistic map x -> r x (1 - x) with r = a or b by turns, and its Lyapunov exponent: below 0 the population settles
into a rhythm, above 0 it is chaotic. Source: M. Markus, B. Hess, "Lyapunov exponents of the logistic map with periodic
forcing", Computers & Graphics 13 (1989).
"""

from __future__ import annotations

from math import log
from typing import Final

PERIODS: Final = 2500
SETTLING: Final = 300
ROWS, COLUMNS = 44, 96


def exponent(b: float, a: float) -> float:
    """The Lyapunov exponent, per year."""
    x, total = 0.5, 0.0
    for period in range(PERIODS):
        x = a * x * (1.0 - x)
        slope = a * (1.0 - 2.0 * x)
        x = b * x * (1.0 - x)
        slope *= b * (1.0 - 2.0 * x)
        if period >= SETTLING:
            total += log(abs(slope) or 1e-300)
    return total / (2 * (PERIODS - SETTLING))


def axes() -> tuple[list[float], list[float]]:
    """Values of b, from top to bottom, and of a, from left to right."""
    return _steps(3.9, 2.8, ROWS), _steps(3.0, 4.0, COLUMNS)


def _steps(first: float, last: float, count: int) -> list[float]:
    return [round(first + (last - first) * at / (count - 1), 6) for at in range(count)]
