"""Exact decimals in compiled code.

A value times 10^12 is an integer in three limbs (h, m, l): h * 10^18 + m * 10^9 + l with m and l in
[0, 10^9) and the sign in h, like two's complement in base 10^9. A result must be below 10^15 in
magnitude and have at most 12 decimals, or it is refused with a reason; nothing is ever rounded.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from core.compiled import compiled
from core.json_text import Bytes

FOUND: Final = 0
MISSING: Final = 1
NOT_A_NUMBER: Final = 2
TOO_LARGE: Final = 3
TOO_PRECISE: Final = 4
TOO_LONG: Final = 5
REASONS: Final = (
    "found", "missing", "not_a_number", "too_large", "too_precise", "too_long",
)  # fmt: skip
"""Names of the codes above: why a value cannot be metered, by code."""

SCALE: Final = 12
INTEGER_DIGITS_MAX: Final = 15
_BASE: Final = 1_000_000_000
_HALF_BASE: Final = 1_000
_FAR: Final = 2 * _BASE
_MICRO: Final = 1_000_000
_EXPONENT_CAP: Final = 1_000_000_000

Number = tuple[int, int, int]
Checked = tuple[int, int, int, int]


@compiled
def carried(high: int, middle: int, low: int) -> Number:
    """The same number with its lower limbs in [0, 10^9)."""
    carry = low // _BASE
    low -= carry * _BASE
    middle += carry
    carry = middle // _BASE
    return high + carry, middle - carry * _BASE, low


@compiled
def checked(high: int, middle: int, low: int) -> Checked:
    """A carried number with its code: `FOUND`, or `TOO_LARGE`."""
    inside = -_BASE < high < _BASE or (high == -_BASE and (middle > 0 or low > 0))
    return FOUND if inside else TOO_LARGE, high, middle, low


@compiled
def compare(high: int, middle: int, low: int, high2: int, middle2: int, low2: int) -> int:
    """-1, 0 or 1: the first number is less than, equal to or greater than the second."""
    if high != high2:
        return -1 if high < high2 else 1
    if middle != middle2:
        return -1 if middle < middle2 else 1
    if low != low2:
        return -1 if low < low2 else 1
    return 0


@compiled
def multiplied(high: int, middle: int, low: int, high2: int, middle2: int, low2: int) -> Checked:
    """The exact product of two carried numbers, or why there is none."""
    negative = (high < 0) != (high2 < 0)
    if high < 0:
        high, middle, low = carried(-high, -middle, -low)
    if high2 < 0:
        high2, middle2, low2 = carried(-high2, -middle2, -low2)
    # Six limbs of up to three products below 10^18 each: every sum stays below 2^63.
    place0 = low * low2
    place1 = middle * low2 + low * middle2 + place0 // _BASE
    place2 = high * low2 + middle * middle2 + low * high2 + place1 // _BASE
    place3 = high * middle2 + middle * high2 + place2 // _BASE
    place4 = high * high2 + place3 // _BASE
    place0, place1, place2 = place0 % _BASE, place1 % _BASE, place2 % _BASE
    place3, place4, place5 = place3 % _BASE, place4 % _BASE, place4 // _BASE
    if place5 > 0 or place4 >= _HALF_BASE:
        return TOO_LARGE, 0, 0, 0
    if place0 != 0 or place1 % _HALF_BASE != 0:
        return TOO_PRECISE, 0, 0, 0
    # Divide by the 10^12 that is there twice: one limb and three digits.
    low = place1 // _HALF_BASE + place2 % _HALF_BASE * _MICRO
    middle = place2 // _HALF_BASE + place3 % _HALF_BASE * _MICRO
    high = place3 // _HALF_BASE + place4 * _MICRO
    if negative:
        high, middle, low = carried(-high, -middle, -low)
    return checked(high, middle, low)


@compiled
def floored(high: int, middle: int) -> Checked:
    """The greatest whole number that is not above a carried number."""
    return checked(high, middle - middle % _HALF_BASE, 0)


@compiled
def ceiled(high: int, middle: int, low: int) -> Checked:
    """The least whole number that is not below a carried number."""
    rest = middle % _HALF_BASE
    if rest == 0 and low == 0:
        return FOUND, high, middle, low
    high, middle, low = carried(high, middle - rest + _HALF_BASE, 0)
    return checked(high, middle, low)


@compiled
def to_limbs(high: int, middle: int, low: int) -> tuple[np.int64, np.uint64]:
    """A carried number as a 128-bit integer in two's complement: high and low half."""
    top = np.int64(high) * np.int64(_BASE) + np.int64(middle)
    word, base = np.uint64(top), np.uint64(_BASE)
    mask, bits = np.uint64(0xFFFFFFFF), np.uint64(32)
    small = (word & mask) * base
    upper = np.int64(((word >> bits) * base + (small >> bits)) >> bits)
    if top < 0:
        upper -= np.int64(_BASE)
    bottom = word * base
    whole = bottom + np.uint64(low)
    if whole < bottom:
        upper += np.int64(1)
    return upper, whole


