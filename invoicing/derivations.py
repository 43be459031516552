"""How lines come to their amounts, step by step, as invoices tell it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from invoicing.rating_frames import RatingFrames
from rating.engine import derive_period
from rating.explain import exact_amount, plain
from rating.frames import PERIOD_KEY

_NUMBERS: Final = ("units", "quantity", "unit_amount", "flat_amount", "value")


def steps_of_lines(frames: RatingFrames, rated: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """The steps of each line that needs them, by line id.

    A line needs none where its amount is its quantity times its unit price, and nothing stands
    around that price.
    """
    around = [price.price_id for price in frames.prices if price.adjustments]
    told = pl.col("unit_amount").is_null() | pl.col("price_id").is_in(around)
    wanted = rated.filter(told)
    if wanted.is_empty():
        return {}
    # Whole periods: a percentage of other lines is derived of them.
    lines = frames.lines.join(wanted.select(PERIOD_KEY), on=PERIOD_KEY, how="semi")
    derived = derive_period(lines, frames.usage, frames.prices, frames.events)
    steps: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    mine = derived.join(wanted.select("line_id"), on="line_id", how="semi")
    for row in mine.sort("line_id", "step").to_dicts():
        steps[row["line_id"]].append(_step(row))
    return dict(steps)


def _step(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `rating.frames.DERIVATION` as JSON; what it does not say is left out."""
    step: dict[str, Any] = {"step": row["name"]}
    if row["group"]:
        step["group"] = json.loads(row["group"])
    if row["name"] == "price":
        step["tier"] = row["tier"]
    step |= {name: plain(row[name]) for name in _NUMBERS if row[name] is not None}
    step["amount"] = plain(exact_amount(row))
    if row["amount_remainder"]:
        step["amount_remainder"] = row["amount_remainder"]
    return step
