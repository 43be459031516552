"""What dated subjects used together, beside a recount of their events under one name."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

from core.endpoints import Endpoints
from core.period import Period
from tests.usage.plain_usage import usage
from tests.usage.random_logs import START, TENANT, TOLD, random_cut, random_log
from tests.usage.test_reader import random_windows
from tests.usage.written_log import write
from usage.reader import UsageReader
from usage.union import used_in

SUBJECTS = ("s0", "s1", "s2", "s3")
TOGETHER = {"count", "sum", "min", "max", "unique_count"}
"""What is the same however its events are put together; of no events, nothing or zero."""


def random_spans(rng: random.Random) -> list[tuple[str, Period]]:
    """When each subject is the customer's: always, never, or between some instants."""
    held = []
    for subject in SUBJECTS:
        hours = sorted(rng.sample(range(-24, 24 * 8), rng.choice([0, 2, 4])))
        if rng.random() < 0.3:
            hours = [-1000, 1000]
        instants = [START + timedelta(hours=hour, minutes=rng.choice([0, 7])) for hour in hours]
        pairs = zip(instants[::2], instants[1::2], strict=True)
        held += [(subject, Period(*sorted(pair))) for pair in pairs if pair[0] != pair[1]]
    return held


def is_held(held: list[tuple[str, Period]], subject: str, at: datetime) -> bool:
    return any(subject == name and span.start <= at < span.end for name, span in held)


def test_subjects_together_equal_the_recount_of_their_events(
    installation: Endpoints, seed: int
) -> None:
    rng = random.Random(seed)
    log = random_log(rng, 60)
    write(installation.clickhouse, log, [told.meter for told in TOLD], rng)
    reader = UsageReader(installation.clickhouse)
    read = 0
    for _ in range(2):
        held, windows = random_spans(rng), random_windows(rng)
        cut = rng.choice([reader.cut(), random_cut(rng, log)])
        mine = [
            replace(event, subject="all")
            for event in log.before(cut.offsets)
            if is_held(held, event.subject, event.time)
        ]
        for told in TOLD:
            meter = told.meter
            if meter.tenant_id != TENANT or meter.aggregation not in TOGETHER:
                continue
            lines = usage(mine, told, windows, by_dimensions=False)
            wanted = [Fraction(0)] * len(windows)
            for (window, _, _, _), line in lines.items():
                wanted[window] = line.quantity
            found = [Fraction(each) for each in used_in(reader, meter, held, windows, cut)]
            for got, want in zip(found, wanted, strict=True):
                assert abs(got - want) <= Fraction(1, 10**11), (seed, meter.slug, windows, held)
            read += sum(want != 0 for want in wanted)
    assert read > 3, f"--seed {seed}"
    reader.close()
