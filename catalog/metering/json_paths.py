"""Exact decimals at paths inside JSON objects, for whole columns at once, compiled.

A *plan* is the list of paths that the meters of one (tenant, event type) read; the row of a column
says which plan applies. `extract` walks each text once, whatever the number of paths, and checks
the grammar on the way. A repeated key counts by its last value, as JSON readers commonly agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from catalog.metering.json_text import (
    FOUND,
    INVALID,
    MISSING,
    NOT_A_NUMBER,
    Bytes,
    end_of_number,
    end_of_string,
    parse_decimal,
    unescape,
)
from core.compiled import compiled
from core.events import DATA_DEPTH_MAX

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8]
Limbs = npt.NDArray[np.uint64]

_KEY_OR_END, _KEY, _VALUE, _VALUE_OR_END, _AFTER = range(5)


@dataclass(frozen=True, slots=True)
class Paths:
    """Plans in the flat form that the kernel reads.

    Plan p owns slots `plan_slots[p] : plan_slots[p + 1]`; slot s reads the segments
    `slot_segments[s] : slot_segments[s + 1]`; segment g is the UTF-8 bytes
    `segment_bytes[segment_ends[g] : segment_ends[g + 1]]`. All index arrays are int64.
    """

    plan_slots: npt.NDArray[np.int64]
    slot_segments: npt.NDArray[np.int64]
    segment_ends: npt.NDArray[np.int64]
    segment_bytes: npt.NDArray[np.uint8]
    slots_max: int

    @classmethod
    def compile(cls, plans: Sequence[Sequence[Sequence[str]]]) -> Paths:
        """Flatten plans: for each plan its paths, for each path its keys from outside in."""
        paths = [path for plan in plans for path in plan]
        segments = [segment.encode() for path in paths for segment in path]
        return cls(
            _ends([len(plan) for plan in plans]),
            _ends([len(path) for path in paths]),
            _ends([len(segment) for segment in segments]),
            np.frombuffer(b"".join(segments), np.uint8),
            max((len(plan) for plan in plans), default=0),
        )


def _ends(sizes: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(np.array(sizes, np.int64)))).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Extracted:
    """What `extract` found, for n rows and k = `Paths.slots_max` slots.

    valid: bool (n,): the text is one JSON object. code: uint8 (k, n): `FOUND` or why not.
    limbs: uint64 (k, n, 2): low and high limb of the value times 10^12, two's complement, 0 where
    the code is not `FOUND`: the memory layout of Arrow's decimal128(38, 12).
    """

    valid: npt.NDArray[np.bool_]
    code: npt.NDArray[np.uint8]
    limbs: npt.NDArray[np.uint64]


def extract(
    text: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    plan_of_row: npt.NDArray[np.int64],
    paths: Paths,
) -> Extracted:
    """Read every row's paths. Row r: `text[offsets[r] : offsets[r + 1]]`; plan -1 reads nothing."""
    rows, slots = len(plan_of_row), paths.slots_max
    found = Extracted(
        np.zeros(rows, np.bool_),
        np.full((slots, rows), MISSING, np.uint8),
        np.zeros((slots, rows, 2), np.uint64),
    )
    _extract(
        text,
        offsets,
        plan_of_row,
        paths.plan_slots,
        paths.slot_segments,
        paths.segment_ends,
        paths.segment_bytes,
        found.valid,
        found.code,
        found.limbs,
        np.zeros(max(1, slots), np.int64),
        np.zeros(DATA_DEPTH_MAX + 1, np.uint8),
        np.zeros(int(np.diff(offsets).max(initial=0)), np.uint8),
    )
    return found


@compiled
def _extract(
    text: Bytes,
    offsets: Ints,
    plan_of_row: Ints,
    plan_slots: Ints,
    slot_segments: Ints,
    ends: Ints,
    names: Bytes,
    valid: npt.NDArray[np.bool_],
    code: Bytes,
    limbs: npt.NDArray[np.uint64],
    matched: Ints,
    stack: Bytes,
    plain: Bytes,
) -> None:
    for row in range(len(plan_of_row)):
        plan = plan_of_row[row]
        first, last = (plan_slots[plan], plan_slots[plan + 1]) if plan >= 0 else (0, 0)
        for slot in range(len(matched)):
            matched[slot] = 0
        valid[row] = _walk(
            text, offsets[row], offsets[row + 1], row, first, last, slot_segments, ends, names,
            matched, stack, code, limbs, plain,
        )  # fmt: skip
        if not valid[row]:
            for slot in range(last - first):
                code[slot, row] = MISSING
                limbs[slot, row, 0] = 0
                limbs[slot, row, 1] = 0


@compiled
def _same(
    text: Bytes,
    at: int,
    end: int,
    names: Bytes,
    start: int,
    stop: int,
) -> bool:
    if end - at != stop - start:
        return False
    for k in range(end - at):
        if text[at + k] != names[start + k]:
            return False
    return True


@compiled
def _match_key(
    text: Bytes, at: int, end: int, depth: int, row: int, first: int, last: int,
    slot_segments: Ints, ends: Ints, names: Bytes, matched: Ints, code: Codes, limbs: Limbs,
) -> None:  # fmt: skip
    """Note for each slot of the row whether the key at this depth continues its path."""
    for slot in range(last - first):
        if matched[slot] < depth - 1:
            continue
        segment = slot_segments[first + slot] + depth - 1
        inside = segment < slot_segments[first + slot + 1]
        if inside and _same(text, at, end, names, ends[segment], ends[segment + 1]):
            matched[slot] = depth
            code[slot, row] = MISSING  # the last of repeated keys counts
            limbs[slot, row, 0] = 0
            limbs[slot, row, 1] = 0
        else:
            matched[slot] = depth - 1


