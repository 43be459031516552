"""The kernel against a plain recount: every aggregation, filter, dimension, expression and void."""

from __future__ import annotations

import random
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.metering.aggregate import (
    USAGE_SCHEMA,
    aggregate,
    compile_meters,
    keep,
    measure,
    merge,
    total,
)
from tests.catalog.metering.made import definition, events, frame, meters, plain
from tests.catalog.metering_oracle import Event, Meter, usage_rows

BY = ("run", "window")
several = st.integers(1, 4).flatmap(
    lambda many: st.tuples(*(meters(number) for number in range(1, many + 1)))
)


def compiled(chosen: tuple[Meter, ...]) -> Any:
    return compile_meters(
        [definition(meter, version) for version, meter in enumerate(chosen, start=1)], len(chosen)
    )


@settings(max_examples=300, deadline=None)
@given(several, events())
def test_rows_equal_a_plain_recount(chosen: tuple[Meter, ...], log: list[Event]) -> None:
    rows = aggregate(frame(log), compiled(chosen))
    assert rows.schema == USAGE_SCHEMA
    assert plain(rows) == usage_rows(chosen, log)


@settings(max_examples=100, deadline=None)
@given(several, events(), st.randoms(use_true_random=False))
def test_any_order_and_any_batches_give_the_same_rows(
    chosen: tuple[Meter, ...], log: list[Event], rng: random.Random
) -> None:
    laid_out = compiled(chosen)
    whole = aggregate(frame(log), laid_out)
    mixed = rng.sample(log, len(log))
    cuts = sorted(rng.randint(0, len(mixed)) for _ in range(3))
    parts = [mixed[a:b] for a, b in zip([0, *cuts], [*cuts, len(mixed)], strict=True)]
    kept = [keep(measure(frame(part), laid_out)) for part in parts]
    assert total(pl.concat(rng.sample(kept, len(kept))), laid_out).equals(whole)


@settings(max_examples=100, deadline=None)
@given(several, events(), st.randoms(use_true_random=False))
def test_totals_of_parts_merge_to_the_total_of_the_whole(
    chosen: tuple[Meter, ...], log: list[Event], rng: random.Random
) -> None:
    laid_out = compiled(chosen)
    runs = pl.Series("run", [rng.randint(0, 3) for _ in log], pl.UInt64)
    windows = pl.Series("window", [rng.randint(5, 6) for _ in log], pl.UInt32)
    measured = measure(frame(log).with_columns(runs, windows), laid_out)
    parts = total(keep(measured, *BY), laid_out, BY)
    for run, window in {*zip(runs.to_list(), windows.to_list(), strict=True)}:
        mine = (pl.col("run") == run) & (pl.col("window") == window)
        alone = [e for e, r, w in zip(log, runs, windows, strict=True) if (r, w) == (run, window)]
        assert plain(parts.filter(mine)) == usage_rows(chosen, alone)
    assert merge(parts.drop(BY), laid_out).equals(aggregate(frame(log), laid_out))
    by_window = total(measured, laid_out, ("window",))
    assert merge(parts.drop("run"), laid_out, ("window",)).equals(by_window)
    days = measured.with_columns(pl.col("time").dt.truncate("1d"))
    merged, whole = merge(parts.drop(BY), laid_out, days=True), total(days, laid_out)
    late = ["latest", "latest_time", "latest_position"]
    assert merged.drop(late).equals(whole.drop(late))


def test_without_events_or_meters_there_are_no_rows_of_the_same_schema() -> None:
    nothing = frame([])
    for laid_out in (compiled(()), compiled((METER,))):
        rows = total(measure(nothing, laid_out).with_columns(run=pl.lit(1)), laid_out, ("run",))
        assert rows.is_empty()
        assert rows.drop("run").schema == USAGE_SCHEMA
        assert merge(rows.drop("run"), laid_out).schema == USAGE_SCHEMA


METER: Meter = {
    "id": "00000000-0000-0000-0000-000000000001",
    "tenant_id": "00000000-0000-0000-0000-000000000002",
    "event_types": ["call"],
    "aggregation": "count",
}
