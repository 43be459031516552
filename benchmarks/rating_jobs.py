"""Whole jobs of the rating engine, each with its answer checked, for `bench_rating`.

| job | what |
|---|---|
| around | graduated tiers with a discount and a minimum, beside a plain loop over Decimal |
| a year again | 12 months of customers with three lines each, rated again by a changed price book |
| in slices | Parquet in, Parquet out, slice by slice, in a process of its own |
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple, TypeVar

import polars as pl

from benchmarks.figures import Bound
from benchmarks.plain_graduated import plain_graduated
from core.clock import monotonic_seconds
from core.money import Currency
from rating.engine import rate_period
from rating.frames import LINES, USAGE
from rating.prices import Price
from rating.slices import SLICE_LINES

CUSTOMERS_MAX: Final = 100_000
_LOOP_LINES: Final = 100_000
_CHECKED_CUSTOMERS: Final = 1_000
_MIB: Final = 1024 * 1024
_AROUND: Final = {"percent_discount": "10", "minimum": "100"}
TIERS: Final = [
    {"up_to": "1000", "unit_amount": "0.010"},
    {"up_to": "50000", "unit_amount": "0.0075", "flat_amount": "2"},
    {"up_to": "250000", "unit_amount": "0.005"},
    {"unit_amount": "0.0025", "flat_amount": "10"},
]
_CHANGED: Final = [{**tier, "unit_amount": "0.0062"} for tier in TIERS]
_METERS: Final = {"requests": "mtr_requests", "storage": "mtr_storage", "fee": None}

AROUND: Final = "graduated with minimum and discount"
BOUNDS: Final = (
    Bound(f"{AROUND}: lines/s", least=2_000_000),
    Bound(f"{AROUND}: times the Decimal loop", least=50),
    Bound("a year again: seconds", most=60),
    Bound("in slices: peak MiB", most=1_536),
    Bound("in slices: memory of four times the lines, times", most=1.25),
)


_Done = TypeVar("_Done")


class Job(NamedTuple):
    """What a job found: its details, its figures by name, what differs from what must be."""

    run: Mapping[str, Any]
    figures: Mapping[str, float]
    differences: Sequence[str]


def around(rows: int, rounds: int) -> Job:
    """One line a subscription, with usage in the order of the lines, and in another."""
    lines, usage = inputs(rows, ["requests"])
    prices = book(TIERS)
    timed = [_timed(lambda: rate_period(lines, usage, prices)) for _ in range(rounds)]
    rate = rows / median(seconds for seconds, _ in timed)
    rated = timed[-1][1]
    mixed = usage.sample(fraction=1, shuffle=True, seed=1)
    seconds, again = _timed(lambda: rate_period(lines, mixed, prices))
    some, used = lines.head(_LOOP_LINES).rows(), usage.head(_LOOP_LINES).rows()
    took, expected = _timed(lambda: plain_rating(some, used, TIERS))
    loop_rate = len(some) / took
    figures = {
        f"{AROUND}: lines/s": round(rate),
        f"{AROUND}: usage in another order, lines/s": round(rows / seconds),
        f"{AROUND}: Decimal loop, lines/s": round(loop_rate),
        f"{AROUND}: times the Decimal loop": round(rate / loop_rate, 2),
    }
    names = ["line_id", "quantity", "amount_minor", "true_up_minor"]
    ours = rated.select(names).head(_LOOP_LINES).rows()
    wrong = sum(mine != theirs for mine, theirs in zip(ours, expected, strict=True))
    differences = [f"{AROUND}: {wrong} lines differ from the loop's"] if wrong else []
    if not again.equals(rated):
        differences.append(f"{AROUND}: another order of usage gives other lines")
    return Job({"job": AROUND, "lines": rows, **figures}, figures, differences)


def a_year_again(customers: int) -> Job:
    """Only rating is timed; months are made one after the other."""
    old, new = book(TIERS), book(_CHANGED, fee="59", storage="0.0081")
    seconds, changed_minor = 0.0, 0
    differences: list[str] = []
    for month in range(1, 13):
        lines, usage = inputs(customers, ["fee", "requests", "storage"], month)
        before = rate_period(lines, usage, old)
        took, after = _timed(lambda some=lines, used=usage: rate_period(some, used, new))  # type: ignore[misc]  # bound per round
        seconds += took
        changed_minor += sum(after["amount_minor"]) - sum(before["amount_minor"])
        quantities = usage.filter(pl.col("meter_id") == _METERS["requests"])["quantity"]
        checked = quantities.head(_CHECKED_CUSTOMERS).to_list()
        for rated, tiers in ((before, TIERS), (after, _CHANGED)):
            asked = rated.filter(pl.col("line_key") == "requests")
            differences += _differing(f"month {month}", asked, plain_lines(checked, tiers))
    lines_again = customers * 3 * 12
    run = {
        "job": "a year again",
        "customers": customers,
        "lines": lines_again,
        "seconds": round(seconds, 2),
        "changed_minor": changed_minor,
    }
    figures = {
        "a year again: seconds": round(seconds, 2),
        "a year again: lines/s": round(lines_again / seconds),
    }
    return Job(run, figures, differences)


def in_slices(rows: int) -> Job:
    """`rows` lines and four times as many: what memory one slice after the other takes."""
    size = min(4 * SLICE_LINES, rows // 2)
    found, differences = [], []
    with TemporaryDirectory(prefix="tollbook-rating-") as name:
        for count in (rows, 4 * rows):
            folder = Path(name, str(count))
            folder.mkdir()
            lines, usage = inputs(count, ["requests"])
            lines.write_parquet(folder / "lines.parquet", row_group_size=SLICE_LINES)
            usage.write_parquet(folder / "usage.parquet", row_group_size=SLICE_LINES)
            found.append(_in_a_process(folder, size))
            if count == rows:
                stored = pl.read_parquet(folder / "rated-*.parquet")
                if not stored.equals(rate_period(lines, usage, book(TIERS))):
                    differences.append("in slices: not the lines that are rated at once")
            if found[-1]["lines"] != count:
                differences.append(f"in slices: {found[-1]['lines']} of {count} lines")
    few, many = found
    rate = many["lines"] / many["seconds"]
    figures = {
        "in slices: lines/s": round(rate),
        "in slices: peak MiB": round(many["rss_peak_bytes"] / _MIB),
        "in slices: memory of four times the lines, times": round(
            many["rss_peak_bytes"] / few["rss_peak_bytes"], 3
        ),
        "in slices: minutes for 100 M lines, computed": round(100_000_000 / rate / 60, 2),
    }
    return Job({"job": "in slices", "lines_of_a_slice": size, "sizes": found}, figures, differences)


def _in_a_process(folder: Path, size: int) -> dict[str, Any]:
    """Its own process, whose memory is that of this job alone."""
    command = [sys.executable, "-m", "benchmarks.rating_slices", str(folder), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def book(
    tiers: Sequence[Mapping[str, str]], fee: str = "49", storage: str = "0.0075"
) -> list[Price]:
    """A price for each line key."""
    euro = Currency("EUR")
    return [
        Price("fee", "hash", "flat", {"amount": fee}, euro),
        Price("requests", "hash", "graduated", {"tiers": tiers}, euro, adjustments=_AROUND),
        Price("storage", "hash", "per_unit", {"amount": storage}, euro),
    ]


def inputs(
    customers: int, keys: Sequence[str], month: int = 11
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A line for each customer and key, and usage of each meter: up to 10^6 units, two decimals."""
    row = pl.int_range(customers * len(keys), eager=True)
    number, key = row // len(keys), pl.Series(keys).gather(row % len(keys))
    frame = pl.select(
        subscription_id="sub_" + number.cast(pl.String).str.zfill(10),
        period_start=pl.lit(datetime(2023, month, 1, tzinfo=UTC)),
        line_key=key,
        meter_id=key.replace_strict(_METERS, return_dtype=pl.String),
        price_id=key,
    )
    hundredths = (row * 7_919 + month) % 100_000_000
    used = frame.with_columns(
        quantity=hundredths.cast(pl.Decimal(38, 0)).cast(pl.Decimal(38, 12)) / 100,
        event_count=pl.lit(1, pl.Int64),
        unmeterable_count=pl.lit(0, pl.Int64),
    ).drop_nulls("meter_id")
    return (
        frame.select(pl.col(name).cast(dtype) for name, dtype in LINES.items()),
        used.select(pl.col(name).cast(dtype) for name, dtype in USAGE.items()),
    )


