"""`python -m benchmarks.bench_rating`: lines rated per second, beside a plain loop over Decimal.

Every price model rates the same subscriptions; one over single events as many events, 100 for each
line, in the order that a reader hands them out. The loop rates a part of those of the graduated
price, and its amounts are compared. Then the jobs of `rating_jobs` are done. Exits with 1 when an
amount differs or a gate is missed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final

import polars as pl
import typer

from benchmarks import rating_jobs
from benchmarks.figures import RESULTS, Bound, Outcome, conclude
from benchmarks.plain_graduated import plain_graduated
from benchmarks.progress import new_bars, stepper
from core.clock import monotonic_seconds
from core.money import Currency
from rating.engine import rate_period
from rating.frames import EVENTS, GROUPED_USAGE, LINES
from rating.prices import MODELS, Price, model_named

ROWS: Final = 2_000_000
ROUNDS: Final = 3
LOOP_ROWS: Final = 100_000
_PERIOD: Final = datetime(2023, 11, 1, tzinfo=UTC)
_TIERS: Final = [
    {"up_to": "1000", "unit_amount": "0.010"},
    {"up_to": "50000", "unit_amount": "0.0075", "flat_amount": "2"},
    {"up_to": "250000", "unit_amount": "0.005"},
    {"unit_amount": "0.0025", "flat_amount": "10"},
]
_SIZED: Final = [{**tier, "size": "100"} for tier in _TIERS]
_FLATS: Final = [
    {name: text for name, text in tier.items() if name != "unit_amount"} | {"flat_amount": "5"}
    for tier in _TIERS
]
_PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    "flat": {"amount": "49"},
    "per_unit": {"amount": "0.0075"},
    "package": {"size": "100", "amount": "0.5", "free": "1000"},
    "graduated": {"tiers": _TIERS},
    "volume": {"tiers": _TIERS},
    "stairstep": {"tiers": _FLATS},
    "graduated_package": {"tiers": _SIZED},
    "volume_package": {"tiers": _SIZED},
    "threshold_total": {
        "thresholds": [{"from": "1000", "amount": "5"}, {"from": "90000", "amount": "9"}]
    },
    "matrix": {
        "dimensions": ["region"],
        "cells": [{"values": {"region": "eu"}, "unit_amount": "0.5"}],
        "default": "0.1",
    },
    "capacity": {
        "dimension": "unit",
        "tiers": [{"limits": {"eu": "1000"}, "flat_amount": "1"}, {"flat_amount": "5"}],
    },
    "percent_of_lines": {"percent": "3", "lines": ["*"]},
    "percentage": {
        "rate": "1.5",
        "fixed": "0.2",
        "minimum": "0.5",
        "maximum": "20",
        "free_events": 5,
        "free_amount": "1000",
    },
    "graduated_percentage": {
        "tiers": [{"up_to": "50000", "rate": "1"}, {"rate": "0.5", "flat_amount": "2"}]
    },
    "basis_points": {
        "tiers": [
            {"up_to": "50000", "bps": "100"},
            {"up_to": "250000", "bps": "50", "cap": "20"},
            {"bps": "10"},
        ]
    },
    "dynamic": {"multiplier": "1.1"},
    "cost_plus": {"margin": "25"},
    "time_of_day": {
        "bands": [
            {
                "days": ["mon", "tue", "wed", "thu", "fri"],
                "from": "08:00",
                "to": "18:00",
                "unit_amount": "0.01",
                "connect_fee": "0.1",
            },
            {"unit_amount": "0.005"},
        ],
        "increments": {"first": "60", "next": "10"},
    },
}
_EVENTS_PER_LINE: Final = 100
_GROUP_BY: Final = {"matrix": '["region"]', "capacity": '["unit"]'}
BOUNDS: Final = (
    Bound("graduated: lines/s", least=2_000_000),
    Bound("graduated: times the Decimal loop", least=50),
    *(
        Bound(f"{model.name}: {'events' if model.over_events else 'lines'}/s", least=least)
        for model in MODELS
        for least in [2_000_000 if model.over_events else 1_000_000]
    ),
    *rating_jobs.BOUNDS,
)


def main(
    rows: Annotated[int, typer.Option(min=1_000, help="Lines of each model.")] = ROWS,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the median counts.")] = ROUNDS,
    full: Annotated[bool, typer.Option("--full", help="Five times as many lines.")] = False,
    gates: Annotated[bool, typer.Option(help="Fail beyond the stated figures.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    results: Annotated[Path, typer.Option(help="Where to store the figures.")] = RESULTS
    / "rating.json",
) -> None:
    """Measure each price model beside a loop over Decimal, and compare the amounts.

    Example: python -m benchmarks.bench_rating --rows 20000 --rounds 1 --no-gates
    """
    rows *= 5 if full else 1
    runs: list[Mapping[str, Any]] = []
    differences: list[str] = []
    with new_bars() as bars, stepper(bars)("rating", len(MODELS)) as tell:
        for number, model in enumerate(MODELS, start=1):
            events = _events(rows) if model.over_events else None
            lines = rows // _EVENTS_PER_LINE if model.over_events else rows
            wanted, used = _inputs(model.name, lines)
            used = used.head(0) if model.over_events else used
            prices = [_price(model.name)]
            if model.of_lines:  # every other line is one that it is a percentage of
                prices.append(replace(_price("flat"), price_id="other"))
                odd = pl.int_range(rows) % 2 == 1
                other = pl.when(odd).then(pl.lit("other"))
                wanted = wanted.with_columns(
                    pl.col("subscription_id").gather(pl.int_range(rows) // 2),
                    line_key=other.otherwise("line_key"),
                    price_id=other.otherwise("price_id"),
                )
            timed = [
                _timed(lambda w=wanted, u=used, p=prices, e=events: rate_period(w, u, p, e))  # type: ignore[misc]  # bound per round
                for _ in range(rounds)
            ]
            seconds = median(each for each, _ in timed)
            what = "events" if model.over_events else "lines"
            run = {"model": model.name, what: rows, f"{what}_per_s": round(rows / seconds)}
            runs.append(run)
            if model.name == "graduated":
                differences += _beside_the_loop(used, timed[-1][1], run)
            tell(number)
    figures = {
        f"{run['model']}: {what}/s": run[f"{what}_per_s"]
        for run in runs
        for what in ("lines", "events")
        if what in run
    }
    figures |= {
        f"graduated: {name}": run[name]
        for run in runs
        if run["model"] == "graduated"
        for name in ("Decimal loop, lines/s", "times the Decimal loop")
    }
    jobs = [
        rating_jobs.around(rows, rounds),
        rating_jobs.a_year_again(min(rating_jobs.CUSTOMERS_MAX, rows // 20)),
        rating_jobs.in_slices(rows),
    ]
    for job in jobs:
        runs.append(job.run)
        figures |= job.figures
        differences += job.differences
    outcome = Outcome("rating", runs, figures, BOUNDS, differences)
    if conclude(outcome, results, gates=gates, as_json=as_json):
        raise typer.Exit(1)


def _price(model: str) -> Price:
    return Price("price", "hash", model, _PARAMETERS[model], Currency("EUR"))


def _inputs(model: str, rows: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A line for each of many subscriptions, and what it used: up to 10^6 units, two decimals."""
    number = pl.int_range(rows, eager=True)
    subscription = "sub_" + number.cast(pl.String).str.zfill(10)
    metered = model_named(model).metered
    meter = pl.lit("mtr_requests" if metered else None)
    keys = [
        pl.lit(subscription).alias("subscription_id"),
        pl.lit(_PERIOD).alias("period_start"),
        meter.alias("meter_id"),
    ]
    wanted = pl.select(*keys, line_key=pl.lit("usage"), price_id=pl.lit("price"))
    quantity = (number * 7_919 % 100_000_000).cast(pl.Decimal(38, 0)).cast(pl.Decimal(38, 12))
    used = pl.select(
        *keys,
        (quantity / 100).alias("quantity"),
        event_count=pl.lit(1),
        unmeterable_count=pl.lit(0),
        group_by=pl.lit(_GROUP_BY.get(model, "")),
        group=pl.lit('["eu"]' if model in _GROUP_BY else ""),
    )
    return (
        wanted.select(pl.col(name).cast(dtype) for name, dtype in LINES.items()),
        used.select(pl.col(name).cast(dtype) for name, dtype in GROUPED_USAGE.items()).head(
            rows if metered else 0
        ),
    )