@compiled
def _exponent_of(text: Bytes, at: int, end: int) -> int:
    """Signed integer of the exponent digits `[at, end)`, capped far outside every limit."""
    negative = False
    if at < end and (text[at] == 43 or text[at] == 45):
        negative = text[at] == 45
        at += 1
    value = 0
    while at < end:
        if value < _EXPONENT_CAP:
            value = value * 10 + (int(text[at]) - 48)
        at += 1
    return -value if negative else value


@compiled
def parse_decimal(text: Bytes, at: int, end: int) -> Checked:
    """The JSON number `[at, end)` and its code.

    `TOO_LARGE` from 10^15 in magnitude on: the number then is one far outside with the same sign.
    `TOO_PRECISE` below a multiple of 10^-12: the number then is the next multiple below it.
    """
    negative = text[at] == 45
    if negative:
        at += 1
    if end - at <= INTEGER_DIGITS_MAX:
        value = 0
        for k in range(at, end):
            digit = int(text[k]) - 48
            if digit < 0 or digit > 9:
                value = -1
                break
            value = value * 10 + digit
        if value >= 0:
            value = -value if negative else value
            high = value // _MICRO
            return FOUND, high, (value - high * _MICRO) * _HALF_BASE, 0
    return _parse_any(text, at, end, negative)


@compiled
def _parse_any(text: Bytes, at: int, end: int, negative: bool) -> Checked:
    """The number without its sign, whatever its form."""
    first, last, point, stop = -1, -1, -1, end  # first and last digit other than 0, point, 'e'
    for k in range(at, end):
        byte = text[k]
        if byte == 46:
            point = k
        elif byte == 101 or byte == 69:
            stop = k
            break
        elif byte != 48:
            first, last = k if first < 0 else first, k
    if first < 0:
        return FOUND, 0, 0, 0
    exponent = _exponent_of(text, stop + 1, end) if stop < end else 0
    units = point if point >= 0 else stop  # index after the digit of the ones
    top = exponent + (units - first if first < units else units - first + 1)  # digits before point
    low = exponent + (units - last - 1 if last < units else units - last)  # power of the last digit
    if top > INTEGER_DIGITS_MAX:
        return TOO_LARGE, -_FAR if negative else _FAR, 0, 0
    limbs = _digits(text, first, last, point, top + SCALE)
    high, middle, bottom = limbs
    if negative:
        high, middle, bottom = carried(-high, -middle, -bottom)
    if low < -SCALE:
        if negative:  # cut off towards zero, which is up
            high, middle, bottom = carried(high, middle, bottom - 1)
        return TOO_PRECISE, high, middle, bottom
    return FOUND, high, middle, bottom


@compiled
def _digits(text: Bytes, first: int, last: int, point: int, places: int) -> Number:
    """The first `places` digits from `first` on, zeros after `last`, as three limbs."""
    high, middle, low = 0, 0, 0
    k = first
    while places > 0:
        digit = 0
        if k == point:
            k += 1
        if k <= last:
            digit = int(text[k]) - 48
            k += 1
        if places > 18:
            high = high * 10 + digit
        elif places > 9:
            middle = middle * 10 + digit
        else:
            low = low * 10 + digit
        places -= 1
    return high, middle, low
