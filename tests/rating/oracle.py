"""Rating once more with `Fraction`, one line at a time: imports nothing of `rating`."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor


def round_fraction(value: Fraction, mode: str) -> int:
    size = abs(value)
    below = floor(size)
    rest = size - below
    if mode == "half_away_from_zero":
        rounded = below + (rest >= Fraction(1, 2))
    elif mode == "half_even":
        rounded = round(size)
    elif mode == "up":
        rounded = ceil(size)
    else:
        assert mode == "down"
        rounded = below
    return rounded if value >= 0 else -rounded


def minor_units(value: Fraction, minor_digits: int, mode: str) -> int:
    return round_fraction(value * 10**minor_digits, mode)
