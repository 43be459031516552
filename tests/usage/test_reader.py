from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from core.endpoints import Endpoints
from core.errors import DependencyDownError, ValidationError
from core.period import Period
from tests.usage.plain_usage import Told, Used, usage
from tests.usage.random_logs import (
    DAYS,
    MICROS,
    START,
    TENANT,
    TOLD,
    meter,
    random_cut,
    random_log,
)
from tests.usage.written_log import Log, Stored, write
from usage.cut import Cut
from usage.reader import UsageReader

MINE = [told for told in TOLD if told.meter.tenant_id == TENANT]
Lines = dict[tuple[int, str, str, str], Used]


def read(
    reader: UsageReader,
    windows: Sequence[Period],
    cut: Cut,
    told: Sequence[Told] = MINE,
    subjects: list[str] | None = None,
    *,
    by_dimensions: bool = False,
) -> Lines:
    meters = [each.meter for each in told]
    found = reader.windowed_usage(
        TENANT, meters, windows, cut, subjects, by_dimensions=by_dimensions
    )
    lines = {}
    for row in found.to_dicts():
        key = (row["window"], row["meter_id"], row["subject"], row.get("dimensions", ""))
        assert key not in lines
        quantity = Fraction(row["quantity"])
        exact = Fraction(row["numerator"]) / Fraction(row["denominator"])
        assert abs(exact - quantity) <= Fraction(1, 2 * 10**12)
        lines[key] = Used(quantity, row["event_count"], row["unmeterable_count"])
    return lines


def expected(
    events: Sequence[Stored],
    windows: Sequence[Period],
    told: Sequence[Told] = MINE,
    *,
    by_dimensions: bool = False,
) -> Lines:
    lines: Lines = {}
    for each in told:
        lines |= usage(events, each, windows, by_dimensions=by_dimensions)
    return lines


def random_windows(rng: random.Random) -> list[Period]:
    """Neighbours and gaps, at whole days and hours, half hours and any microsecond."""
    ends = {
        START + timedelta(microseconds=rng.choice([
            rng.randrange(MICROS),
            rng.randrange(DAYS * 48) * 1800 * 10**6,
            rng.randrange(DAYS) * 24 * 3600 * 10**6,
        ]))
        for _ in range(rng.choice([1, 2, 6]))
    }  # fmt: skip
    instants = sorted({START - timedelta(days=1), START + timedelta(days=7), *ends})
    windows = [Period(*pair) for pair in pairwise(instants) if rng.random() < 0.7]
    return windows or [Period(instants[0], instants[-1])]


@pytest.mark.req("ING-08", "STR-06", "STR-01")
def test_any_windows_at_any_cut_equal_the_recount_of_the_raw_events(
    installation: Endpoints, seed: int
) -> None:
    """Every aggregation, filters, dimensions, voids, late events, old catalogs, roll-ups."""
    rng = random.Random(seed)
    log = random_log(rng, 150)
    write(installation.clickhouse, log, [told.meter for told in TOLD], rng)
    reader = UsageReader(installation.clickhouse)
    newest = reader.cut()
    assert newest.offsets == {part: end for part, end in log.cut.items() if end}
    for _ in range(8):
        windows, cut = random_windows(rng), rng.choice([newest, random_cut(rng, log)])
        by = rng.random() < 0.5
        recounted = expected(log.before(cut.offsets), windows, by_dimensions=by)
        assert read(reader, windows, cut, by_dimensions=by) == recounted, (seed, windows, cut)
    some = read(reader, windows, cut, subjects=["s1", "s2"])
    whole = expected(log.before(cut.offsets), windows)
    assert some == {key: used for key, used in whole.items() if key[2] in {"s1", "s2"}}
    assert read(reader, windows, cut, subjects=[]) == {}
    reader.close()


