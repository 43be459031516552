from __future__ import annotations

import random
from contextlib import closing
from datetime import timedelta

import polars as pl
import pytest

from core.endpoints import Endpoints
from core.period import Period
from db.clickhouse import connect_clickhouse
from tests.usage.plain_usage import net
from tests.usage.random_logs import START, TENANT, TOLD, random_cut, random_log
from tests.usage.written_log import write
from usage import event_history
from usage.event_history import Span, live_events

_PLACE = ("generation", "partition", "offset", "row")


@pytest.mark.parametrize("rows_max", [3, 40, 100_000])
def test_the_live_events_of_some_subjects_are_those_that_nothing_takes_back(
    installation: Endpoints, seed: int, rows_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_history, "ROWS_MAX", rows_max)
    rng = random.Random(seed)
    log = random_log(rng, 80)
    write(installation.clickhouse, log, [told.meter for told in TOLD], rng)
    cut = random_cut(rng, log)
    subjects = sorted({event.subject for event in log.events})
    some = Span(tuple(subjects[::2]), Period(START, START + timedelta(days=2, minutes=7)))
    others = Span(
        tuple(subjects[1::2]), Period(START + timedelta(days=1), START + timedelta(days=9))
    )
    expected = {
        (event.generation, event.partition, event.offset, event.row): (
            event.type, event.subject, event.time, event.data.encode(),
            f"{event.offset}-{event.row}",
        )
        for event in net(log.before(cut.offsets))
        if event.tenant_id == str(TENANT)
        for span in (some, others)
        if event.subject in span.subjects and event.time in span.period
    }  # fmt: skip
    with closing(connect_clickhouse(installation.clickhouse)) as client:
        for _ in range(2):  # the same again
            blocks = list(live_events(client, TENANT, (some, others), cut))
            rows = pl.concat(blocks).rows(named=True)
            found = {
                tuple(row[name] for name in _PLACE): (
                    row["type"], row["subject"], row["time"], row["data"], row["id"],
                )
                for row in rows
            }  # fmt: skip
            assert len(found) == len(rows)
            assert found == expected, seed
    assert expected
    if rows_max < 100_000 and len(rows) > 100:  # a random cut may leave few
        assert len(blocks) > 4
