"""Events of a scenario, with copies on purpose, and the journal that recounts them by hand."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from core.period import Period

START = datetime(2026, 11, 1, tzinfo=UTC)
PERIOD = Period(START, START + timedelta(hours=30))
BATCH = 500


def make_event(number: int, rng: random.Random) -> dict[str, Any]:
    """One event; about one in fifty has no value that a sum could read."""
    data: dict[str, Any] = {"usage": {"tokens": rng.randint(0, 10**6)}, "model": "small"}
    if rng.random() < 0.3:
        data["usage"]["tokens"] = f"{rng.randint(0, 10**6)}.{rng.randint(0, 10**12 - 1):012d}"
    if rng.random() < 0.02:
        data["usage"] = {"tokens": None}
    at = START + timedelta(milliseconds=rng.randrange(29 * 3600 * 1000))
    return {
        "specversion": "1.0",
        "id": f"event-{number}",
        "source": "scenario",
        "type": "request",
        "subject": f"subject-{rng.randrange(40)}",
        "time": at.isoformat(),
        "data": data,
    }


def make_batches(rng: random.Random, events: int, batch: int = BATCH) -> list[list[dict[str, Any]]]:
    """Batches of new events, and among them about 10 % copies.

    A third of the copies is the same request again, a third the same event in another batch, a
    third the same id with another body. A copy comes after its original: what is first in the log
    is known.
    """
    batches: list[list[dict[str, Any]]] = []
    sent: list[dict[str, Any]] = []
    number = 0
    while number < events:
        fresh = []
        for _ in range(min(batch, events - number)):
            fresh.append(make_event(number, rng))
            number += 1
        if sent:
            copies = rng.sample(sent, min(len(sent), batch // 15))
            changed = [
                {**event, "data": {"usage": {"tokens": 7}, "changed": True}}
                for event in rng.sample(sent, min(len(sent), batch // 30))
            ]
            fresh_and_copies = [*fresh, *copies, *changed]
            rng.shuffle(fresh_and_copies)
            batches.append(fresh_and_copies)
        else:
            batches.append(fresh)
        if rng.random() < 0.033:
            batches.append(batches[-1])
        sent = (sent + fresh)[-20 * batch :]
    return batches


class Journal:
    """What was acknowledged, in the order of its acknowledgement."""

    def __init__(self) -> None:
        self.first: dict[str, dict[str, Any]] = {}
        self.acknowledged_copies = 0
        self.conflicts = 0

    def write(self, batch: list[dict[str, Any]]) -> None:
        """Note an acknowledged batch."""
        for event in batch:
            known = self.first.setdefault(event["id"], event)
            self.acknowledged_copies += 1
            self.conflicts += known["data"] != event["data"]

    def recount(self) -> dict[tuple[str, str], tuple[Decimal, int]]:
        """(meter slug, subject) -> quantity and number of unmeterable events, by hand."""
        counts: defaultdict[str, int] = defaultdict(int)
        tokens: defaultdict[str, Decimal] = defaultdict(Decimal)
        unmeterable: defaultdict[str, int] = defaultdict(int)
        for event in self.first.values():
            subject, value = event["subject"], event["data"]["usage"]["tokens"]
            counts[subject] += 1
            if value is None:
                unmeterable[subject] += 1
            else:
                tokens[subject] += Decimal(value)
        requests = {("requests", name): (Decimal(number), 0) for name, number in counts.items()}
        sums = {("tokens", name): (tokens[name], unmeterable[name]) for name in counts}
        return requests | sums