ZONES = ("Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "UTC")


@pytest.mark.parametrize("zone", ZONES)
def test_days_of_any_zone_are_answered_exactly(
    installation: Endpoints, seed: int, zone: str
) -> None:
    """In Berlin one of the days has 23 hours; the others begin at half past the hour."""
    rng = random.Random(seed)
    log = random_log(rng, 100)
    write(installation.clickhouse, log, [told.meter for told in TOLD], rng)
    local = START.astimezone(ZoneInfo(zone))
    first = datetime(local.year, local.month, local.day, tzinfo=ZoneInfo(zone))
    windows = [
        Period(*pair) for pair in pairwise(first + timedelta(days=day) for day in range(DAYS + 2))
    ]
    reader = UsageReader(installation.clickhouse)
    assert read(reader, windows, reader.cut()) == expected(log.events, windows)
    reader.close()


def test_an_answer_at_a_cut_never_changes(installation: Endpoints, seed: int) -> None:
    """Later: more events and voids, chunks completed, meters back-filled, runs rolled up."""
    rng = random.Random(seed)
    meters = [told.meter for told in TOLD]
    log = random_log(rng, 150)
    early = Log({}, log.chunk_records)
    early.ends = {part: end if part[0] == 1 else end // 2 for part, end in log.ends.items()}
    early.events = log.before(early.cut)
    write(installation.clickhouse, early, meters, rng)
    reader = UsageReader(installation.clickhouse)
    cut, windows = reader.cut(), random_windows(rng)
    before = reader.windowed_usage(TENANT, meters, windows, cut)
    write(installation.clickhouse, log, meters, rng, holes=False)
    for again in (reader, UsageReader(installation.clickhouse)):
        assert again.windowed_usage(TENANT, meters, windows, cut).equals(before), (seed, cut)
        again.close()


def test_a_void_takes_back_what_a_cut_before_it_still_sees(installation: Endpoints) -> None:
    noon = START + timedelta(hours=12)
    events = [
        Stored(1, 0, offset, 0, 1, offset, str(TENANT), "call", "s", noon, data)
        for offset, data in enumerate(['{"usage":{"input":5}}', '{"usage":{"input":3}}'])
    ]
    void = Stored(1, 0, 2, 0, -1, 0, str(TENANT), "call", "s", noon, events[0].data)
    log = Log({(1, 0): 3}, {1: 1}, [*events, void])
    write(installation.clickhouse, log, [told.meter for told in TOLD], random.Random(0))
    reader, day = UsageReader(installation.clickhouse), [Period(START, START + timedelta(days=1))]
    totals = (str(TOLD[1].meter.id), str(TOLD[2].meter.id))
    for end, numbers in ((2, (8, 5)), (3, (3, 3))):
        lines = read(reader, day, Cut({"1/0": end}))
        assert [lines[0, each, "s", ""].quantity for each in totals] == [*map(Fraction, numbers)]
    reader.close()


@pytest.mark.req("ING-09")
def test_an_event_at_the_end_of_a_period_belongs_to_the_next(installation: Endpoints) -> None:
    noon = START + timedelta(hours=12)
    times = [noon - timedelta(microseconds=1), noon]
    events = [
        Stored(1, 0, at, 0, 1, at, str(TENANT), "call", "s", time, "{}")
        for at, time in enumerate(times)
    ]
    write(
        installation.clickhouse,
        Log({(1, 0): 2}, {1: 1}, events),
        [told.meter for told in TOLD],
        random.Random(0),
    )
    reader = UsageReader(installation.clickhouse)
    for period in (Period(START, noon), Period(noon, noon + timedelta(hours=1))):
        lines = read(reader, [period], reader.cut(), TOLD[:1])
        assert [used.quantity for used in lines.values()] == [1]
    reader.close()


def test_an_archived_meter_counts_up_to_its_archiving(installation: Endpoints, seed: int) -> None:
    rng = random.Random(seed)
    log = random_log(rng, 60)
    write(installation.clickhouse, log, [told.meter for told in TOLD], rng)
    until = START + timedelta(days=2, minutes=17)
    archived = meter(1, "count", event_types=["call", "batch"], archived_at=until)
    reader = UsageReader(installation.clickhouse)
    windows = [
        Period(START, until + timedelta(days=1)),
        Period(until + timedelta(days=1), until + timedelta(days=2)),
    ]
    found = read(reader, windows, reader.cut(), [Told(archived, TOLD[0].value)])
    assert found == expected(log.events, [Period(START, until)], TOLD[:1])
    reader.close()


def test_windows_may_begin_before_all_events_and_end_after_them(
    installation: Endpoints, seed: int
) -> None:
    """Seconds since 1970 in 32 bits, as the tables have them, end with 2106."""
    rng = random.Random(seed)
    log = random_log(rng, 60)
    write(installation.clickhouse, log, [told.meter for told in TOLD], rng)
    reader = UsageReader(installation.clickhouse)
    cut, middle = reader.cut(), START + timedelta(days=2, minutes=11)
    far = [Period(middle.replace(year=2025), middle), Period(middle, middle.replace(year=2107))]
    assert read(reader, far, cut) == expected(log.events, far)
    before = [Period(middle.replace(year=1900), middle.replace(year=1969))]
    assert read(reader, before, cut) == {}
    reader.close()


def test_windows_that_overlap_are_refused(installation: Endpoints) -> None:
    reader = UsageReader(installation.clickhouse)
    hours = [START + timedelta(hours=hour) for hour in range(4)]
    with pytest.raises(ValidationError, match="windows"):
        reader.windowed_usage(
            TENANT, [], [Period(hours[0], hours[2]), Period(hours[1], hours[3])], Cut({})
        )
    reader.close()


def test_a_cut_beyond_what_is_proved_is_refused(installation: Endpoints, seed: int) -> None:
    """While tables are rebuilt or repaired, an old cut is not answered with less."""
    rng = random.Random(seed)
    log = random_log(rng, 60)
    write(installation.clickhouse, log, [told.meter for told in TOLD], rng)
    reader, day = UsageReader(installation.clickhouse), Period(START, START + timedelta(days=1))
    meters = [told.meter for told in MINE]
    with pytest.raises(DependencyDownError, match="proves"):
        reader.period_usage(TENANT, meters, day, Cut({"1/0": log.ends[1, 0] + 1}))
    reader.close()


def test_any_number_of_subjects_can_be_asked_for(installation: Endpoints) -> None:
    events = [Stored(1, 0, 0, 0, 1, 0, str(TENANT), "call", "u", START, "{}")]
    write(
        installation.clickhouse,
        Log({(1, 0): 1}, {1: 1}, events),
        [told.meter for told in TOLD],
        random.Random(0),
    )
    reader = UsageReader(installation.clickhouse)
    subjects = [f"subject-{number:06d}-{'é' * 100}" for number in range(3_000)]
    day = Period(START, START + timedelta(days=1))
    found = read(reader, [day], reader.cut(), TOLD[:1], [*subjects, "u", "u"])
    assert found == expected(events, [day], TOLD[:1])
    reader.close()


def test_a_cut_is_read_back_from_its_text() -> None:
    cut = Cut({"1/2": 5, "1/0": 0})
    assert cut.as_json() == '{"1/0":0,"1/2":5}'
    assert Cut.from_json(cut.as_json()) == cut
