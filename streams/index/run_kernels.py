"""Compiled loops of cold runs: rows ordered by bucket, and the filter before them.

A bucket is the leading bits of a place. A row is the rest of the place (8 bytes less those that the
bucket implies, 2 at most), the low half, the content, and which of the run's times, in 2 to 4
bytes. The filter is made of blocks of one cache line, chosen by the leading bits too, so that
filling it in the order of rows runs through memory once; a key sets one bit in each of 8 words.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from core.compiled import compiled, inlined
from core.intrinsics import (
    Words,
    load16,
    load32,
    load64,
    prefetch,
    signed,
    store16,
    store32,
    store64,
)
from streams.index.hot_kernels import Times

Rows = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.uint32]

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX2: Final = np.uint64(0xC2B2AE3D27D4EB4F)
_AHEAD: Final = 16
_LINE_WORDS: Final = 8
_NONE: Final = -(1 << 62)


@compiled
def count_buckets(places: Words, bits: int, counts: Counts) -> None:
    """Add the places to the counts of their buckets."""
    shift = np.uint64(64 - bits)
    for i in range(len(places)):
        counts[signed(places[i] >> shift) if bits else 0] += np.uint32(1)


@inlined
def _put_row(
    rows: Rows, at: int, dropped: int, time_bytes: int, place: np.uint64, low: np.uint64,
    content: np.uint64, time: np.uint64,
) -> None:  # fmt: skip
    # Each store may run over what comes after it, which is stored later; the last ones do not.
    store64(rows, at, place)
    store64(rows, at + 8 - dropped, low)
    store64(rows, at + 16 - dropped, content)
    if time_bytes == 4:  # noqa: PLR2004 - bytes
        store32(rows, at + 24 - dropped, time)
    else:
        store16(rows, at + 24 - dropped, time)
        if time_bytes == 3:  # noqa: PLR2004 - bytes
            rows[at + 26 - dropped] = np.uint8(time >> np.uint64(16))


@compiled
def place_rows(
    rows: Rows, first: int, end: int, starts: Counts, cursors: Counts, bits: int, dropped: int,
    time_bytes: int, places: Words, lows: Words, contents: Words, times: npt.NDArray[np.uint32],
) -> bool:  # fmt: skip
    """Put rows where the cursors of their buckets are, those of the buckets from first to end.

    rows: those of these buckets alone. Returns False where a bucket gets more than were counted.
    """
    origin = signed(starts[first])
    shift, size = np.uint64(64 - bits), 24 - dropped + time_bytes
    for i in range(len(places)):
        bucket = signed(places[i] >> shift) if bits else 0
        if first <= bucket < end:
            if cursors[bucket] >= starts[bucket + 1]:
                return False
            at = (signed(cursors[bucket]) - origin) * size
            cursors[bucket] += np.uint32(1)
            _put_row(
                rows, at, dropped, time_bytes, places[i], lows[i], contents[i],
                np.uint64(times[i]),
            )  # fmt: skip
    return True


@inlined
def _row_time(rows: Rows, at: int, time_bytes: int) -> np.uint64:
    if time_bytes == 4:  # noqa: PLR2004 - bytes
        return load32(rows, at)
    time = load16(rows, at)
    if time_bytes == 3:  # noqa: PLR2004 - bytes
        time |= np.uint64(rows[at + 2]) << np.uint64(16)
    return time


@inlined
def _row_place(rows: Rows, at: int, dropped: int, bucket: int, bits: int) -> np.uint64:
    """The whole place: what the row keeps of it, below what the bucket implies."""
    if dropped == 0:
        return load64(rows, at)
    kept = np.uint64(64 - 8 * dropped)
    rest = load64(rows, at) & ((np.uint64(1) << kept) - np.uint64(1))
    return (np.uint64(bucket) >> np.uint64(bits - 8 * dropped)) << kept | rest


@inlined
def _sum_of(place: np.uint64, low: np.uint64, content: np.uint64, time: np.uint64) -> np.uint64:
    word = ((place * _MIX) ^ low) * _MIX2
    word = ((word ^ (word >> np.uint64(29)) ^ content) * _MIX) ^ time
    return (word * _MIX2) >> np.uint64(32)


@inlined
def _line_of(place: np.uint64, lines: int) -> int:
    return signed(((place >> np.uint64(32)) * np.uint64(lines)) >> np.uint64(32)) * _LINE_WORDS


@inlined
def _bits_of(low: np.uint64) -> np.uint64:
    word = (low ^ (low >> np.uint64(31))) * _MIX
    return word ^ (word >> np.uint64(32))


@compiled
def index_rows(
    rows: Rows, first: int, end: int, starts: Counts, bits: int, dropped: int, time_bytes: int,
    filter_words: Words, sums: Counts,
) -> None:  # fmt: skip
    """Fill the filter and the checksums with the rows of the buckets from first to end."""
    size, lines = 24 - dropped + time_bytes, len(filter_words) // _LINE_WORDS
    origin = signed(starts[first])
    for bucket in range(first, end):
        total = np.uint64(0)
        for row in range(signed(starts[bucket]), signed(starts[bucket + 1])):
            at = (row - origin) * size
            place = _row_place(rows, at, dropped, bucket, bits)
            low = load64(rows, at + 8 - dropped)
            time = _row_time(rows, at + 24 - dropped, time_bytes)
            total += _sum_of(place, low, load64(rows, at + 16 - dropped), time)
            line, chosen = _line_of(place, lines), _bits_of(low)
            for word in range(_LINE_WORDS):
                bit = (chosen >> np.uint64(6 * word)) & np.uint64(63)
                filter_words[line + word] |= np.uint64(1) << bit
        sums[bucket] = np.uint32(total & np.uint64(0xFFFFFFFF))


@compiled
def ask_filter(
    filter_words: Words, places: Words, lows: Words, asked: npt.NDArray[np.bool_],
    found: npt.NDArray[np.int64],
) -> int:  # fmt: skip
    """Which of the keys asked for may be in the run: their numbers in `found`; returns how many."""
    many, lines = 0, len(filter_words) // _LINE_WORDS
    for i in range(len(places)):
        if i + _AHEAD < len(places):
            prefetch(filter_words, 8 * _line_of(places[i + _AHEAD], lines))
        if not asked[i]:
            continue
        line, chosen = _line_of(places[i], lines), _bits_of(lows[i])
        missing = False
        for word in range(_LINE_WORDS):
            bit = (chosen >> np.uint64(6 * word)) & np.uint64(63)
            if (filter_words[line + word] >> bit) & np.uint64(1) == 0:
                missing = True
                break
        if not missing:
            found[many] = i
            many += 1
    return many


@compiled
def read_rows(
    rows: Rows, first: int, end: int, starts: Counts, bits: int, dropped: int, time_bytes: int,
    times: Times, places: Words, lows: Words, since: Times,
) -> None:  # fmt: skip
    """Keys and times of the rows of the buckets from first to end."""
    size, origin = 24 - dropped + time_bytes, signed(starts[first])
    for bucket in range(first, end):
        for row in range(signed(starts[bucket]), signed(starts[bucket + 1])):
            at = (row - origin) * size
            places[row - origin] = _row_place(rows, at, dropped, bucket, bits)
            lows[row - origin] = load64(rows, at + 8 - dropped)
            since[row - origin] = times[_row_time(rows, at + 24 - dropped, time_bytes)]


@compiled
def confirm(
    rows: Rows, read_at: npt.NDArray[np.int64], starts: Counts, bits: int, dropped: int,
    time_bytes: int, sums: Counts, times: Times, places: Words, lows: Words,
    asked: npt.NDArray[np.int64], contents: Words, since: Times,
) -> int:  # fmt: skip
    """Contents and times of the keys asked for, of copies the latest, where they are newer.

    rows: the bucket of each, read at `read_at`. Returns the first whose bucket is not what was
    written, or -1.
    """
    size = 24 - dropped + time_bytes
    shift = np.uint64(64 - bits)
    for k in range(len(asked)):
        i = asked[k]
        bucket = signed(places[i] >> shift) if bits else 0
        total = np.uint64(0)
        for row in range(signed(starts[bucket + 1] - starts[bucket])):
            at = read_at[k] + row * size
            place = _row_place(rows, at, dropped, bucket, bits)
            low, content = load64(rows, at + 8 - dropped), load64(rows, at + 16 - dropped)
            time = _row_time(rows, at + 24 - dropped, time_bytes)
            total += _sum_of(place, low, content, time)
            same = place == places[i] and low == lows[i]
            if same and signed(time) < len(times) and times[time] > since[i]:
                since[i], contents[i] = times[time], content
        if np.uint32(total & np.uint64(0xFFFFFFFF)) != sums[bucket]:
            return k
    return -1
