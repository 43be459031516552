"""Rows found by a number are the rows that the keys themselves name."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rating.matching import matched

KEY = ("subject", "meter")
WORDS = st.sampled_from(["a", "b", "c", "ab", "", "é"])


def frame(index: str, rows: list[tuple[str, str | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        rows, schema={"subject": pl.String, "meter": pl.String}, orient="row"
    ).with_row_index(index)


def pairs(lines: pl.DataFrame, usage: pl.DataFrame) -> list[tuple[int, int | None]]:
    found = matched(lines.drop("line"), usage.drop("row"), KEY)
    assert found["at"].is_sorted()
    return sorted(found.rows(), key=str)


def by_loop(lines: pl.DataFrame, usage: pl.DataFrame) -> list[tuple[int, int | None]]:
    found: list[tuple[int, int | None]] = []
    for line, *key in lines.rows():
        rows = [row for row, *other in usage.rows() if key == other and None not in key]
        found += [(line, row) for row in rows] or [(line, None)]
    return sorted(found, key=str)


@given(
    st.lists(st.tuples(WORDS, st.one_of(WORDS, st.none())), max_size=8),
    st.lists(st.tuples(WORDS, WORDS), max_size=8),
)
def test_any_frames_match_as_a_loop_over_their_keys_finds(
    mine: list[tuple[str, str | None]], theirs: list[tuple[str, str | None]]
) -> None:
    lines, usage = frame("line", mine), frame("row", list(theirs))
    assert pairs(lines, usage) == by_loop(lines, usage)


@pytest.mark.parametrize(
    "used",
    [[("a", "x"), ("b", "x")], [("a", "x"), ("a", "x"), ("b", "x")], [("b", "x"), ("a", "x")]],
    ids=["one-row-each", "runs", "another-order"],
)
def test_two_keys_with_one_hash_are_told_apart(
    used: list[tuple[str, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, usage = frame("line", [("a", "x"), ("b", "x")]), frame("row", used)
    expected = by_loop(lines, usage)
    monkeypatch.setattr("polars.Expr.hash", lambda each, *_: each.is_null().cast(pl.UInt64))
    assert pairs(lines, usage) == expected


@given(st.lists(st.tuples(WORDS, WORDS), unique=True, max_size=6), st.integers(1, 3))
def test_runs_of_usage_in_the_order_of_the_lines_need_no_join(
    mine: list[tuple[str, str | None]], each: int
) -> None:
    lines = frame("line", mine)
    usage = frame("row", [key for key in mine for _ in range(each)])
    assert pairs(lines, usage) == by_loop(lines, usage)
