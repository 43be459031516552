"""Lines rated slice by slice: whole subscriptions at a time, on all cores or in bounded memory.

No line depends on one of another subscription. So lines in the order of their subscriptions are cut
between two of them, and each slice is rated with the usage of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Final

import polars as pl

from core.errors import TollbookError
from rating.errors import RatingInputError

SLICE_LINES: Final = 250_000
"""Lines of a slice: few enough for memory, so many that planning its queries costs little."""

_BY: Final = "subscription_id"

Slice = tuple[pl.DataFrame, pl.DataFrame]
"""Lines, and usage that has all of theirs."""


def rated_in_threads(
    rate: Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame],
    lines: pl.DataFrame,
    usage: pl.DataFrame,
) -> pl.DataFrame:
    """`rate(lines, usage)`, with a thread for each slice where both are in order."""
    parts = cut(lines, usage, SLICE_LINES)
    if len(parts) == 1:
        return rate(lines, usage)
    try:
        with ThreadPoolExecutor(pl.thread_pool_size()) as threads:
            return pl.concat(threads.map(lambda part: rate(*part), parts))
    except TollbookError:
        return rate(lines, usage)  # raises again, naming the lines of all slices


def cut(lines: pl.DataFrame, usage: pl.DataFrame, size: int) -> list[Slice]:
    """Slices of some `size` lines; one where either is not in the order of its subscriptions."""
    if lines.height <= size or not all(_in_order(frame) for frame in (lines, usage)):
        return [(lines, usage)]
    starts = lines[_BY].gather_every(size)[1:].unique()
    cuts = [
        [0, *frame[_BY].search_sorted(starts, side="left").sort(), frame.height]
        for frame in (lines, usage)
    ]
    return [
        (lines[begin:end], usage[first:last])
        for (begin, end), (first, last) in zip(*map(pairwise, cuts), strict=True)
        if begin < end
    ]


def _in_order(frame: pl.DataFrame) -> bool:
    column = frame.get_column(_BY, default=None)
    return column is not None and not column.null_count() and column.is_sorted()


def slices_of(lines: pl.LazyFrame, usage: pl.LazyFrame, size: int) -> Iterator[Slice]:
    """Slices of at most `size` lines, read one after the other.

    Raises `RatingInputError` where `lines` are not in the order of their subscriptions, or one of
    these has more lines than a slice.
    """
    offset, before = 0, ""
    while True:
        # One more line says whether the last subscription goes on.
        read = lines.slice(offset, size + 1).collect(engine="streaming")
        if read.is_empty():
            return
        names = read[_BY]
        if not _in_order(read) or names[0] < before:
            raise RatingInputError(f"lines: sort them by {_BY}, as slices of them are read")
        whole = read.height if read.height <= size else names.search_sorted(names[-1], side="left")
        if not whole:
            raise RatingInputError(
                f"lines: {names[0]} has more than {size} of them; take larger slices"
            )
        part = read[:whole]
        theirs = pl.col(_BY).is_between(pl.lit(part[_BY][0]), pl.lit(part[_BY][-1]))
        yield part, usage.filter(theirs).collect(engine="streaming")
        offset, before = offset + part.height, part[_BY][-1]