def plain_lines(
    quantities: Sequence[Decimal], tiers: Sequence[Mapping[str, str]]
) -> list[tuple[int, int]]:
    """The plain loop: each quantity's amount and true-up in minor units, rounded half up."""
    kept = 1 - Decimal(_AROUND["percent_discount"]) / 100
    least = int(Decimal(_AROUND["minimum"]) * 100)
    minor = Decimal("0.01")
    lines = []
    with localcontext(prec=50):
        for amount in plain_graduated(quantities, tiers):
            billed = int((amount * kept).quantize(minor, ROUND_HALF_UP).scaleb(2))
            lines.append((billed, max(least - billed, 0)))
    return lines


def plain_rating(
    lines: Sequence[tuple[Any, ...]],
    usage: Sequence[tuple[Any, ...]],
    tiers: Sequence[Mapping[str, str]],
) -> list[tuple[str, Decimal, int, int]]:
    """The plain loop with what the engine does around the amounts: usage found, lines named."""
    used = {row[:3]: row[3] for row in usage}
    found = [used.get((row[0], row[1], row[3]), Decimal(0)) for row in lines]
    amounts = plain_lines(found, tiers)
    return [
        (f"{row[0]}/{row[1]:%Y-%m-%dT%H:%M:%S.%f}Z/{row[2]}", quantity, *amount)
        for row, quantity, amount in zip(lines, found, amounts, strict=True)
    ]


def _differing(name: str, rated: pl.DataFrame, expected: Sequence[tuple[int, int]]) -> list[str]:
    ours = rated.select("amount_minor", "true_up_minor").head(len(expected)).rows()
    wrong = sum(mine != theirs for mine, theirs in zip(ours, expected, strict=True))
    return [f"{name}: {wrong} lines differ from the loop's"] if wrong else []


def _timed(work: Callable[[], _Done]) -> tuple[float, _Done]:
    began_seconds = monotonic_seconds()
    done = work()
    return monotonic_seconds() - began_seconds, done
