"""Random logs of two generations, and meters of every aggregation to read them with."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from catalog.meter_definition import MeterDefinition
from core.ids import MeterId, TenantId
from tests.usage.plain_usage import Data, Told, at, number
from tests.usage.written_log import Log, Stored
from usage.cut import Cut

TENANT, OTHER = TenantId(UUID(int=1)), TenantId(UUID(int=2))
START = datetime(2026, 3, 27, tzinfo=UTC)
"""Two days before the clocks change in Europe."""

DAYS = 5
MICROS = DAYS * 24 * 3600 * 10**6
Place = tuple[int, int, int, int]
DIMENSIONS = {"model": "model", "at": "place"}
WHERE = {"or": [{"path": "model", "in": ["a", "b"]}, {"path": "usage.output", "gt": "2"}]}
BILLED = "usage.input + 3 * usage.output"


def meter(
    version: int, aggregation: str, tenant: TenantId = TENANT, **words: Any
) -> MeterDefinition:
    document = {"event_type": "call", "aggregation": aggregation, **words}
    if "event_types" in words:
        del document["event_type"]
    if aggregation not in {"count", "unique_count"}:
        document.setdefault("value", "usage.input")
    archived_at = document.pop("archived_at", None)
    return MeterDefinition.from_document(
        document,
        archived_at=archived_at,
        meter_id=MeterId(UUID(int=100 + version)),
        tenant_id=tenant,
        slug=f"meter-{version}",
        name=aggregation,
        catalog_version=version,
    )


def _input(data: Data) -> Fraction | None:
    return number(at(data, "usage.input"))


def _user(data: Data) -> str | None:
    found = at(data, "user")
    return str(found) if isinstance(found, str) else None


def _billed(data: Data) -> Fraction | None:
    into, out = number(at(data, "usage.input")), number(at(data, "usage.output"))
    return None if into is None or out is None else into + 3 * out


def _where(data: Data) -> bool:
    out = number(at(data, "usage.output"))
    return data.get("model") in ("a", "b") or (out is not None and out > 2)


CONVERSION = {"factor": "0.3", "rounding": "up", "decimals": 1}
BOTH = ["call", "batch"]
TOLD = (
    Told(meter(1, "count", event_types=BOTH), lambda _data: Fraction(1)),
    Told(meter(2, "sum", dimensions=DIMENSIONS), _input),
    Told(meter(3, "max", dimensions=DIMENSIONS, event_types=BOTH), _input),
    Told(meter(4, "min"), _input),
    Told(meter(5, "avg", dimensions=DIMENSIONS, conversion={"factor": "0.7"}), _input),
    Told(meter(6, "latest", dimensions=DIMENSIONS), _input),
    Told(meter(7, "unique_count", value="user", event_types=BOTH), _user),
    Told(meter(8, "weighted_sum", per="hour", dimensions=DIMENSIONS), _input),
    Told(meter(9, "percentile", percentile="90", dimensions=DIMENSIONS), _input),
    Told(meter(10, "sum", value=BILLED, filter=WHERE, conversion=CONVERSION), _billed, _where),
    Told(
        meter(11, "unique_count", value="user", filter=WHERE, dimensions=DIMENSIONS), _user, _where
    ),
    Told(meter(12, "sum", OTHER), _input),
)
METERS = [told.meter for told in TOLD]


def random_data(rng: random.Random) -> str:
    """Most can be metered; some lack what a meter reads, or hold something else."""
    data: dict[str, object] = {"usage": {}, "user": f"u{rng.randrange(6)}"}
    usage: dict[str, object] = {}
    roll = rng.random()
    if roll < 0.5:
        usage["input"] = rng.randint(-20, 400)
    elif roll < 0.85:
        usage["input"] = str(Decimal(rng.randint(-(10**14), 10**15)).scaleb(-rng.randint(0, 12)))
    elif roll < 0.95:
        usage["input"] = rng.choice([None, "much", "0.0000000000001", "1e15", True])
    if rng.random() < 0.8:
        usage["output"] = rng.choice([0, 1, "2", "2.000000000001", 5])
    data["usage"] = usage
    if rng.random() < 0.9:
        data["model"] = rng.choice(["a", "b", "c", 'quo"te é', None])
    if rng.random() < 0.5:
        data["place"] = rng.choice([1, True, "x", ["y"]])
    if rng.random() < 0.1:
        data["user"] = None
    return json.dumps(data, ensure_ascii=False)


def random_log(rng: random.Random, records: int, *, quiet: float = 0.1) -> Log:
    """Two generations of two and three partitions; the first one ended inside a chunk.

    `quiet` is the chance of a partition that holds nothing.
    """
    log = Log({}, {1: rng.choice([1, 2]), 2: rng.choice([1, 3])})
    for generation, partitions in ((1, 2), (2, 3)):
        for partition in range(partitions):
            many = rng.randint(records // 2, records) if rng.random() >= quiet else 0
            log.ends[generation, partition] = many
            for offset in range(many):
                for row in range(rng.choice([0, 1, 1, 2])):
                    log.events.append(_event(rng, log, (generation, partition, offset, row)))
    return log


def _event(rng: random.Random, log: Log, place: Place) -> Stored:
    found = _last_copy(rng, log, place) if rng.random() < 0.15 else None
    if found is None:
        return _random_event(rng, place, len(log.events) * 1000 + rng.randrange(1000))
    if found.sign > 0 and rng.random() < 0.8:
        generation, partition, offset, row = place
        return replace(
            found, generation=generation, partition=partition, offset=offset, row=row, sign=-1
        )
    return _random_event(rng, place, found.key)


def _last_copy(rng: random.Random, log: Log, place: Place) -> Stored | None:
    """The last copy of some key that may be met again at this place."""
    earlier = [
        event
        for event in log.events[-400:]
        if (event.generation < place[0] and event.key % 3 == place[1])
        or (event.generation, event.partition) == place[:2]
    ]
    if not earlier:
        return None
    key = rng.choice(earlier).key
    return [event for event in log.events if event.key == key][-1]


def _random_event(rng: random.Random, place: Place, key: int) -> Stored:
    """At a time that goes with its place, or late, or at an edge of something."""
    micros = rng.choice(
        [
            min(MICROS, place[2] * 10**9 + rng.randrange(10**10)),
            rng.randrange(MICROS),
            rng.randrange(DAYS * 48) * 1800 * 10**6 + rng.choice([-1, 0, 0, 1]),
        ]
    )
    tenant = rng.choice([TENANT, TENANT, TENANT, OTHER])
    kind = rng.choice(["call", "call", "batch", "else"])
    when = START + timedelta(microseconds=micros)
    subject = f"s{rng.choice([0, 0, 0, 1, 2, 3])}"
    return Stored(*place, 1, key, str(tenant), kind, subject, when, random_data(rng))


def random_cut(rng: random.Random, log: Log) -> Cut:
    """Some earlier cut: the second generation is read when the first one is read to its end."""
    second = rng.random() < 0.6
    return Cut(
        {
            f"{part[0]}/{part[1]}": end if part[0] == 1 and second else rng.randint(0, end)
            for part, end in log.ends.items()
            if part[0] == 1 or second
        }
    )
