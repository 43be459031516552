"""Values, filters and dimensions of every event, compiled: one walk of a text for all of them."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from catalog.metering.decimals import (
    FOUND,
    MISSING,
    NOT_A_NUMBER,
    TOO_LONG,
    carried,
    ceiled,
    checked,
    compare,
    floored,
    multiplied,
    parse_decimal,
    to_limbs,
)
from catalog.metering.filtering import Desk, number_at, passes
from catalog.metering.json_paths import (
    CONTAINER,
    ESCAPED,
    KIND,
    NOTHING,
    NUMBER,
    START,
    STOP,
    STRING,
    Found,
    Ints,
    Paths,
    walk,
)
from catalog.metering.programs import (
    ADD,
    CEIL,
    COALESCE,
    CONSTANT,
    FLOOR,
    GREATEST,
    LEAST,
    MULTIPLY,
    NEGATE,
    PATH,
    SUBTRACT,
    Programs,
)
from core.compiled import compiled
from core.json_text import Bytes, end_of_number

TEXT_BYTES_MAX: Final = 256
"""Longest dimension and distinct value; an event with a longer one cannot be metered."""

LEFT_OUT, TAKEN, TAKEN_TOO_LONG = range(3)
"""What a view does with an event: its filter leaves it out; it is in; it is in, but one of its
dimensions is too long."""

_HEX: Final = b"0123456789abcdef"


class Measured(NamedTuple):
    """What `evaluate` writes, for n events: k values, t texts and v views at most in a plan.

    valid (n,); reason, high, low (k, n); text_reason (t, n), text_ends (t, n + 1), text_bytes (t,
    room); taken (v, n), dimension_ends (v, n + 1), dimension_bytes (v, room). Texts and dimensions
    are UTF-8, those of event r at `ends[r] : ends[r + 1]`.
    """

    valid: Bytes
    reason: npt.NDArray[np.uint8]
    high: Ints
    low: npt.NDArray[np.uint64]
    text_reason: npt.NDArray[np.uint8]
    text_ends: Ints
    text_bytes: Bytes
    taken: npt.NDArray[np.uint8]
    dimension_ends: Ints
    dimension_bytes: Bytes


# As in json_paths: what runs for every value gets single arrays, not the tuples that hold them.


@compiled
def _read_numbers(
    text: Bytes, plain: Bytes, first: int, last: int, wanted: Bytes, slots: Ints, numbers: Ints
) -> None:
    """The number at each slot that is read as one."""
    for slot in range(last - first):
        if not wanted[first + slot]:
            continue
        kind = slots[slot, KIND]
        code, high, middle, low = NOT_A_NUMBER, 0, 0, 0
        if kind == NOTHING:
            code = MISSING
        elif kind == NUMBER or kind == STRING:
            source = plain if slots[slot, ESCAPED] else text
            start, stop = slots[slot, START], slots[slot, STOP]
            if kind == NUMBER or (stop > start and end_of_number(source, start, stop) == stop):
                code, high, middle, low = parse_decimal(source, start, stop)
        numbers[slot, 0], numbers[slot, 1] = code, high
        numbers[slot, 2], numbers[slot, 3] = middle, low


@compiled
def _put(stack: Ints, top: int, code: int, high: int, middle: int, low: int) -> None:
    stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3] = code, high, middle, low


@compiled
def _combine(operation: int, stack: Ints, top: int) -> None:
    """Replace the two numbers below `top` by their combination; the first reason wins."""
    left, right = top - 2, top - 1
    code, high, middle, low = number_at(stack, left)
    code2, high2, middle2, low2 = number_at(stack, right)
    if operation == COALESCE:
        if code == MISSING:
            _put(stack, left, code2, high2, middle2, low2)
        return
    if code != FOUND:
        return
    if code2 != FOUND:
        _put(stack, left, code2, 0, 0, 0)
    elif operation == ADD:
        code, high, middle, low = checked(*carried(high + high2, middle + middle2, low + low2))
        _put(stack, left, code, high, middle, low)
    elif operation == SUBTRACT:
        code, high, middle, low = checked(*carried(high - high2, middle - middle2, low - low2))
        _put(stack, left, code, high, middle, low)
    elif operation == MULTIPLY:
        code, high, middle, low = multiplied(high, middle, low, high2, middle2, low2)
        _put(stack, left, code, high, middle, low)
    else:
        order = compare(high, middle, low, high2, middle2, low2)
        if (operation == LEAST and order > 0) or (operation == GREATEST and order < 0):
            _put(stack, left, FOUND, high2, middle2, low2)


@compiled
def _compute(
    first: int, last: int, steps: Ints, constants: Ints, numbers: Ints, stack: Ints
) -> None:
    """Run the steps `[first, last)`; the result is `stack[0]`."""
    top = 0
    for step in range(first, last):
        operation, operand = steps[step, 0], steps[step, 1]
        if operation == PATH:
            for k in range(4):
                stack[top, k] = numbers[operand, k]
            top += 1
        elif operation == CONSTANT:
            stack[top, 0] = FOUND
            for k in range(3):
                stack[top, k + 1] = constants[operand, k]
            top += 1
        elif operation == NEGATE or operation == CEIL or operation == FLOOR:
            code, high, middle, low = number_at(stack, top - 1)
            if code == FOUND:
                if operation == NEGATE:
                    code, high, middle, low = checked(*carried(-high, -middle, -low))
                elif operation == CEIL:
                    code, high, middle, low = ceiled(high, middle, low)
                else:
                    code, high, middle, low = floored(high, middle)
                _put(stack, top - 1, code, high, middle, low)
        else:
            _combine(operation, stack, top)
            top -= 1


@compiled
def _put_json(source: Bytes, start: int, stop: int, out: Bytes, at: int) -> int:
    """Write a text as a JSON string, escaping only what must be; returns where it ends."""
    out[at] = 34
    at += 1
    for k in range(start, stop):
        byte = source[k]
        if byte == 34 or byte == 92:
            out[at], out[at + 1] = 92, byte
            at += 2
        elif byte >= 32:
            out[at] = byte
            at += 1
        else:
            short = 0
            if byte == 8:
                short = 98
            elif byte == 9:
                short = 116
            elif byte == 10:
                short = 110
            elif byte == 12:
                short = 102
            elif byte == 13:
                short = 114
            out[at] = 92
            if short:
                out[at + 1] = short
                at += 2
            else:
                out[at + 1], out[at + 2], out[at + 3] = 117, 48, 48
                out[at + 4], out[at + 5] = _HEX[byte >> 4], _HEX[byte & 15]
                at += 6
    out[at] = 34
    return at + 1


@compiled
def _put_dimensions(
    text: Bytes, plain: Bytes, slots: Ints, first: int, last: int, dimensions: Ints, out: Bytes,
    at: int,
) -> tuple[int, bool]:  # fmt: skip
    """Write the dimensions of a view as a JSON array; returns its end and whether one is too long.

    One that is too long is null, as one that is missing or has no text.
    """
    long = False
    out[at] = 91
    at += 1
    for k in range(first, last):
        if k > first:
            out[at] = 44
            at += 1
        slot = dimensions[k]
        kind, start, stop = slots[slot, KIND], slots[slot, START], slots[slot, STOP]
        is_text = kind != NOTHING and kind != CONTAINER
        if is_text and stop - start <= TEXT_BYTES_MAX:
            at = _put_json(plain if slots[slot, ESCAPED] else text, start, stop, out, at)
        else:
            long = long or is_text
            for byte in b"null":
                out[at] = byte
                at += 1
    out[at] = 93
    return at + 1, long


@compiled
def _put_texts(
    text: Bytes, row: int, first: int, last: int, programs: Programs, found: Found, out: Measured
) -> None:
    """The distinct values `[first, last)` of one event."""
    slots = found.at
    for k in range(last - first):
        slot = programs.text_slots[first + k]
        kind, start, stop = slots[slot, KIND], slots[slot, START], slots[slot, STOP]
        if kind == NOTHING or kind == CONTAINER:
            out.text_reason[k, row] = MISSING
        elif stop - start > TEXT_BYTES_MAX:
            out.text_reason[k, row] = TOO_LONG
        else:
            out.text_reason[k, row] = FOUND
            source = found.plain if slots[slot, ESCAPED] else text
            at = out.text_ends[k, row]
            for byte in range(start, stop):
                out.text_bytes[k, at] = source[byte]
                at += 1
            out.text_ends[k, row + 1] = at


@compiled
def evaluate(
    text: Bytes, offsets: Ints, plan_of_row: Ints, paths: Paths, programs: Programs, found: Found,
    desk: Desk, out: Measured,
) -> None:  # fmt: skip
    """Measure every event. Event r: `text[offsets[r] : offsets[r + 1]]`; plan -1 reads nothing.

    `out` holds zeros, its reasons `MISSING`.
    """
    numbers, stack = desk.numbers, desk.stack
    for row in range(len(plan_of_row)):
        plan = plan_of_row[row]
        for k in range(len(out.text_reason)):
            out.text_ends[k, row + 1] = out.text_ends[k, row]
        for k in range(len(out.taken)):
            out.dimension_ends[k, row + 1] = out.dimension_ends[k, row]
        first, last = 0, 0
        if plan >= 0:
            first, last = paths.plan_slots[plan], paths.plan_slots[plan + 1]
        valid = walk(text, offsets[row], offsets[row + 1], first, last, paths, found)
        out.valid[row] = valid
        if not valid or plan < 0:
            continue
        _read_numbers(text, found.plain, first, last, programs.numbers, found.at, numbers)
        start = programs.plan_values[plan]
        for k in range(programs.plan_values[plan + 1] - start):
            step, end = programs.value_ends[start + k], programs.value_ends[start + k + 1]
            if end == step + 1 and programs.steps[step, 0] == PATH:
                code, high, middle, low = number_at(numbers, programs.steps[step, 1])
            else:
                _compute(step, end, programs.steps, programs.constants, numbers, stack)
                code, high, middle, low = number_at(stack, 0)
            out.reason[k, row] = code
            if code == FOUND:
                out.high[k, row], out.low[k, row] = to_limbs(high, middle, low)
        start, end = programs.plan_texts[plan], programs.plan_texts[plan + 1]
        if end > start:
            _put_texts(text, row, start, end, programs, found, out)
        start = programs.plan_views[plan]
        for k in range(programs.plan_views[plan + 1] - start):
            test, end = programs.test_ends[start + k], programs.test_ends[start + k + 1]
            if end > test and not passes(text, test, end, programs, found, desk):
                continue
            out.taken[k, row] = TAKEN
            slot, end = programs.dimension_ends[start + k], programs.dimension_ends[start + k + 1]
            if end > slot:
                out.dimension_ends[k, row + 1], long = _put_dimensions(
                    text, found.plain, found.at, slot, end, programs.dimension_slots,
                    out.dimension_bytes[k], out.dimension_ends[k, row],
                )  # fmt: skip
                if long:
                    out.taken[k, row] = TAKEN_TOO_LONG