@compiled
def _take_value(
    text: Bytes, at: int, end: int, depth: int, row: int, first: int, last: int,
    slot_segments: Ints, matched: Ints, code: Codes, limbs: Limbs,
) -> None:  # fmt: skip
    """Give the scalar `[at, end)` to the slots whose path ends here; `end` = `at`: not a number."""
    for slot in range(last - first):
        length = slot_segments[first + slot + 1] - slot_segments[first + slot]
        if matched[slot] != depth or length != depth:
            continue
        reason, high, low = NOT_A_NUMBER, np.int64(0), np.uint64(0)
        if end > at and end_of_number(text, at, end) == end:
            reason, high, low = parse_decimal(text, at, end)
        code[slot, row] = reason
        if reason == FOUND:
            limbs[slot, row, 0] = low
            limbs[slot, row, 1] = np.uint64(high)


@compiled
def _end_of_word(text: Bytes, at: int, end: int) -> int:
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
def _is_space(byte: int) -> bool:
    return byte == 32 or byte == 10 or byte == 13 or byte == 9


@compiled
def _leave(depth: int, slots: int, matched: Ints) -> int:
    """Close a container at `depth`; returns the depth outside it."""
    for slot in range(slots):
        matched[slot] = min(matched[slot], depth - 1)
    return depth - 1


@compiled
def _key(
    text: Bytes, at: int, end: int, depth: int, row: int, first: int, last: int,
    slot_segments: Ints, ends: Ints, names: Bytes, matched: Ints, code: Codes, limbs: Limbs,
    plain: Bytes,
) -> int:  # fmt: skip
    """Read the key at `at` and its colon; returns the index after them, or -1."""
    if text[at] != 34:
        return INVALID
    close, escaped = end_of_string(text, at + 1, end)
    if close < 0:
        return INVALID
    if escaped:
        size = unescape(text, at + 1, close, plain)
        _match_key(
            plain, 0, size, depth, row, first, last, slot_segments, ends, names, matched,
            code, limbs,
        )  # fmt: skip
    else:
        _match_key(
            text, at + 1, close, depth, row, first, last, slot_segments, ends, names, matched,
            code, limbs,
        )  # fmt: skip
    at = close + 1
    while at < end and _is_space(text[at]):
        at += 1
    return at + 1 if at < end and text[at] == 58 else INVALID


@compiled
def _scalar(
    text: Bytes, at: int, end: int, depth: int, row: int, first: int, last: int,
    slot_segments: Ints, matched: Ints, code: Codes, limbs: Limbs, plain: Bytes,
) -> int:  # fmt: skip
    """Read the string, number or word at `at`; returns the index after it, or -1."""
    start, stop = at, at
    if text[at] == 34:
        close, escaped = end_of_string(text, at + 1, end)
        if close < 0:
            return INVALID
        start, stop, after = at + 1, close, close + 1
        if escaped:
            size = unescape(text, start, stop, plain)
            _take_value(
                plain, 0, size, depth, row, first, last, slot_segments, matched, code, limbs
            )
            return after
    elif text[at] == 45 or 48 <= text[at] <= 57:
        stop = after = end_of_number(text, start, end)
    else:
        after = _end_of_word(text, start, end)
    if after >= 0:
        _take_value(text, start, stop, depth, row, first, last, slot_segments, matched, code, limbs)
    return after


@compiled
def _walk(
    text: Bytes, at: int, end: int, row: int, first: int, last: int, slot_segments: Ints,
    ends: Ints, names: Bytes, matched: Ints, stack: Bytes, code: Codes, limbs: Limbs, plain: Bytes,
) -> bool:  # fmt: skip
    """Walk one text; returns whether it is one JSON object."""
    depth, state = 0, _VALUE
    while at < end:
        byte = text[at]
        if _is_space(byte):
            at += 1
        elif state == _AFTER:
            if depth > 0 and byte == 44:
                state = _KEY if stack[depth] == 123 else _VALUE
            elif depth > 0 and byte == stack[depth] + 2:  # `}` is two after `{`, `]` after `[`
                depth = _leave(depth, last - first, matched)
            else:
                return False
            at += 1
        elif (state == _KEY_OR_END and byte == 125) or (state == _VALUE_OR_END and byte == 93):
            at, depth, state = at + 1, _leave(depth, last - first, matched), _AFTER
        elif state == _KEY or state == _KEY_OR_END:
            at = _key(
                text, at, end, depth, row, first, last, slot_segments, ends, names, matched, code,
                limbs, plain,
            )  # fmt: skip
            if at < 0:
                return False
            state = _VALUE
        elif byte == 123 or (byte == 91 and depth > 0):
            if depth == DATA_DEPTH_MAX:
                return False
            _take_value(text, at, at, depth, row, first, last, slot_segments, matched, code, limbs)
            depth += 1
            stack[depth] = byte
            at, state = at + 1, _KEY_OR_END if byte == 123 else _VALUE_OR_END
        else:
            if depth == 0:
                return False
            at = _scalar(
                text, at, end, depth, row, first, last, slot_segments, matched, code, limbs, plain
            )
            if at < 0:
                return False
            state = _AFTER
    return state == _AFTER and depth == 0
