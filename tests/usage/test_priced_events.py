from __future__ import annotations

import json
import random
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest

from catalog.meter_definition import MeterDefinition
from core.endpoints import Endpoints
from core.errors import ValidationError
from core.period import Period
from tests.usage.plain_usage import Told, at, dimension, net, number
from tests.usage.random_logs import DAYS, METERS, MICROS, START, TOLD, random_cut, random_log
from tests.usage.written_log import Stored, write
from usage.cut import Cut
from usage.priced_events import PRICED_EVENTS, priced_events
from usage.reader import UsageReader

Row = tuple[str, str, datetime, Fraction | None, Fraction | None]
CALLS, TOKENS = TOLD[:2]


def recounted(
    events: list[Stored], told: Told, period: Period, names: tuple[str, ...], amount: str
) -> Counter[Row]:
    """Each event that is left, with what it says, by hand."""
    meter, paths, found = told.meter, dict(told.meter.dimensions), Counter[Row]()
    for event in net(events):
        if event.tenant_id != str(meter.tenant_id) or event.type not in meter.event_types:
            continue
        if not period.start <= event.time < period.end:
            continue
        data: dict[str, Any] = json.loads(event.data, parse_int=Decimal, parse_float=Decimal)
        value = told.value(data)
        assert not isinstance(value, str)
        carried = None
        if amount:
            carried = number(at(data, amount))
            if carried is None and at(data, amount) is not None:
                value = None
        words = [dimension(at(data, paths[name])) or "" for name in names]
        group = json.dumps(words, ensure_ascii=False, separators=(",", ":")) if names else ""
        found[event.subject, group, event.time, value, carried] += 1
    return found


def rows_of(frame: pl.DataFrame) -> Counter[Row]:
    assert frame.schema == PRICED_EVENTS
    assert frame["event_id"].is_unique().all()
    return Counter(
        (subject, group, time, *(None if each is None else Fraction(each) for each in numbers))
        for subject, group, time, _, *numbers in frame.rows()
    )


@pytest.mark.parametrize("amount", ["", "usage.output"])
def test_every_event_that_the_meter_counts_is_there_once_with_what_it_says(
    installation: Endpoints, seed: int, amount: str
) -> None:
    rng = random.Random(seed)
    log = random_log(rng, 60)
    write(installation.clickhouse, log, METERS, rng)
    with closing(UsageReader(installation.clickhouse)) as reader:
        for told in (CALLS, TOKENS):
            cut = random_cut(rng, log)
            ends = sorted(START + timedelta(microseconds=rng.randrange(MICROS)) for _ in "se")
            for period in (Period(START, START + timedelta(days=DAYS)), Period(*ends)):
                known = [name for name, _ in told.meter.dimensions]
                names = tuple(sorted(rng.sample(known, rng.randint(0, len(known)))))
                found = priced_events(
                    reader, told.meter, period, cut, dimensions=names, amount=amount
                )
                wanted = recounted(log.before(cut.offsets), told, period, names, amount)
                assert rows_of(found) == wanted, f"seed {seed}"


def test_subjects_archiving_and_dimensions_are_those_of_the_meter(
    installation: Endpoints, seed: int
) -> None:
    rng = random.Random(seed)
    log = random_log(rng, 40)
    write(installation.clickhouse, log, METERS, rng)
    cut, period = Cut(log.cut), Period(START, START + timedelta(days=DAYS))
    meter: MeterDefinition = TOKENS.meter
    with closing(UsageReader(installation.clickhouse)) as reader:
        every = priced_events(reader, meter, period, cut)
        one = every["subject"][0]
        some = priced_events(reader, meter, period, cut, [one])
        assert rows_of(some) == rows_of(every.filter(pl.col("subject") == one))
        assert priced_events(reader, meter, period, cut, []).is_empty()
        gone = START + timedelta(days=2)
        archived = priced_events(reader, replace(meter, archived_at=gone), period, cut)
        assert rows_of(archived) == rows_of(every.filter(pl.col("time") < gone))
        before = replace(meter, archived_at=START)
        assert priced_events(reader, before, period, cut).is_empty()
        with pytest.raises(ValidationError, match=r"zone: the meter meter-2 has no such dimension"):
            priced_events(reader, meter, period, cut, dimensions=["zone"])
