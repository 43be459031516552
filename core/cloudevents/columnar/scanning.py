"""Finding the events of a JSON array, compiled: where each attribute's text lies.

Grammar: RFC 8259. What is not clean ends the scan: a fault in the grammar, an escape, null or
another kind of value in an attribute, an attribute given twice, nesting beyond the limit, a void.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from core.cloudevents.columnar.instants import NO_INSTANT, instant
from core.compiled import compiled, inlined
from core.events import DATA_DEPTH_MAX, EVENT_BYTES_MAX, TEXT_BYTES_MAX, VOID_TYPE
from core.json_text import INVALID, Bytes, end_of_number, end_of_string, end_of_word

ID, SOURCE, TYPE, SUBJECT, TIME, DATA, VERSION = range(7)
"""Places of attributes in a row of spans, two columns each: where its text begins and ends."""

WHOLE: Final = 7
"""The place of the event itself."""

SPAN_COLUMNS: Final = 16
Spans = npt.NDArray[np.int32]
"""(events, `SPAN_COLUMNS`): of each event, where its attributes' texts begin and end, quotes not
included; equal where the event has none."""

Instants = npt.NDArray[np.int64]

_NAMES: Final = (b"id", b"source", b"type", b"subject", b"time", b"data", b"specversion")
_NAME_ENDS: Final = np.cumsum([0, *map(len, _NAMES)])
_NAME_BYTES: Final = np.frombuffer(b"".join(_NAMES), np.uint8)
_BASE64: Final = np.frombuffer(b"data_base64", np.uint8)
_VOID: Final = np.frombuffer(VOID_TYPE.encode(), np.uint8)
_LONGEST: Final = max(TEXT_BYTES_MAX.values())
_DEEPEST: Final = DATA_DEPTH_MAX
_LARGEST: Final = EVENT_BYTES_MAX
_OTHER: Final = -1
_ODD: Final = -2


@inlined
def _after_space(text: Bytes, at: int) -> int:
    while text[at] == 32 or text[at] == 10 or text[at] == 13 or text[at] == 9:
        at += 1
    return at


@compiled
def _after_key(text: Bytes, at: int, end: int) -> int:
    """Index of the value after the key at `at`, or -1."""
    if text[at] != 34:
        return INVALID
    close, _ = end_of_string(text, at + 1, end)
    if close < 0:
        return INVALID
    at = _after_space(text, close + 1)
    return _after_space(text, at + 1) if text[at] == 58 else INVALID


@compiled
def _end_of_scalar(text: Bytes, at: int, end: int) -> int:
    byte = text[at]
    if byte == 34:
        close, _ = end_of_string(text, at + 1, end)
        return close + 1 if close >= 0 else INVALID
    if byte == 45 or 48 <= byte <= 57:
        return end_of_number(text, at, end)
    return end_of_word(text, at, end)


@compiled
def end_of_value(text: Bytes, at: int, end: int) -> int:
    """Index after the JSON value at `at`, or -1; nested too deeply counts as a fault.

    The text goes on behind `end` with a byte that no JSON value holds, 0.
    """
    objects, depth = np.uint64(0), 0  # a bit for each open container, 1 for an object
    one = np.uint64(1)
    while True:
        byte = text[at]
        if byte == 123 or byte == 91:
            if depth == _DEEPEST:
                return INVALID
            depth += 1
            objects = objects << one | np.uint64(byte == 123)
            at = _after_space(text, at + 1)
            if text[at] != byte + 2:  # `}` is two after `{`, `]` after `[`
                if byte == 123:
                    at = _after_key(text, at, end)
                    if at < 0:
                        return INVALID
                continue
        else:
            at = _end_of_scalar(text, at, end)
            if at < 0 or depth == 0:
                return at
            at = _after_space(text, at)
        while depth and text[at] == (125 if objects & one else 93):
            depth, objects = depth - 1, objects >> one
            at += 1
            if depth == 0:
                return at
            at = _after_space(text, at)
        if text[at] != 44:
            return INVALID
        at = _after_space(text, at + 1)
        if objects & one:
            at = _after_key(text, at, end)
            if at < 0:
                return INVALID


@inlined
def _is(text: Bytes, at: int, size: int, name: Bytes) -> bool:
    same = size == len(name)
    k = 0
    while same and k < size:
        same = text[at + k] == name[k]
        k += 1
    return same


@compiled
def _attribute(text: Bytes, at: int, size: int) -> int:
    """Which attribute a name without escapes is."""
    for name in range(7):
        start = _NAME_ENDS[name]
        same = _NAME_ENDS[name + 1] - start == size
        k = 0
        while same and k < size:
            same = text[at + k] == _NAME_BYTES[start + k]
            k += 1
        if same:
            return name
    return _ODD if _is(text, at, size, _BASE64) else _OTHER


@compiled
def _scan_event(text: Bytes, at: int, end: int, spans: Spans, row: int) -> int:
    """Note the spans of the event whose text begins at `at`; index after it, or -1."""
    start, seen = at, 0
    if text[at] != 123:
        return INVALID
    spans[row] = 0
    at = _after_space(text, at + 1)
    while True:
        name, escaped = at + 1, True
        close = INVALID
        if text[at] == 34:
            close, escaped = end_of_string(text, name, end)
        if close < 0 or escaped:
            return INVALID
        which = _attribute(text, name, close - name)
        at = _after_space(text, close + 1)
        if text[at] != 58:
            return INVALID
        at = _after_space(text, at + 1)
        after = end_of_value(text, at, end)
        if after < 0 or which == _ODD:
            return INVALID
        if which >= 0:
            inside = 0 if which == DATA else 1
            if seen >> which & 1 or text[at] != (123 if which == DATA else 34):
                return INVALID
            seen |= 1 << which
            spans[row, 2 * which], spans[row, 2 * which + 1] = at + inside, after - inside
        at = _after_space(text, after)
        if text[at] == 125:
            spans[row, 2 * WHOLE], spans[row, 2 * WHOLE + 1] = start, at + 1
            return at + 1 if at + 1 - start <= _LARGEST else INVALID
        if text[at] != 44:
            return INVALID
        at = _after_space(text, at + 1)


@compiled
def _is_clean(text: Bytes, spans: Spans, row: int) -> bool:
    """Whether an event keeps the contract, its time aside, and is no void."""
    for which in range(ID, TIME):
        size = spans[row, 2 * which + 1] - spans[row, 2 * which]
        if not 1 <= size <= _LONGEST:
            return False
        for at in range(spans[row, 2 * which], spans[row, 2 * which + 1]):
            if text[at] == 92:
                return False
    at = spans[row, 2 * VERSION]
    if spans[row, 2 * VERSION + 1] - at != 3:
        return False
    if text[at] != 49 or text[at + 1] != 46 or text[at + 2] != 48:
        return False
    at = spans[row, 2 * TYPE]
    return not _is(text, at, spans[row, 2 * TYPE + 1] - at, _VOID)


@compiled
def scan(text: Bytes, end: int, received: int, latest: int, spans: Spans, times: Instants) -> int:
    """Find the events of the array `text[:end]`; how many, or -1 for a text that is not clean.

    `text` goes on behind `end` with at least one byte 0. `received` is the instant of an event
    without a time, `latest` the latest allowed one, in microseconds since the epoch. More events
    than `spans` has rows are not clean.
    """
    at = _after_space(text, 0)
    if text[at] != 91:
        return INVALID
    at = _after_space(text, at + 1)
    count = 0
    while True:
        if count == len(spans):
            return INVALID
        at = _scan_event(text, at, end, spans, count)
        if at < 0 or not _is_clean(text, spans, count):
            return INVALID
        start, stop = spans[count, 2 * TIME], spans[count, 2 * TIME + 1]
        times[count] = received
        if start:
            times[count] = instant(text, start, stop)
        if times[count] == NO_INSTANT or not 0 <= times[count] <= latest:
            return INVALID
        count += 1
        at = _after_space(text, at)
        if text[at] == 93:
            return count if _after_space(text, at + 1) == end else INVALID
        if text[at] != 44:
            return INVALID
        at = _after_space(text, at + 1)
