from __future__ import annotations

import polars as pl
import pytest

from core.errors import ConflictError
from streams.ledger import Ledger

CHUNK = 10


def ledger(*ends: tuple[int, int]) -> Ledger:
    """Rows of (run, last offset)."""
    rows = pl.DataFrame(
        {"run": [run for run, _ in ends], "last_offset": [last for _, last in ends]},
        schema={"run": pl.UInt64, "last_offset": pl.UInt64},
    )
    return Ledger(rows, CHUNK)


@pytest.mark.parametrize(
    ("rows", "covered"),
    [
        ((), 0),
        (((0, 4),), 5),
        (((0, 9),), 10),
        (((0, 9), (1, 12)), 13),
        (((0, 9), (2, 29)), 10),
        (((1, 19),), 0),
        (((0, 8), (1, 19)), 9),
    ],
    ids=["empty", "head", "chunk", "chunk-head", "hole", "no-start", "hole-in-chunk"],
)
def test_what_is_covered_ends_at_the_first_hole(
    rows: tuple[tuple[int, int], ...], covered: int
) -> None:
    assert ledger(*rows).covered == covered


@pytest.mark.parametrize(
    ("first", "start"),
    [(0, 10), (10, 10), (11, 13), (13, 13)],
    ids=["all-there", "chunk-start-there", "chunk-start-lost", "just-enough-there"],
)
def test_reading_starts_at_the_chunk_or_right_after_the_proof(first: int, start: int) -> None:
    assert ledger((0, 9), (1, 12)).start(first) == start


def test_a_log_that_lost_unproved_records_is_refused() -> None:
    with pytest.raises(ConflictError, match="begins at offset 14, but only 13 offsets are proved"):
        ledger((0, 9), (1, 12)).start(14)


def test_a_log_that_ends_before_what_is_counted_was_truncated() -> None:
    ledger((0, 9), (1, 12)).check_end(13)
    with pytest.raises(ConflictError, match="ends at offset 12, but 13 offsets are counted"):
        ledger((0, 9), (1, 12)).check_end(12)


@pytest.mark.parametrize("start", [20, 11, 15])
def test_a_lane_cannot_start_inside_a_chunk_or_behind_the_proof(start: int) -> None:
    with pytest.raises(ConflictError, match="does not follow what is proved"):
        ledger((0, 9), (1, 12)).before(start)
