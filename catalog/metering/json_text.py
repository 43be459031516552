"""JSON text, one byte at a time, compiled: strings, numbers, and the exact decimal a number says.

Grammar: RFC 8259. Positions are indexes into a `uint8` buffer; every function stops before `end`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from core.compiled import compiled

FOUND: Final = 0
MISSING: Final = 1
NOT_A_NUMBER: Final = 2
TOO_LARGE: Final = 3
TOO_PRECISE: Final = 4
REASONS: Final = ("found", "missing", "not_a_number", "too_large", "too_precise")
"""Names of the codes above: why a value cannot be metered, by code."""

SCALE: Final = 12
INTEGER_DIGITS_MAX: Final = 15
_LIMB_DIGITS: Final = 14
_EXPONENT_CAP: Final = 1_000_000_000
INVALID: Final = -1


Bytes = npt.NDArray[np.uint8]
"""UTF-8 text as the kernels see it."""


@compiled
def hex_digit(byte: int) -> int:
    """Value of a hexadecimal digit, or -1."""
    if 48 <= byte <= 57:
        return byte - 48
    if 97 <= byte <= 102:
        return byte - 87
    if 65 <= byte <= 70:
        return byte - 55
    return -1


@compiled
def read_unit(text: Bytes, at: int, end: int) -> int:
    """The 16-bit unit of the four hex digits at `at`, or -1."""
    if at + 4 > end:
        return -1
    unit = 0
    for k in range(at, at + 4):
        digit = hex_digit(text[k])
        if digit < 0:
            return -1
        unit = unit * 16 + digit
    return unit


@compiled
def end_of_string(text: Bytes, at: int, end: int) -> tuple[int, bool]:
    """Where the string whose content starts at `at` closes (or -1), and whether it has escapes."""
    escaped = False
    while at < end:
        byte = text[at]
        if byte == 34:
            return at, escaped
        if byte < 32:
            return -1, escaped
        if byte == 92:
            escaped = True
            at += 1
            if at >= end:
                return -1, escaped
            code = text[at]
            if code == 117:
                if read_unit(text, at + 1, end) < 0:
                    return -1, escaped
                at += 4
            elif code not in (34, 92, 47, 98, 102, 110, 114, 116):
                return -1, escaped
        at += 1
    return -1, escaped


@compiled
def append_utf8(out: Bytes, size: int, point: int) -> int:
    """Append a code point in UTF-8; returns the new size."""
    if point < 0x80:
        out[size] = point
        return size + 1
    if point < 0x800:
        out[size] = 0xC0 | point >> 6
        out[size + 1] = 0x80 | point & 0x3F
        return size + 2
    if point < 0x10000:
        out[size] = 0xE0 | point >> 12
        out[size + 1] = 0x80 | point >> 6 & 0x3F
        out[size + 2] = 0x80 | point & 0x3F
        return size + 3
    out[size] = 0xF0 | point >> 18
    out[size + 1] = 0x80 | point >> 12 & 0x3F
    out[size + 2] = 0x80 | point >> 6 & 0x3F
    out[size + 3] = 0x80 | point & 0x3F
    return size + 4


@compiled
def unescape(text: Bytes, at: int, end: int, out: Bytes) -> int:
    """Write a valid string's content `[at, end)`, its escapes resolved, to `out`; its size.

    `out` has room for `end - at` bytes.
    """
    size = 0
    while at < end:
        byte = text[at]
        if byte != 92:
            out[size] = byte
            size, at = size + 1, at + 1
            continue
        code = text[at + 1]
        at += 2
        if code == 117:
            point = read_unit(text, at, end)
            at += 4
            if (
                0xD800 <= point < 0xDC00
                and at + 6 <= end
                and text[at] == 92
                and text[at + 1] == 117
            ):
                low = read_unit(text, at + 2, end)
                if 0xDC00 <= low < 0xE000:
                    point = 0x10000 + (point - 0xD800 << 10) + (low - 0xDC00)
                    at += 6
            size = append_utf8(out, size, point)
        else:
            plain = code
            if code == 98:
                plain = 8
            elif code == 102:
                plain = 12
            elif code == 110:
                plain = 10
            elif code == 114:
                plain = 13
            elif code == 116:
                plain = 9
            out[size] = plain
            size += 1
    return size


@compiled
def end_of_number(text: Bytes, at: int, end: int) -> int:
    """Index after the JSON number at `at`, or -1 if there is none."""
    if at < end and text[at] == 45:
        at += 1
    if at >= end or not 48 <= text[at] <= 57:
        return -1
    if text[at] == 48:
        at += 1
    else:
        while at < end and 48 <= text[at] <= 57:
            at += 1
    if at < end and text[at] == 46:
        at += 1
        start = at
        while at < end and 48 <= text[at] <= 57:
            at += 1
        if at == start:
            return -1
    if at < end and (text[at] == 101 or text[at] == 69):
        at += 1
        if at < end and (text[at] == 43 or text[at] == 45):
            at += 1
        start = at
        while at < end and 48 <= text[at] <= 57:
            at += 1
        if at == start:
            return -1
    return at


@compiled
def exponent_of(text: Bytes, at: int, end: int) -> int:
    """Signed integer of the exponent digits `[at, end)`, capped far outside every limit."""
    negative = False
    if at < end and (text[at] == 43 or text[at] == 45):
        negative = text[at] == 45
        at += 1
    value = 0
    while at < end:
        if value < _EXPONENT_CAP:
            value = value * 10 + (text[at] - 48)
        at += 1
    return -value if negative else value


@compiled
def parse_decimal(text: Bytes, at: int, end: int) -> tuple[int, np.int64, np.uint64]:
    """The number `[at, end)` times 10^12 as a 128-bit integer: (code, high limb, low limb).

    The span must satisfy `end_of_number`. Exact or refused: `TOO_LARGE` from 10^15 in magnitude on,
    `TOO_PRECISE` below a multiple of 10^-12.
    """
    negative = text[at] == 45
    if negative:
        at += 1
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
    zero, none = np.int64(0), np.uint64(0)
    if first < 0:
        return FOUND, zero, none
    exponent = exponent_of(text, stop + 1, end) if stop < end else 0
    units = point if point >= 0 else stop  # index after the digit of the ones
    top = exponent + (units - first if first < units else units - first + 1)  # digits before point
    low = exponent + (units - last - 1 if last < units else units - last)  # power of the last digit
    if top > INTEGER_DIGITS_MAX:
        return TOO_LARGE, zero, none
    if low < -SCALE:
        return TOO_PRECISE, zero, none
    head, tail = np.uint64(0), np.uint64(0)  # value = head * 10^14 + tail
    place = top + SCALE  # digits of the scaled integer, at most 27
    k = first
    while place > 0:
        digit = np.uint64(0)
        if k <= last:
            if k == point:
                k += 1
            digit = np.uint64(text[k] - 48)
            k += 1
        if place > _LIMB_DIGITS:
            head = head * np.uint64(10) + digit
        else:
            tail = tail * np.uint64(10) + digit
        place -= 1
    return combine(head, tail, negative)


@compiled
def combine(head: np.uint64, tail: np.uint64, negative: bool) -> tuple[int, np.int64, np.uint64]:
    """Head * 10^14 + tail in two's complement over two 64-bit limbs; both are below 10^14."""
    factor = np.uint64(100_000_000_000_000)
    mask, bits = np.uint64(0xFFFFFFFF), np.uint64(32)
    head_low, head_high = head & mask, head >> bits
    factor_low, factor_high = factor & mask, factor >> bits
    low_low = head_low * factor_low
    middle = head_high * factor_low + (low_low >> bits)
    middle_low = head_low * factor_high + (middle & mask)
    high = head_high * factor_high + (middle >> bits) + (middle_low >> bits)
    low = (middle_low << bits) | (low_low & mask)
    total = low + tail
    if total < low:
        high += np.uint64(1)
    if negative:
        total = ~total + np.uint64(1)
        high = ~high
        if total == np.uint64(0):
            high += np.uint64(1)
    return FOUND, np.int64(high), total