def _events(rows: int) -> pl.DataFrame:
    """The events of many subscriptions: up to 10,000 each, two decimals, a few hours apart."""
    number = pl.int_range(rows, eager=True)
    subscription = "sub_" + (number // _EVENTS_PER_LINE).cast(pl.String).str.zfill(10)
    value = (number * 7_919 % 1_000_000).cast(pl.Decimal(38, 0)).cast(pl.Decimal(38, 12))
    start = pl.lit(_PERIOD).cast(EVENTS["time"])
    at = pl.duration(seconds=pl.lit(number % _EVENTS_PER_LINE * 20_000 + number % 9_973))
    frame = pl.select(
        subscription_id=pl.lit(subscription),
        period_start=start,
        meter_id=pl.lit("mtr_requests"),
        time=start + at,
        event_id="evt_" + pl.lit(number).cast(pl.String).str.zfill(16),
        value=value / 100,
        amount=value / 1_000,
        zone=pl.lit("Europe/Berlin"),
    )
    return frame.select(pl.col(name).cast(dtype) for name, dtype in EVENTS.items())


def _timed(rate: Callable[[], pl.DataFrame]) -> tuple[float, pl.DataFrame]:
    began_seconds = monotonic_seconds()
    rated = rate()
    return monotonic_seconds() - began_seconds, rated


def _beside_the_loop(used: pl.DataFrame, rated: pl.DataFrame, run: dict[str, Any]) -> list[str]:
    """Rate the first lines with Decimal, one by one; what differs."""
    quantities = used["quantity"].head(LOOP_ROWS).to_list()
    began_seconds = monotonic_seconds()
    amounts = plain_amounts(quantities)
    per_second = len(quantities) / (monotonic_seconds() - began_seconds)
    run["Decimal loop, lines/s"] = round(per_second)
    run["times the Decimal loop"] = round(run["lines_per_s"] / per_second, 2)
    ours = rated["amount_minor"].head(LOOP_ROWS).to_list()
    wrong = sum(mine != theirs for mine, theirs in zip(ours, amounts, strict=True))
    return [f"graduated: {wrong} amounts differ from the loop's"] if wrong else []


def plain_amounts(quantities: list[Decimal]) -> list[int]:
    """The plain loop: each quantity through the tiers, in minor units, rounded half up."""
    minor = Decimal("0.01")
    with localcontext(prec=50):
        return [
            int(amount.quantize(minor, ROUND_HALF_UP).scaleb(2))
            for amount in plain_graduated(quantities, _TIERS)
        ]


if __name__ == "__main__":
    typer.run(main)
