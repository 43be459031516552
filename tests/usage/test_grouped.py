from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

import pytest

from core.endpoints import Endpoints
from core.errors import BusinessLogicError, ValidationError
from core.period import Period
from tests.usage.plain_usage import Data, Told, Used, at, dimension, usage
from tests.usage.random_logs import (
    DAYS,
    MICROS,
    START,
    TENANT,
    TOLD,
    random_cut,
    random_log,
)
from tests.usage.written_log import Stored, write
from usage.cut import Cut
from usage.grouped import Grouping, grouped_usage
from usage.reader import UsageReader

_EVERY_VALUE = {"weighted_sum", "percentile"}
MINE = [
    told
    for told in TOLD
    if told.meter.tenant_id == TENANT and told.meter.aggregation not in _EVERY_VALUE
]


def read(
    reader: UsageReader, told: Told, period: Period, cut: Cut, grouping: Grouping
) -> dict[tuple[str, str], Used]:
    found = grouped_usage(reader, told.meter, period, cut, grouping)
    return {
        (row["subject"], row["dimensions"]): Used(
            Fraction(row["quantity"]), row["event_count"], row["unmeterable_count"]
        )
        for row in found.to_dicts()
    }


def recounted(
    events: Sequence[Stored], told: Told, period: Period, grouping: Grouping
) -> dict[tuple[str, str], Used]:
    """The same by hand: whoever used it is told apart in the events themselves."""
    paths = dict(told.meter.dimensions)
    picked = tuple(sorted((name, paths[name]) for name in grouping.dimensions))

    def text(data: Data, name: str) -> str:
        return dimension(at(data, paths[name])) or ""

    def counts(data: Data) -> bool:
        return told.counts(data) and all(
            text(data, name) in values for name, values in grouping.where.items()
        )

    plain = replace(told, meter=replace(told.meter, dimensions=picked), counts=counts)
    if not grouping.by_subject:
        events = [replace(event, subject="") for event in events]
    found = usage(events, plain, [period], by_dimensions=True)
    lines = {}
    for (_, _, subject, shown), used in found.items():
        values = [value or "" for value in json.loads(shown)] if shown else []
        by_name = dict(zip(sorted(grouping.dimensions), values, strict=True))
        group = json.dumps(
            [by_name[name] for name in grouping.dimensions],
            ensure_ascii=False,
            separators=(",", ":"),
        )
        lines[subject, group] = used
    return lines


def random_grouping(rng: random.Random, names: Sequence[str]) -> Grouping:
    dimensions = rng.sample(list(names), rng.randint(0, len(names)))
    where: Mapping[str, Sequence[str]] = {
        name: rng.sample(["a", "b", "", "1", "true"], 2) for name in names if rng.random() < 0.4
    }
    return Grouping(rng.random() < 0.5, tuple(dimensions), where)


def test_any_grouping_equals_the_recount_of_the_raw_events(
    installation: Endpoints, seed: int
) -> None:
    rng = random.Random(seed)
    log = random_log(rng, 150)
    write(installation.clickhouse, log, [told.meter for told in TOLD], rng)
    with closing(UsageReader(installation.clickhouse)) as reader:
        newest = reader.cut()
        for told in MINE:
            for _ in range(2):
                grouping = random_grouping(rng, [name for name, _ in told.meter.dimensions])
                cut = rng.choice([newest, random_cut(rng, log)])
                end = START + timedelta(microseconds=rng.randrange(1, DAYS * MICROS))
                period = Period(START - timedelta(days=1), end)
                expected = recounted(log.before(cut.offsets), told, period, grouping)
                assert read(reader, told, period, cut, grouping) == expected, (seed, grouping)
        told = MINE[0]
        types, tenant = told.meter.event_types, str(TENANT)
        times = [
            event.time
            for event in log.events
            if event.sign > 0 and event.type in types and event.tenant_id == tenant
        ]
        found = reader.event_times(told.meter, newest)
        assert found == (min(times), max(times))
        nobody = reader.event_times(told.meter, newest, ["nobody"])
        assert nobody is None


def test_what_a_meter_has_not_is_named(installation: Endpoints) -> None:
    meters = {told.meter.aggregation: told.meter for told in TOLD}
    period = Period(START, START + timedelta(days=1))
    with closing(UsageReader(installation.clickhouse)) as reader:
        cut = reader.cut()
        for grouping in (Grouping(dimensions=("colour",)), Grouping(where={"colour": ["red"]})):
            with pytest.raises(
                ValidationError, match=r"colour: the meter .* has no such dimension"
            ):
                grouped_usage(reader, meters["max"], period, cut, grouping)
        with pytest.raises(BusinessLogicError, match="told by subject and all dimensions only"):
            grouped_usage(reader, meters["percentile"], period, cut, Grouping())
        assert grouped_usage(reader, meters["max"], period, cut, Grouping(), []).is_empty()
        late = replace(meters["max"], archived_at=datetime(2000, 1, 1, tzinfo=START.tzinfo))
        assert grouped_usage(reader, late, period, cut, Grouping()).is_empty()
