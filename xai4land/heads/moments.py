"""Mean and spread of numbers that come piece by piece."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Moments", "round_digits"]


@dataclass(frozen=True)
class Moments:
    """Count, mean, sum of squared departures, and extremes of numbers."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    @classmethod
    def of(cls, values: npt.NDArray[np.float64]) -> Moments:
        """Return the moments of the values that are not missing."""
        values = values[np.isfinite(values)]
        if not values.size:
            return cls()
        variance = float(values.var())
        return cls(
            values.size,
            float(values.mean()),
            variance * values.size,
            float(values.min()),
            float(values.max()),
        )

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both (Chan, Golub and LeVeque 1983).

        Examples
        --------
        >>> both = Moments.of(np.array([1.0, 2.0])).merge(Moments.of(np.array([6.0])))
        >>> both.mean, round(both.deviation, 4)
        (3.0, 2.1602)
        """
        if not (self.count and other.count):
            return self if self.count else other
        count = self.count + other.count
        gap = other.mean - self.mean
        return Moments(
            count,
            self.mean + gap * other.count / count,
            self.squares + other.squares + gap**2 * self.count * other.count / count,
            min(self.low, other.low),
            max(self.high, other.high),
        )

    __add__ = merge

    @property
    def deviation(self) -> float:
        """Return the standard deviation."""
        return float(np.sqrt(self.squares / self.count)) if self.count else 0.0


def round_digits(value: float) -> float:
    """Return six significant digits, as cards have them.

    Examples
    --------
    >>> round_digits(1234.56789)
    1234.57
    """
    return float(f"{value:.6g}")
