"""Loops that find groups and add values up by group, compiled.

Values are 128-bit integers in two limbs, two's complement: `high` int64, `low` uint64.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from catalog.metering.decimals import FOUND, TOO_LONG
from catalog.metering.evaluate import TAKEN_TOO_LONG
from catalog.metering.json_paths import Ints
from core.compiled import compiled
from core.json_text import Bytes

Words = npt.NDArray[np.uint64]

COUNTS: Final = 7
"""Counts of a cell: events, voids of events, and the net of each reason from `missing` on."""

NO_ROW: Final = -1
POSITION_DIGITS: Final = 32
_HEX: Final = b"0123456789abcdef"


class Chosen(NamedTuple):
    """The rows that one view takes, and the group of each; sign and `taken` are of all rows."""

    rows: Ints
    group_of: Ints
    sign: npt.NDArray[np.int8]
    taken: Bytes


class Cells(NamedTuple):
    """What the groups hold of one value; counts are (`COUNTS`, groups).

    sum, min and max are (groups, 2): low and high half of a two's complement, as in Arrow. `seen`
    says whether min and max are set; `latest` is a row or `NO_ROW`.
    """

    counts: Ints
    sum: Words
    min: Words
    max: Words
    seen: npt.NDArray[np.bool_]
    latest: Ints


class Places(NamedTuple):
    """When events were, and where they stand in the log: generation and partition in one word."""

    time: Ints
    place: Words
    offset: Words
    row: Ints


@compiled
def _word_at(text: Bytes, at: np.uint64) -> np.uint64:
    """Eight bytes as one word; the unsigned index lets them be one load."""
    word = np.uint64(0)
    for k in range(8):
        word |= np.uint64(text[at + np.uint64(k)]) << np.uint64(8 * k)
    return word


@compiled
def _hash(text: Bytes, start: int, stop: int) -> np.uint64:
    """A well mixed word of a text."""
    mixed = np.uint64(0x9E3779B97F4A7C15) + np.uint64(stop - start)
    at, end = np.uint64(start), np.uint64(stop)
    while at + np.uint64(8) <= end:
        mixed = (mixed ^ _word_at(text, at)) * np.uint64(0xFF51AFD7ED558CCD)
        mixed ^= mixed >> np.uint64(32)
        at += np.uint64(8)
    while at < end:
        mixed = (mixed ^ np.uint64(text[at])) * np.uint64(0x100000001B3)
        at += np.uint64(1)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xC4CEB9FE1A85EC53)
    return mixed ^ (mixed >> np.uint64(32))


@compiled
def _equal(text: Bytes, one: int, other: int, size: int) -> bool:
    """Whether two stretches of a text are equal."""
    left, right, end = np.uint64(one), np.uint64(other), np.uint64(one + size)
    while left + np.uint64(8) <= end:
        if _word_at(text, left) != _word_at(text, right):
            return False
        left += np.uint64(8)
        right += np.uint64(8)
    while left < end:
        if text[left] != text[right]:
            return False
        left += np.uint64(1)
        right += np.uint64(1)
    return True


@compiled
def code_texts(text: Bytes, ends: Ints, table: Ints, codes: Ints, firsts: Ints) -> int:
    """Number distinct texts in the order in which they come; returns how many there are.

    `table` has a power of two of entries, more than texts, all -1. `firsts` gets a row of each.
    """
    mask, many = len(table) - 1, 0
    for row in range(len(codes)):
        start, stop = ends[row], ends[row + 1]
        at = np.int64(_hash(text, start, stop) & np.uint64(mask))
        while True:
            code = table[at]
            if code < 0:
                table[at] = many
                firsts[many] = row
                codes[row] = many
                many += 1
                break
            first = firsts[code]
            other = ends[first]
            if ends[first + 1] - other == stop - start and _equal(text, start, other, stop - start):
                codes[row] = code
                break
            at = (at + 1) & mask
    return many


@compiled
def group_words(words: Ints, table: Ints, group_of: Ints, firsts: Ints) -> int:
    """Number distinct words in the order in which they come; as `code_texts`."""
    mask, many = len(table) - 1, 0
    for row in range(len(words)):
        word = words[row]
        mixed = np.uint64(word) * np.uint64(0x9E3779B97F4A7C15)
        at = np.int64((mixed >> np.uint64(20)) & np.uint64(mask))
        while True:
            group = table[at]
            if group < 0:
                table[at] = many
                firsts[many] = row
                group_of[row] = many
                many += 1
                break
            if words[firsts[group]] == word:
                group_of[row] = group
                break
            at = (at + 1) & mask
    return many


@compiled
def _is_less(words: Words, group: int, high: np.int64, low: np.uint64) -> bool:
    """Whether a group's number is less than another."""
    top = np.int64(words[group, 1])
    return bool(top < high or (top == high and words[group, 0] < low))


