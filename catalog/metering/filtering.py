"""Whether a filter takes an event, compiled. What its tests mean: catalog/metering/filters.py."""

from __future__ import annotations

from typing import NamedTuple

from catalog.metering.decimals import MISSING, NOT_A_NUMBER, TOO_PRECISE, compare
from catalog.metering.json_paths import CONTAINER, ESCAPED, KIND, NOTHING, START, STOP, Found, Ints
from catalog.metering.programs import (
    ABOVE,
    AND,
    BELOW,
    EXISTS,
    FROM,
    LACKS,
    NONE_OF,
    ONE_OF,
    OR,
    PREFIX,
    Programs,
)
from core.compiled import compiled
from core.json_text import Bytes


class Desk(NamedTuple):
    """Room to compute in: numbers (slots, 4) and stack (depth, 4) hold a code and three limbs."""

    numbers: Ints
    stack: Ints
    truths: Bytes


@compiled
def number_at(table: Ints, at: int) -> tuple[int, int, int, int]:
    """A code and three limbs out of a table of them."""
    return table[at, 0], table[at, 1], table[at, 2], table[at, 3]


@compiled
def _is_text(
    source: Bytes, start: int, size: int, operand: int, ends: Ints, operands: Bytes, whole: bool
) -> bool:
    """Whether a text is an operand, or begins with it."""
    at = ends[operand]
    length = ends[operand + 1] - at
    if size < length or (whole and size != length):
        return False
    for k in range(length):
        if source[start + k] != operands[at + k]:
            return False
    return True


@compiled
def _compares(operation: int, slot: int, constant: int, constants: Ints, numbers: Ints) -> bool:
    """Whether the number at a slot, if it is one, compares so; exact beyond the limits, too."""
    code, high, middle, low = number_at(numbers, slot)
    if code == MISSING or code == NOT_A_NUMBER:
        return False
    order = compare(
        high, middle, low,
        constants[constant, 0], constants[constant, 1], constants[constant, 2],
    )  # fmt: skip
    if order == 0 and code == TOO_PRECISE:
        order = 1  # what was read lies below the number itself
    if operation == ABOVE:
        return order > 0
    if operation == FROM:
        return order >= 0
    return order < 0 if operation == BELOW else order <= 0


@compiled
def _matches(
    text: Bytes, plain: Bytes, slots: Ints, slot: int, operation: int, first: int, last: int,
    ends: Ints, operands: Bytes,
) -> bool:  # fmt: skip
    """Whether the text at a slot is, or begins with, one of the operands `[first, last)`."""
    kind = slots[slot, KIND]
    if kind == NOTHING or kind == CONTAINER:
        return False
    source = plain if slots[slot, ESCAPED] else text
    start, whole = slots[slot, START], operation != PREFIX
    size = slots[slot, STOP] - start
    for operand in range(first, last):
        if _is_text(source, start, size, operand, ends, operands, whole):
            return True
    return False


@compiled
def passes(
    text: Bytes, first: int, last: int, programs: Programs, found: Found, desk: Desk
) -> bool:
    """Whether the filter `[first, last)` takes the event."""
    truths, tests, top = desk.truths, programs.tests, 0
    for test in range(first, last):
        operation, slot = tests[test, 0], tests[test, 1]
        if operation == AND or operation == OR:
            top -= 1
            one, other = truths[top - 1] != 0, truths[top] != 0
            truths[top - 1] = (one and other) or (operation == OR and (one or other))
            continue
        if operation == EXISTS or operation == LACKS:
            truth = (found.at[slot, KIND] != NOTHING) == (operation == EXISTS)
        elif operation == ONE_OF or operation == NONE_OF or operation == PREFIX:
            truth = _matches(
                text, found.plain, found.at, slot, operation, tests[test, 2], tests[test, 3],
                programs.operand_ends, programs.operand_bytes,
            )  # fmt: skip
            truth = truth != (operation == NONE_OF)
        else:
            truth = _compares(operation, slot, tests[test, 2], programs.constants, desk.numbers)
        truths[top] = truth
        top += 1
    return top == 0 or truths[0] != 0
