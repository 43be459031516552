"""Random events and meters, and their two forms: the oracle's and the kernel's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import polars as pl
from hypothesis import strategies as st

from catalog.metering.aggregate import USAGE_COLUMNS
from catalog.meters import MeterDefinition
from core.ids import MeterId, TenantId
from tests.catalog.metering_oracle import Event, Meter

TENANTS = (str(UUID(int=1)), str(UUID(int=2)))
TYPES = ("call", "store")
START = datetime(2026, 3, 1, tzinfo=UTC)
PATHS = ("n", "m", "usage.input", "usage.output", 'usage."in put"', "s", "gone.deep", "usage")
LONG = "x" * 257

numbers = st.one_of(
    st.integers(-20, 20).map(str),
    st.decimals(-(10**4), 10**4, places=3, allow_nan=False).map(str),
    st.sampled_from(["1e3", "-0", "1.50", "2E-12", "999999999999999.999999999999", "1e15",
        "1e-13", "-12345678901234567", "0.1234567890123", "-0.0000000000001"]),
)  # fmt: skip
words = st.sampled_from(
    ["a", "b", "gpt-4", "gpt-3.5", "", "é", "7", "1.5", 'q"\\', "\n\u0001", "\ud800", LONG, "nul"]
)
scalars = st.one_of(
    numbers,
    numbers,
    numbers.map(json.dumps),
    words.map(json.dumps),
    words.map(lambda word: json.dumps(word, ensure_ascii="\ud800" in word)),
    st.sampled_from(["true", "false", "null", "[1]", "{}"]),
)


def _object(pairs: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}: {value}" for name, value in pairs) + "}"


inner = st.lists(
    st.tuples(st.sampled_from(["input", "output", "in put"]), scalars), max_size=4
).map(_object)
data = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["n", "m", "s", "usage"]), scalars),
        st.tuples(st.just("usage"), inner),
    ),
    max_size=6,
).map(_object)

paths = st.sampled_from(PATHS)
constants = st.sampled_from(["0", "1", "3", "0.5", "1000", "0.000001", "999999999999999"])


def _called(parts: tuple[str, list[str]]) -> str:
    name, arguments = parts
    given = arguments[:1] if name in {"ceil", "floor"} else arguments
    return f"{name}({', '.join(given)})"


expressions = st.recursive(
    st.one_of(paths, paths, constants),
    lambda part: st.one_of(
        st.tuples(part, st.sampled_from(["+", "-", "*"]), part).map(
            lambda made: f"({made[0]}) {made[1]} ({made[2]})"
        ),
        part.map(lambda made: f"-({made})"),
        st.tuples(
            st.sampled_from(["ceil", "floor", "coalesce", "min", "max"]),
            st.lists(part, min_size=2, max_size=3),
        ).map(_called),
    ),
    max_leaves=6,
)

texts = st.sampled_from(["a", "b", "gpt-", "gpt-4", "", "7", "1.5", "true", "é", "\ufffd", 'q"\\'])
tests = st.one_of(
    st.tuples(paths, st.sampled_from(["equals", "prefix"]), texts),
    st.tuples(paths, st.sampled_from(["in", "not_in"]), st.lists(texts, min_size=1, max_size=4)),
    st.tuples(paths, st.just("exists"), st.booleans()),
    st.tuples(
        paths,
        st.sampled_from(["gt", "gte", "lt", "lte"]),
        st.sampled_from(["0", "7", "-3", "1.5", "999999999999999", "0.123456789012", "1000"]),
    ),
).map(lambda made: {"path": made[0], made[1]: made[2]})
filters: st.SearchStrategy[dict[str, Any]] = st.recursive(
    tests,
    lambda part: st.tuples(
        st.sampled_from(["and", "or"]), st.lists(part, min_size=1, max_size=3)
    ).map(lambda made: {made[0]: made[1]}),
    max_leaves=4,
)


@st.composite
def meters(draw: st.DrawFn, number: int, aggregation: str | None = None) -> Meter:
    """The document of a meter with everything that the oracle wants beside it."""
    names = ("count", "sum", "min", "max", "avg", "latest", "unique_count", "weighted_sum",
        "percentile")  # fmt: skip
    aggregation = aggregation or draw(st.sampled_from(names))
    meter: Meter = {
        "id": str(UUID(int=1000 + number)),
        "tenant_id": draw(st.sampled_from(TENANTS)),
        "event_types": sorted(draw(st.sets(st.sampled_from(TYPES), min_size=1))),
        "aggregation": aggregation,
    }
    if aggregation == "unique_count":
        meter["value"] = draw(paths)
    elif aggregation != "count":
        meter["value"] = draw(st.one_of(paths, expressions))
    if draw(st.booleans()):
        meter["filter"] = draw(filters)
    if draw(st.booleans()):
        chosen = draw(st.lists(paths, min_size=1, max_size=3, unique=True))
        meter["dimensions"] = {f"d{place}": path for place, path in enumerate(chosen)}
    if aggregation == "weighted_sum":
        meter["per"] = draw(st.sampled_from(["second", "hour", "day"]))
    if aggregation == "percentile":
        meter["percentile"] = draw(st.sampled_from(["50", "95", "0.1", "100", "33.3"]))
    return meter


@st.composite
def events(draw: st.DrawFn, most: int = 24) -> list[Event]:
    """Events in log order; some are voids of an earlier one that still stands."""
    made: list[Event] = []
    open_keys: dict[str, Event] = {}
    for number in range(draw(st.integers(1, most))):
        position = (1 + number // 15, number % 2, number // 3, number % 3)
        if open_keys and draw(st.integers(0, 4)) == 0:
            key = draw(st.sampled_from(sorted(open_keys)))
            target = open_keys.pop(key)  # copies of a key, and its void, meet in one partition
            place = (position[0], target.position[1], *position[2:])
            made.append(replace(target, position=place, sign=-1))
            continue
        event = Event(
            tenant_id=draw(st.sampled_from(TENANTS)),
            type=draw(st.sampled_from((*TYPES, "other"))),
            subject=draw(st.sampled_from(("u", "ü", "v"))),
            time=START + timedelta(minutes=draw(st.integers(0, 179)), microseconds=number % 2),
            data=draw(data),
            position=position,
            key=str(number),
        )
        made.append(event)
        open_keys[event.key] = event
    return sorted(made, key=lambda each: each.position)


def definition(meter: Meter, version: int) -> MeterDefinition:
    """The kernel's form of a meter."""
    known = ("event_types", "aggregation", "value", "filter", "dimensions", "per", "percentile")
    return MeterDefinition.from_document(
        {name: meter[name] for name in known if name in meter},
        meter_id=MeterId(UUID(meter["id"])),
        tenant_id=TenantId(UUID(meter["tenant_id"])),
        slug=f"meter-{version}",
        name="Meter",
        catalog_version=version,
    )


def frame(log: Sequence[Event]) -> pl.DataFrame:
    """The kernel's form of events."""
    columns: dict[str, tuple[list[Any], Any]] = {
        "tenant_id": ([each.tenant_id for each in log], pl.String),
        "type": ([each.type for each in log], pl.String),
        "subject": ([each.subject for each in log], pl.String),
        "time": ([each.time for each in log], pl.Datetime("us", "UTC")),
        "data": ([each.data.encode() for each in log], pl.Binary),
        "sign": ([each.sign for each in log], pl.Int8),
        "generation": ([each.position[0] for each in log], pl.UInt16),
        "partition": ([each.position[1] for each in log], pl.UInt16),
        "offset": ([each.position[2] for each in log], pl.UInt64),
        "row": ([each.position[3] for each in log], pl.UInt32),
    }
    return pl.DataFrame(
        {name: pl.Series(values, dtype=kind) for name, (values, kind) in columns.items()}
    )


def plain(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Usage rows as the oracle gives them."""
    return [
        {
            name: Fraction(value) if isinstance(value, Decimal) else value
            for name, value in row.items()
        }
        for row in rows.select(USAGE_COLUMNS).to_dicts()
    ]
