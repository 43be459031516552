from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl
import pytest

from core.endpoints import Endpoints
from core.ids import TenantId
from core.period import Period
from tests.streams.log_oracle import LogRecord, Sent
from tests.streams.logs import METERS, START, START_MS, TENANTS
from tests.usage.stored_log import expected_usage, random_log, store
from usage.cut import Cut
from usage.reader import UsageReader

TENANT = TenantId(UUID(TENANTS[0]))
MINE = [meter for meter in METERS if meter.tenant_id == TENANT]


def read(
    reader: UsageReader, period: Period, cut: Cut, subjects: list[str] | None = None
) -> dict[tuple[str, str], tuple[Decimal, int, int]]:
    rows = reader.period_usage(TENANT, MINE, period, cut, subjects).to_dicts()
    return {
        (row["meter_id"], row["subject"]): (
            row["quantity"],
            row["event_count"],
            row["unmeterable_count"],
        )
        for row in rows
    }


def random_instant(rng: random.Random) -> datetime:
    whole = START + timedelta(hours=rng.randint(-1, 7))
    return whole + timedelta(microseconds=rng.choice([0, 0, 1, -1, rng.randrange(3600 * 10**6)]))


@pytest.mark.req("STR-06", "STR-01")
def test_any_period_at_any_cut_equals_the_recount(installation: Endpoints, seed: int) -> None:
    """The first chunks know one meter only: for the others they are answered from events."""
    rng = random.Random(seed)
    log = random_log(rng, 4 * 64 + 30)
    store(installation, log, versions=(1, 2, 4))
    reader = UsageReader(installation.clickhouse)
    newest = reader.cut()
    assert newest.offsets == {"1/0": len(log)}
    for _ in range(25):
        ends = sorted({random_instant(rng), random_instant(rng)})
        period = Period(ends[0], ends[-1] + timedelta(microseconds=1))
        cut = rng.choice([newest, Cut({"1/0": rng.randint(0, len(log))})])
        expected = expected_usage(log, MINE, period, cut.offsets["1/0"])
        assert read(reader, period, cut) == expected, (seed, period, cut)
    some = read(reader, Period(START, START + timedelta(hours=6)), newest, ["u1"])
    assert {subject for _, subject in some} == {"u1"}
    assert reader.period_usage(TENANT, MINE, period, newest, []).is_empty()
    reader.close()


@pytest.mark.req("ING-09")
def test_an_event_at_the_end_of_a_period_belongs_to_the_next(installation: Endpoints) -> None:
    noon = START + timedelta(hours=12)
    times = [noon - timedelta(microseconds=1), noon]
    events = tuple(Sent(TENANTS[0], "s", str(at), "call", "u", at, '{"n":1}') for at in times)
    store(installation, [LogRecord(START_MS, events)], versions=(4,))
    reader = UsageReader(installation.clickhouse)
    cut, count = reader.cut(), (str(METERS[0].id), "u")
    before = read(reader, Period(START, noon), cut)[count]
    after = read(reader, Period(noon, noon + timedelta(hours=1)), cut)[count]
    assert (before, after) == ((Decimal(1), 1, 0), (Decimal(1), 1, 0))
    reader.close()


def test_a_cut_is_read_back_from_its_text() -> None:
    cut = Cut({"1/2": 5, "1/0": 0})
    assert cut.as_json() == '{"1/0":0,"1/2":5}'
    assert Cut.from_json(cut.as_json()) == cut


def test_a_run_that_gets_a_newer_catalog_in_mid_answer_is_not_lost(
    installation: Endpoints, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two queries of an answer a second owner brings the runs to catalog 4."""
    log = random_log(random.Random(seed), 3 * 64)
    store(installation, log, versions=(1,))
    reader = UsageReader(installation.clickhouse)
    cut, period = reader.cut(), Period(START, START + timedelta(hours=6))
    expected = expected_usage(log, MINE, period, len(log))
    hours = reader._hours
    raced: list[bool] = []

    def hours_and_race(parameters: dict[str, Any]) -> pl.DataFrame:
        found = hours(parameters)
        if not raced:
            store(installation, log, versions=(4,))
            raced.append(True)
        return found

    monkeypatch.setattr(reader, "_hours", hours_and_race)
    assert read(reader, period, cut) == expected
    assert raced
    reader.close()


def test_any_number_of_subjects_can_be_asked_for(installation: Endpoints) -> None:
    events = (Sent(TENANTS[0], "s", "1", "call", "u", START, '{"n":1}'),)
    store(installation, [LogRecord(START_MS, events)], versions=(4,))
    reader = UsageReader(installation.clickhouse)
    subjects = [f"subject-{number:06d}-{'é' * 100}" for number in range(3_000)]
    found = read(
        reader, Period(START, START + timedelta(hours=1)), reader.cut(), [*subjects, "u", "u"]
    )
    assert {subject for _, subject in found} == {"u"}
    assert found[str(METERS[0].id), "u"] == (Decimal(1), 1, 0)
    reader.close()
