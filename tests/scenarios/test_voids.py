"""Events that are taken back again: usage follows, the log and the proof stay whole."""

from __future__ import annotations

import random
import signal
from collections import defaultdict
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.scenarios.traffic import make_event
from tests.scenarios.world import World, post

EVENTS = 3_000


def void_of(event: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"void-{number}",
        "source": "corrections",
        "type": "tollbook.void",
        "data": {"source": event["source"], "id": event["id"]},
    }


@pytest.mark.slow
def test_voided_events_are_no_longer_usage(world: World, seed: int) -> None:
    rng = random.Random(seed)
    url, worker = world.ingest(), world.worker("a")
    events = [make_event(number, rng) for number in range(EVENTS)]
    unknown = make_event(EVENTS + 1, rng)
    taken_back = rng.sample(events, EVENTS // 5)
    early, late = taken_back[::2], taken_back[1::2]
    with httpx.Client() as client:
        # Some voids travel with their targets, some long after them and through another worker.
        post(client, url, world.api_key, [*events, *map(void_of, early, range(EVENTS))])
        world.wait_until_proved(worker.start)
        worker.signal(signal.SIGKILL)
        again = [void_of(event, EVENTS + number) for number, event in enumerate(early[:50])]
        voids = [void_of(event, 2 * EVENTS + number) for number, event in enumerate(late)]
        post(client, url, world.api_key, [*voids, *again, void_of(unknown, 0)])
        post(client, url, world.api_key, [*voids, unknown])
    world.wait_until_proved(worker.start)

    report = world.verify()
    assert report.differences == [], (seed, report.differences[:3])
    totals = report.totals
    assert totals["accepted"] == EVENTS + 1 + len(taken_back), seed
    assert totals["duplicates"] == len(again) + len(voids), seed
    assert totals["rejected"] == 1, seed

    left = {event["id"] for event in (*events, unknown)} - {event["id"] for event in taken_back}
    counts: defaultdict[str, int] = defaultdict(int)
    tokens: defaultdict[str, Decimal] = defaultdict(Decimal)
    for event in (*events, unknown):
        if event["id"] in left:
            counts[event["subject"]] += 1
            tokens[event["subject"]] += Decimal(event["data"]["usage"]["tokens"] or 0)
    usage = {key: quantity for key, (quantity, _) in world.usage().items()}
    assert usage == {
        **{("requests", subject): Decimal(count) for subject, count in counts.items()},
        **{("tokens", subject): tokens[subject] for subject in counts},
    }, seed
