"""What stands at paths inside a JSON object, compiled: one walk of the text for all paths.

A *slot* is one path of one plan. The walk checks the grammar and notes for each slot the last thing
that stands at its path: a repeated key counts by its last value, as JSON readers commonly agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from core.compiled import compiled
from core.events import DATA_DEPTH_MAX
from core.json_text import (
    INVALID,
    Bytes,
    end_of_number,
    end_of_string,
    end_of_word,
    unescape,
)

Ints = npt.NDArray[np.int64]

NOTHING: Final = 0
STRING: Final = 1
NUMBER: Final = 2
WORD: Final = 3
CONTAINER: Final = 4
"""Kinds of things at a path. JSON null is NOTHING; WORD is true or false."""

_KEY_OR_END, _KEY, _VALUE, _VALUE_OR_END, _AFTER = range(5)


class Paths(NamedTuple):
    """Plans' paths in the flat form that the kernel reads.

    Plan p owns slots `plan_slots[p] : plan_slots[p + 1]`; slot s reads the segments
    `slot_segments[s] : slot_segments[s + 1]`; segment g is the UTF-8 bytes
    `segment_bytes[segment_ends[g] : segment_ends[g + 1]]`.
    """

    plan_slots: Ints
    slot_segments: Ints
    segment_ends: Ints
    segment_bytes: Bytes


def compile_paths(plans: Sequence[Sequence[Sequence[str]]]) -> Paths:
    """Flatten plans: for each plan its paths, for each path its keys from outside in."""
    paths = [path for plan in plans for path in plan]
    segments = [segment.encode() for path in paths for segment in path]
    return Paths(
        ends_of([len(plan) for plan in plans]),
        ends_of([len(path) for path in paths]),
        ends_of([len(segment) for segment in segments]),
        np.frombuffer(b"".join(segments), np.uint8),
    )


def ends_of(sizes: Sequence[int]) -> Ints:
    """Where things of these sizes begin and end, laid one after another: n + 1 offsets."""
    return np.concatenate(([0], np.cumsum(np.array(sizes, np.int64)))).astype(np.int64)


class Found(NamedTuple):
    """What one text has at the slots of its plan, overwritten by the next text.

    at: (slots, `FIELDS`): kind, start and stop of the text, 1 if it had escapes and so lies in
    `plain` instead of the text itself, and how many steps of the path the walk has matched.
    plain is arena, read-only like the text; stack belongs to the walk.
    """

    at: Ints
    arena: Bytes
    plain: Bytes
    stack: Bytes


KIND, START, STOP, ESCAPED, MATCHED = range(5)
FIELDS: Final = 5


def room_for(slots: int, text_bytes: int) -> Found:
    """Room for texts of up to `text_bytes` with up to `slots` slots."""
    arena = np.zeros(text_bytes + 1, np.uint8)
    plain = arena.view()
    plain.flags.writeable = False
    return Found(
        np.zeros((max(1, slots), FIELDS), np.int64),
        arena,
        plain,
        np.zeros(DATA_DEPTH_MAX + 1, np.uint8),
    )


# A function that is called for every key or value gets the few arrays that it needs, not the tuples
# that hold them: passing a tuple copies every array's description.


@compiled
def _match_key(
    text: Bytes, at: int, end: int, depth: int, first: int, last: int, slot_segments: Ints,
    segment_ends: Ints, segment_bytes: Bytes, slots: Ints,
) -> bool:  # fmt: skip
    """Note for each slot whether the key at this depth continues its path; any whether it ends."""
    hit = False
    size = end - at
    for slot in range(last - first):
        if slots[slot, MATCHED] < depth - 1:
            continue
        segment = slot_segments[first + slot] + depth - 1
        same = segment < slot_segments[first + slot + 1]
        if same:
            start = segment_ends[segment]
            same = segment_ends[segment + 1] - start == size
            k = 0
            while same and k < size:
                same = text[at + k] == segment_bytes[start + k]
                k += 1
        if same:
            slots[slot, MATCHED] = depth
            slots[slot, KIND] = NOTHING  # the last of repeated keys counts
            hit = hit or segment + 1 == slot_segments[first + slot + 1]
        else:
            slots[slot, MATCHED] = depth - 1
    return hit


@compiled
def _take(
    kind: int, start: int, stop: int, escaped: int, depth: int, first: int, last: int,
    slot_segments: Ints, slots: Ints,
) -> None:  # fmt: skip
    """Give what stands here to the slots whose path ends here."""
    for slot in range(last - first):
        length = slot_segments[first + slot + 1] - slot_segments[first + slot]
        if slots[slot, MATCHED] == depth and length == depth:
            slots[slot, KIND] = kind
            slots[slot, START], slots[slot, STOP] = start, stop
            slots[slot, ESCAPED] = escaped


@compiled
def _is_space(byte: int) -> bool:
    return byte == 32 or byte == 10 or byte == 13 or byte == 9


@compiled
def _leave(depth: int, count: int, slots: Ints) -> int:
    """Close a container at `depth`; returns the depth outside it."""
    for slot in range(count):
        slots[slot, MATCHED] = min(slots[slot, MATCHED], depth - 1)
    return depth - 1


@compiled
def _after_colon(text: Bytes, at: int, end: int) -> int:
    """Index after the colon that follows a key, or -1."""
    while at < end and _is_space(text[at]):
        at += 1
    return at + 1 if at < end and text[at] == 58 else INVALID


@compiled
def _scalar(text: Bytes, at: int, end: int) -> tuple[int, int, int, int, bool]:
    """Read the string, number or word at `at`.

    Returns the index after it, or -1; its kind; where its text begins and ends; whether it has
    escapes.
    """
    byte = text[at]
    if byte == 34:
        close, escaped = end_of_string(text, at + 1, end)
        return close + 1 if close >= 0 else INVALID, STRING, at + 1, close, escaped
    if byte == 45 or 48 <= byte <= 57:
        after = end_of_number(text, at, end)
        return after, NUMBER, at, after, False
    after = end_of_word(text, at, end)
    return after, NOTHING if byte == 110 else WORD, at, after, False


@compiled
def walk(  # noqa: PLR0915 - one loop over the grammar
    text: Bytes, at: int, end: int, first: int, last: int, paths: Paths, found: Found
) -> bool:
    """Walk one text for the slots `[first, last)`; returns whether it is one JSON object."""
    slots, arena, stack = found.at, found.arena, found.stack
    segments, ends, names = paths.slot_segments, paths.segment_ends, paths.segment_bytes
    count, fill = last - first, 0
    for slot in range(count):
        slots[slot, MATCHED] = 0
        slots[slot, KIND] = NOTHING
    depth, state, hit = 0, _VALUE, False
    while at < end:
        byte = text[at]
        if byte <= 32:
            if not _is_space(byte):
                return False
            at += 1
        elif state == _AFTER:
            if depth > 0 and byte == 44:
                state = _KEY if stack[depth] == 123 else _VALUE
            elif depth > 0 and byte == stack[depth] + 2:  # `}` is two after `{`, `]` after `[`
                depth = _leave(depth, count, slots)
            else:
                return False
            at += 1
        elif (state == _KEY_OR_END and byte == 125) or (state == _VALUE_OR_END and byte == 93):
            at, depth, state = at + 1, _leave(depth, count, slots), _AFTER
        elif state == _KEY or state == _KEY_OR_END:
            close, escaped = INVALID, False
            if byte == 34:
                close, escaped = end_of_string(text, at + 1, end)
            if close < 0:
                return False
            if count and escaped:
                stop = fill + unescape(text, at + 1, close, arena[fill:])
                hit = _match_key(
                    found.plain, fill, stop, depth, first, last, segments, ends, names, slots
                )
            elif count:
                hit = _match_key(
                    text, at + 1, close, depth, first, last, segments, ends, names, slots
                )
            at = _after_colon(text, close + 1, end)
            if at < 0:
                return False
            state = _VALUE
        elif byte == 123 or (byte == 91 and depth > 0):
            if depth == DATA_DEPTH_MAX:
                return False
            if hit:
                _take(CONTAINER, at, at, 0, depth, first, last, segments, slots)
                hit = False
            depth += 1
            stack[depth] = byte
            at, state = at + 1, _KEY_OR_END if byte == 123 else _VALUE_OR_END
        else:
            at, kind, start, stop, escaped = _scalar(text, at, end)
            if at < 0 or depth == 0:
                return False
            if hit:
                if escaped:
                    stop = fill + unescape(text, start, stop, arena[fill:])
                    start, fill = fill, stop
                _take(kind, start, stop, 1 if escaped else 0, depth, first, last, segments, slots)
                hit = False
            state = _AFTER
    return state == _AFTER and depth == 0
