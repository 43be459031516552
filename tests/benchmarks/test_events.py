from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.events import HOUR_US, START, Cell, Recount, Traffic, generate
from benchmarks.producing import envelopes
from core.envelope import decode_envelope

TENANT = "01890000-0000-7000-8000-000000000000"


@given(st.integers(0, 2**32))
def test_the_recount_equals_a_second_one_from_the_texts(seed: int) -> None:
    recount = Recount()
    first: dict[str, bytes] = {}
    totals: defaultdict[tuple[str, Cell], Decimal] = defaultdict(Decimal)
    verdicts: Counter[str] = Counter()
    for event in generate(Traffic(400, TENANT, seed=seed), recount):
        if event.id in first:
            verdicts["duplicate" if first[event.id] == event.data else "conflict"] += 1
            continue
        first[event.id] = event.data
        data = json.loads(event.data, parse_float=Decimal, parse_int=Decimal)
        hour = datetime.fromisoformat(event.time_text).replace(minute=0, second=0, microsecond=0)
        hour_us = round(hour.timestamp()) * 1_000_000
        cell = (hour_us, event.subject, data["model"], data["region"])
        totals["requests", cell] += 1
        totals["units", cell] += data["n"]
        totals["tokens", cell] += data["usage"]["tokens"]
        totals["cached", cell] += data["usage"]["cached"]
        totals["largest", cell] = max(totals["largest", cell], data["usage"]["tokens"])
    assert {cell: quantity for cell, (quantity, _) in recount.quantities().items()} == totals
    assert recount.events == 400
    assert recount.accepted == len(first)
    assert (recount.duplicates, recount.conflicts) == (
        verdicts["duplicate"],
        verdicts["conflict"],
    )


def test_the_same_seed_makes_the_same_events_another_one_others() -> None:
    def made(seed: int) -> list[object]:
        return list(generate(Traffic(400, TENANT, seed=seed), Recount()))

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_a_tenth_are_copies_and_one_in_a_thousand_says_something_else() -> None:
    recount = Recount()
    for _ in generate(Traffic(40_000, TENANT), recount):
        pass
    assert 3_600 < recount.duplicates + recount.conflicts < 4_400
    assert 15 < recount.conflicts < 85


def test_every_partition_gets_its_share_in_full_envelopes() -> None:
    traffic = Traffic(8_000, TENANT)
    made = list(envelopes(traffic, generate(traffic, Recount())))
    assert Counter(partition for partition, _, _ in made) == dict.fromkeys(range(4), 2)
    assert {decode_envelope(value).num_rows for _, value, _ in made} == {1_000}
    small = envelopes(traffic, generate(traffic, Recount()), size=100)
    assert Counter(partition for partition, _, _ in small) == dict.fromkeys(range(4), 20)


def test_event_times_stay_within_the_hours() -> None:
    traffic = Traffic(4_000, TENANT, hours=2)
    start_us = round(START.timestamp()) * 1_000_000
    times = [event.time_us for event in generate(traffic, Recount())]
    assert start_us <= min(times)
    assert max(times) < start_us + 2 * HOUR_US
