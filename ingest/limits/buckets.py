"""Token buckets in whole numbers of 64 bits, compiled: time is an argument, nothing is rounded.

What is kept of a bucket is what is missing from it, in billionths of a token (`PARTS`): a
nanosecond gains `per_second` of them. A full bucket is 0. The numbers that may occur (`RATE_MAX`)
are such that no step here leaves 64 bits.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from core.compiled import compiled, inlined
from core.rate_limits import PARTS

Numbers = npt.NDArray[np.int64]

# Words of a slot: whose it is, when it was written, what was missing, when nothing will be.
HIGH, LOW, AT, EVENTS, BYTES, FULL_AT = range(6)
SLOT_WORDS: Final = 8

# Words of a line: where its slot is, whose it has to be, and the limits; a burst of 0 is none.
PLACE, LINE_HIGH, LINE_LOW, EVENTS_RATE, EVENTS_BURST, BYTES_RATE, BYTES_BURST = range(7)
LINE_WORDS: Final = 7

ADMITTED: Final = 0
SHORT: Final = 1
MOVED: Final = 2
"""What `admit` may say; the last: a slot is another owner's, so the right one has to be found."""

EARLIER_BOOT_NS: Final = 60_000_000_000
"""A slot written so far ahead of now is of a time before the machine started last."""


@inlined
def spent_after(spent: int, elapsed_ns: int, per_second: int) -> int:
    """What is missing from a bucket, if nothing was taken for `elapsed_ns`."""
    if elapsed_ns <= 0:
        return spent
    if elapsed_ns > spent // per_second:
        return 0
    return spent - elapsed_ns * per_second


@inlined
def wait_ns(spent: int, tokens: int, per_second: int, burst: int) -> int:
    """How long until `tokens`, at most a burst, can be taken if nothing else is; 0: now."""
    over = spent - (burst - tokens) * PARTS
    if over <= 0:
        return 0
    return (over - 1) // per_second + 1


@inlined
def spent_now(
    slots: Numbers, base: int, word: int, now_ns: int, per_second: int, burst: int
) -> int:
    """What is missing from one bucket of a slot; `burst` is 0 where there is no such limit."""
    at_ns = slots[base + AT]
    if burst == 0 or at_ns > now_ns + EARLIER_BOOT_NS:
        return 0
    return spent_after(slots[base + word], now_ns - at_ns, per_second)


@compiled
def admit(slots: Numbers, lines: Numbers, now_ns: int, events: int, size: int, takes: bool) -> int:
    """Whether so many events and bytes fit under all lines; if so and `takes`, take them."""
    for line in range(len(lines)):
        base = lines[line, PLACE] * SLOT_WORDS
        if base < 0 or slots[base + HIGH] != lines[line, LINE_HIGH]:
            return MOVED
        if slots[base + LOW] != lines[line, LINE_LOW]:
            return MOVED
        per_second, burst = lines[line, EVENTS_RATE], lines[line, EVENTS_BURST]
        spent = spent_now(slots, base, EVENTS, now_ns, per_second, burst)
        if events and burst and spent > (burst - events) * PARTS:
            return SHORT
        per_second, burst = lines[line, BYTES_RATE], lines[line, BYTES_BURST]
        spent = spent_now(slots, base, BYTES, now_ns, per_second, burst)
        if size and burst and spent > (burst - size) * PARTS:
            return SHORT
    if takes:
        take(slots, lines, now_ns, events, size)
    return ADMITTED


@compiled
def look(slots: Numbers, lines: Numbers, now_ns: int, found: Numbers) -> None:
    """Put down what is missing now: of each line first events, then bytes."""
    for line in range(len(lines)):
        base = lines[line, PLACE] * SLOT_WORDS
        found[2 * line : 2 * line + 2] = 0
        if base < 0 or slots[base + HIGH] != lines[line, LINE_HIGH]:
            continue  # given to another while this one was at rest
        if slots[base + LOW] != lines[line, LINE_LOW]:
            continue
        for word, rate in ((EVENTS, EVENTS_RATE), (BYTES, BYTES_RATE)):
            per_second, burst = lines[line, rate], lines[line, rate + 1]
            spent = spent_now(slots, base, word, now_ns, per_second, burst)
            found[2 * line + word - EVENTS] = spent


@inlined
def take(slots: Numbers, lines: Numbers, now_ns: int, events: int, size: int) -> None:
    """Take so much from every line, or give it back where it is negative, at most until full."""
    for line in range(len(lines)):
        base, full_ns = lines[line, PLACE] * SLOT_WORDS, 0
        for word, rate, many in ((EVENTS, EVENTS_RATE, events), (BYTES, BYTES_RATE, size)):
            per_second, burst = lines[line, rate], lines[line, rate + 1]
            if burst == 0:
                slots[base + word] = 0
                continue
            spent = spent_now(slots, base, word, now_ns, per_second, burst) + many * PARTS
            slots[base + word] = max(0, spent)
            full_ns = max(full_ns, wait_ns(max(0, spent), burst, per_second, burst))
        slots[base + AT] = now_ns
        slots[base + FULL_AT] = now_ns + full_ns
