"""JSON text, one byte at a time, compiled: strings, words, numbers.

Grammar: RFC 8259, in UTF-8. Positions are indexes into a `uint8` buffer; every function stops
before `end`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core.compiled import compiled

INVALID: Final = -1


Bytes = npt.NDArray[np.uint8]
"""UTF-8 text as the kernels see it."""

_PLAIN: Final = np.array([32 <= byte < 128 and byte not in b'"\\' for byte in range(256)])
"""Whether a byte of a string stands for itself."""


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
def end_of_character(text: Bytes, at: int, end: int) -> int:
    """Index after the UTF-8 character of more than one byte at `at`, or -1."""
    first = int(text[at])
    size = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if not 0xC2 <= first <= 0xF4 or at + size > end:
        return INVALID
    second = int(text[at + 1])
    low, high = 0x80, 0xBF
    if first == 0xE0:
        low = 0xA0
    elif first == 0xED:
        high = 0x9F
    elif first == 0xF0:
        low = 0x90
    elif first == 0xF4:
        high = 0x8F
    if not low <= second <= high:
        return INVALID
    for k in range(at + 2, at + size):
        if text[k] & 0xC0 != 0x80:
            return INVALID
    return at + size


@compiled
def end_of_word(text: Bytes, at: int, end: int) -> int:
    """Index after `true`, `false` or `null` at `at`, or -1."""
    for word in (b"true", b"false", b"null"):
        size = len(word)
        same = at + size <= end
        for k in range(size):
            same = same and text[at + k] == word[k]
        if same:
            return at + size
    return INVALID


@compiled
def end_of_string(text: Bytes, at: int, end: int) -> tuple[int, bool]:
    """Where the string whose content starts at `at` closes (or -1), and whether it has escapes."""
    # Unsigned indexes spare the check for negative ones: most bytes of an event pass here.
    place, stop, one = np.uint64(at), np.uint64(end), np.uint64(1)
    while place < stop and _PLAIN[text[place]]:
        place += one
    close: Any = np.int64(place)
    if place < stop and text[place] == 34:
        return close, False
    return _end_of_odd_string(text, close, end)


@compiled
def _end_of_odd_string(text: Bytes, at: int, end: int) -> tuple[int, bool]:
    """The same, for any string."""
    escaped = False
    while at < end:
        byte = text[at]
        if byte == 34:
            return at, escaped
        if byte < 32:
            return -1, escaped
        if byte >= 128:
            at = end_of_character(text, at, end)
            if at < 0:
                return -1, escaped
            continue
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

    `out` has room for `end - at` bytes. Half of a surrogate pair becomes U+FFFD.
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
            if 0xD800 <= point < 0xE000:
                point = 0xFFFD
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
