from __future__ import annotations

from collections import Counter

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

from core.levels import LEVELS_MAX, ROLL, span_of
from usage.cut import Cut
from usage.plan import Cover, Ledger, OffsetRange, RunRange

_LEDGER = ("generation", "partition", "level", "run", "last_offset", "catalog_version")
Row = tuple[int, int, int, int, int, int]


def ledger(rows: list[Row], chunk_records: dict[int, int]) -> Ledger:
    frame = pl.DataFrame(rows, schema=dict.fromkeys(_LEDGER, pl.Int64), orient="row")
    return Ledger(frame, chunk_records)


def brute_force(
    rows: list[Row], chunk_records: dict[int, int], cut: Cut, version: int, levels: int
) -> Counter[tuple[int, int, int, int]]:
    """Offset by offset: the coarsest run that may answer, as (generation, partition, level, run).

    Level -1: from the events, with the offset itself as its run. The count is how many offsets.
    """
    found: Counter[tuple[int, int, int, int]] = Counter()
    for part, end in cut.offsets.items():
        generation, partition = (int(number) for number in part.split("/"))
        for offset in range(end):
            level, run = -1, offset
            for row in rows:
                last = (row[3] + 1) * span_of(row[2], chunk_records.get(row[0], 1)) - 1
                if (
                    (row[0], row[1]) == (generation, partition)
                    and row[0] in chunk_records
                    and row[4] == last < end
                    and row[5] >= version
                    and level < row[2] < levels
                    and row[3] == offset // span_of(row[2], chunk_records[generation])
                ):
                    level, run = row[2], row[3]
            found[generation, partition, level, run] += 1
    return found


def offsets_of(cover: Cover, chunk_records: dict[int, int]) -> Counter[tuple[int, int, int, int]]:
    found: Counter[tuple[int, int, int, int]] = Counter()
    for runs in cover.runs:
        for run in range(runs.first_run, runs.end_run):
            size = span_of(runs.level, chunk_records[runs.generation])
            found[runs.generation, runs.partition, runs.level, run] += size
    for rest in cover.events:
        for offset in range(rest.first, rest.end):
            found[rest.generation, rest.partition, -1, offset] += 1
    return found


@st.composite
def looks(draw: st.DrawFn) -> tuple[list[Row], dict[int, int], Cut]:
    """Ledgers of two generations with holes, old catalogs, incomplete runs, and a cut into them."""
    chunk_records = {1: draw(st.integers(1, 3)), 2: draw(st.integers(1, 3))}
    keys = st.tuples(
        st.sampled_from([1, 2, 3]), st.integers(0, 1), st.sampled_from([0, 0, 0, 1, 1, 2])
    )
    rows: dict[tuple[int, int, int, int], Row] = {}
    for generation, partition, level in draw(st.lists(keys, max_size=8)):
        first = draw(st.integers(0, 2 * ROLL if level == 0 else 3))
        for run in range(first, first + draw(st.sampled_from([1, 2, 5, ROLL]))):
            span = span_of(level, chunk_records.get(generation, 1))
            short = draw(st.sampled_from([0, 0, 0, 0, 1])) if span > 1 else 0
            last = (run + 1) * span - 1 - short
            version = draw(st.sampled_from([1, 2, 2, 2]))
            row = (generation, partition, level, run, last, version)
            rows[generation, partition, level, run] = row
    parts = draw(st.sets(st.sampled_from(["1/0", "1/1", "2/0", "2/1", "3/0"])))
    cut = Cut({part: draw(st.integers(0, 3 * 3 * ROLL)) for part in parts})
    return list(rows.values()), chunk_records, cut


@given(looks(), st.integers(1, 3), st.sampled_from([1, 2, LEVELS_MAX]))
@example(([(1, 0, 0, 0, 1, 1)], {1: 2}, Cut({"1/0": 2})), 1, 1)
def test_a_cover_holds_every_offset_below_the_cut_once_and_by_the_coarsest_run(
    look: tuple[list[Row], dict[int, int], Cut], version: int, levels: int
) -> None:
    rows, chunk_records, cut = look
    cover = ledger(rows, chunk_records).cover(cut, version, levels)
    expected = brute_force(rows, chunk_records, cut, version, levels)
    assert offsets_of(cover, chunk_records) == expected
    assert set(expected.values()) <= {1} | {
        span_of(level, size) for level in range(LEVELS_MAX) for size in chunk_records.values()
    }
    assert list(cover.events) == sorted(cover.events)
    for one, after in zip(cover.events, cover.events[1:], strict=False):
        assert (one.generation, one.partition, one.end) != (
            after.generation, after.partition, after.first
        ), "ranges that touch are one"  # fmt: skip


def test_runs_of_one_level_that_touch_are_one_range_and_the_open_chunk_is_read() -> None:
    chunks = [(1, 0, 0, run, run * 10 + 9, 1) for run in range(ROLL + 3)]
    rolled = [(1, 0, 1, 0, ROLL * 10 - 1, 1)]
    cut = Cut({"1/0": (ROLL + 3) * 10 + 4})
    cover = ledger([*chunks, *rolled], {1: 10}).cover(cut, 1)
    assert cover.runs == (RunRange(1, 0, 1, 0, 1), RunRange(1, 0, 0, ROLL, ROLL + 3))
    assert cover.events == (OffsetRange(1, 0, (ROLL + 3) * 10, (ROLL + 3) * 10 + 4),)


def test_a_long_log_is_planned_in_a_moment() -> None:
    """A hundred thousand chunks: the ledger of some 10^10 events."""
    many = 100_000
    rows = pl.DataFrame(
        {
            "generation": [1] * many,
            "partition": [0] * many,
            "level": [0] * many,
            "run": range(many),
            "last_offset": [run * 64 + 63 for run in range(many)],
            "catalog_version": [5] * many,
        }
    )
    cover = Ledger(rows, {1: 64}).cover(Cut({"1/0": many * 64}), 5)
    assert cover == Cover((RunRange(1, 0, 0, 0, many),), ())