@compiled
def _is_greater(words: Words, group: int, high: np.int64, low: np.uint64) -> bool:
    """Whether a group's number is greater than another."""
    top = np.int64(words[group, 1])
    return bool(top > high or (top == high and words[group, 0] > low))


@compiled
def count_cells(chosen: Chosen, reason: Bytes, counts: Ints) -> None:
    """Count the chosen rows by group. `reason` may be empty: every event can be read."""
    for at in range(len(chosen.rows)):
        row, group = chosen.rows[at], chosen.group_of[at]
        code = FOUND
        if len(reason):
            code = int(reason[row])
        if code == FOUND and chosen.taken[row] == TAKEN_TOO_LONG:
            code = TOO_LONG
        if code == FOUND:
            counts[0 if chosen.sign[row] > 0 else 1, group] += 1
        else:
            counts[1 + code, group] += chosen.sign[row]


@compiled
def sum_cells(chosen: Chosen, reason: Bytes, high: Ints, low: Words, sums: Words) -> None:
    """Sum, net of voids, by group."""
    for at in range(len(chosen.rows)):
        row, group = chosen.rows[at], chosen.group_of[at]
        if reason[row] != FOUND or chosen.taken[row] == TAKEN_TOO_LONG:
            continue
        top, bottom = np.uint64(high[row]), low[row]
        before = sums[group, 0]
        if chosen.sign[row] < 0:
            sums[group, 0] = before - bottom
            sums[group, 1] -= top
            if before < bottom:
                sums[group, 1] -= np.uint64(1)
        else:
            after = before + bottom
            sums[group, 0] = after
            sums[group, 1] += top
            if after < bottom:
                sums[group, 1] += np.uint64(1)


@compiled
def find_extremes(
    chosen: Chosen, reason: Bytes, high: Ints, low: Words, least: Words, greatest: Words,
    seen: npt.NDArray[np.bool_],
) -> None:  # fmt: skip
    """Least and greatest of the events alone, by group."""
    for at in range(len(chosen.rows)):
        row, group = chosen.rows[at], chosen.group_of[at]
        if reason[row] != FOUND or chosen.sign[row] < 0 or chosen.taken[row] == TAKEN_TOO_LONG:
            continue
        top, bottom = high[row], low[row]
        if not seen[group] or _is_greater(least, group, top, bottom):
            least[group, 0], least[group, 1] = bottom, np.uint64(top)
        if not seen[group] or _is_less(greatest, group, top, bottom):
            greatest[group, 0], greatest[group, 1] = bottom, np.uint64(top)
        seen[group] = True


@compiled
def _is_later(one: int, other: int, places: Places) -> bool:
    """Whether row `one` comes after row `other`: by event time, then by log position."""
    if places.time[one] != places.time[other]:
        return bool(places.time[one] > places.time[other])
    if places.place[one] != places.place[other]:
        return bool(places.place[one] > places.place[other])
    if places.offset[one] != places.offset[other]:
        return bool(places.offset[one] > places.offset[other])
    return bool(places.row[one] > places.row[other])


@compiled
def find_latest(chosen: Chosen, reason: Bytes, places: Places, latest: Ints) -> None:
    """The row of the latest event of each group into `latest`, which starts as `NO_ROW`."""
    for at in range(len(chosen.rows)):
        row, group = chosen.rows[at], chosen.group_of[at]
        if reason[row] != FOUND or chosen.sign[row] < 0 or chosen.taken[row] == TAKEN_TOO_LONG:
            continue
        if latest[group] == NO_ROW or _is_later(row, latest[group], places):
            latest[group] = row


@compiled
def write_positions(rows: Ints, places: Places, out: Bytes) -> None:
    """The log position of each row in hexadecimal, `POSITION_DIGITS` each, into `out` (n, digits).

    Generation and partition have 4 digits, the offset 16, the row 8.
    """
    for at in range(len(rows)):
        row = rows[at]
        place, offset = places.place[row], places.offset[row]
        line = np.uint64(places.row[row])
        for k in range(8):
            shift = np.uint64(28 - 4 * k)
            out[at, k] = _HEX[(place >> shift) & np.uint64(15)]
            out[at, 24 + k] = _HEX[(line >> shift) & np.uint64(15)]
        for k in range(16):
            out[at, 8 + k] = _HEX[(offset >> np.uint64(60 - 4 * k)) & np.uint64(15)]


@compiled
def pick_cells(at: Ints, needed: npt.NDArray[np.bool_], words: Words, out: Words) -> None:
    """Copy the numbers of cells (groups, 2) to rows (n, 2) where they are needed, else 0."""
    for row in range(len(at)):
        if needed[row]:
            out[row, 0], out[row, 1] = words[at[row], 0], words[at[row], 1]
        else:
            out[row, 0], out[row, 1] = np.uint64(0), np.uint64(0)
