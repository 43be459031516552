"""A roll-up that writes in portions writes what it would write at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from streams.jobs import rollup
from streams.jobs.rollup import _last_group, _Merger

START = datetime(2026, 3, 1, tzinfo=UTC)


def _rows() -> pl.DataFrame:
    """Of two runs of the next level, as the table has them: run by run, group by group."""
    return pl.DataFrame(
        [
            {
                "tenant_id": "t", "run": run, "subject": subject, "meter_id": meter,
                "dimensions": "", "hour": START + timedelta(hours=hour), "event_count": 1,
            }
            for run in range(2)
            for subject in ("a", "b", "c")
            for meter in ("m", "n")
            for hour in range(3)
        ]
    )  # fmt: skip


@pytest.mark.parametrize("at_once", range(1, 37))
@pytest.mark.parametrize("block", [1, 4, 5, 36])
def test_no_row_is_lost_where_portions_meet(
    at_once: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup, "_ROWS_AT_ONCE", at_once)
    written: list[pl.DataFrame] = []
    merger: Any = SimpleNamespace(gathered=[], rows=0, _write=written.append)
    rows = _rows()
    for some in rows.iter_slices(block):
        _Merger.take(merger, some)
    _Merger.take(merger, rows.clear())
    assert pl.concat(written).equals(rows)
    groups = [set(part.select(rollup._GROUP).rows()) for part in written]
    assert sum(map(len, groups)) == len(set().union(*groups)), "a group was written in two parts"


def test_the_last_group_is_the_end_of_the_rows() -> None:
    rows = _rows()
    assert _last_group(rows).equals(rows.tail(3))
