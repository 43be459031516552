"""The steps of rating, in order, and the one function that runs them.

Rating is a function: the same frames and prices give the same frame, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from rating.errors import RatingInputError
from rating.exact import ExactAmount
from rating.frames import LINE_KEY, LINES, PERIOD_KEY, QUANTITY_DTYPE, RATED, USAGE, check_frame
from rating.prices import MODELS, Price, model_named
from rating.rounding import check_minor, to_minor

RULE_VERSION: Final = 1
"""Stored on every line; raised whenever the same input would give another amount."""

_ORDER: Final = "input_order"
_BOOK: Final = pl.Schema(
    {
        "price_id": pl.String(),
        "price_hash": pl.String(),
        "model": pl.String(),
        "currency": pl.String(),
        "minor_digits": pl.Int32(),
        "rounding_mode": pl.String(),
    }
)


@dataclass(frozen=True, slots=True)
class _Inputs:
    usage: pl.DataFrame
    prices: Sequence[Price]


def rate_period(lines: pl.DataFrame, usage: pl.DataFrame, prices: Sequence[Price]) -> pl.DataFrame:
    """Rate any number of subscriptions and periods at once.

    Args:
        lines: what to rate, `frames.LINES`; one row per (subscription, period start, line key).
        usage: what was used, `frames.USAGE`; one row per (subscription, period start, meter).
            A line without a row used nothing. A row without a line is not priced here.
        prices: every price that `lines` name.

    Returns `frames.RATED`, one row per row of `lines`, in their order.
    Raises `AmountTooLargeError` naming the lines, `PriceParameterError`,
    `UnknownPriceModelError`, and `RatingInputError` for frames that break their schema.
    """
    check_frame("lines", lines, LINES, (*LINE_KEY, "price_id"))
    check_frame("usage", usage, USAGE, (*PERIOD_KEY, "meter_id"))
    if usage["quantity"].null_count():
        raise RatingInputError("usage: quantity must be present")
    inputs = _Inputs(usage, prices)
    rated = lines
    for step in STEPS:
        rated = step.run(rated, inputs)
    return rated.select(RATED.names()).match_to_schema(RATED)


def _attach_price(lines: pl.DataFrame, inputs: _Inputs) -> pl.DataFrame:
    book = pl.DataFrame(
        [
            (
                price.price_id,
                price.content_hash,
                model_named(price.model).name,
                price.currency.code,
                price.currency.minor_digits,
                price.rounding_mode,
            )
            for price in inputs.prices
        ],
        schema=_BOOK,
        orient="row",
    )
    check_frame("prices", book, _BOOK, ("price_id",))
    priced = lines.with_row_index(_ORDER).join(
        book, on="price_id", how="left", validate="m:1", maintain_order="left"
    )
    metered = [model.name for model in MODELS if model.metered]
    wrong = priced.filter(
        pl.col("model").is_null()
        | (pl.col("meter_id").is_not_null() != pl.col("model").is_in(metered))
    )
    if wrong.height:
        raise RatingInputError(
            "lines: a price is missing, or a meter stands where its model takes none (or is"
            f" missing where it needs one): {wrong['line_key'].unique().sort().to_list()}"
        )
    start = pl.col("period_start").dt.to_string("%Y-%m-%dT%H:%M:%S%.6fZ")
    key = pl.concat_str("subscription_id", start, "line_key", separator="/")
    return priced.with_columns(line_id=key, rule_version=pl.lit(RULE_VERSION, dtype=pl.Int32))


def _attach_usage(lines: pl.DataFrame, inputs: _Inputs) -> pl.DataFrame:
    used = inputs.usage.rename({"quantity": "usage_quantity"})
    return lines.join(
        used, on=[*PERIOD_KEY, "meter_id"], how="left", validate="m:1", maintain_order="left"
    ).with_columns(
        pl.col("usage_quantity").fill_null(pl.lit(0, dtype=QUANTITY_DTYPE)),
        pl.col("event_count", "unmeterable_count").fill_null(0),
    )


def _apply_models(lines: pl.DataFrame, inputs: _Inputs) -> pl.DataFrame:
    rated = []
    for model in MODELS:
        rows = [
            {"price_id": price.price_id, **model.parameter_row(price.parameters)}
            for price in inputs.prices
            if price.model == model.name
        ]
        parameters = pl.DataFrame(
            rows, schema={"price_id": pl.String(), **model.parameter_schema}, orient="row"
        )
        priced = model.priced()
        rated.append(
            lines.filter(pl.col("model") == model.name)
            .join(parameters, on="price_id", how="left", validate="m:1", maintain_order="left")
            .with_columns(
                quantity=priced.quantity,
                unit_amount=priced.unit_amount,
                amount_whole=priced.amount.whole,
                amount_fraction=priced.amount.fraction,
            )
            .drop(model.parameter_schema.names())
        )
    return pl.concat(rated).sort(_ORDER)


def _round_once(lines: pl.DataFrame, inputs: _Inputs) -> pl.DataFrame:
    del inputs  # what a line needs to be rounded stands on the line
    exact = ExactAmount(pl.col("amount_whole"), pl.col("amount_fraction"))
    minor = to_minor(exact, pl.col("minor_digits"), pl.col("rounding_mode"))
    rounded = lines.with_columns(amount_minor=minor)
    check_minor(rounded)
    return rounded.with_columns(pl.col("amount_whole", "amount_minor").cast(pl.Int64))


@dataclass(frozen=True, slots=True)
class Step:
    """One step of rating and the reason for its place."""

    name: str
    run: Callable[[pl.DataFrame, _Inputs], pl.DataFrame]
    why_here: str


STEPS: Final[tuple[Step, ...]] = (
    Step(
        "attach the price",
        _attach_price,
        "first, so that a line that cannot be priced stops before anything is computed",
    ),
    Step(
        "attach the usage",
        _attach_usage,
        "before the model, and with zero where nothing was used: every line is shown",
    ),
    Step(
        "apply the price model",
        _apply_models,
        "on the whole quantity of the period: models need not add up over parts",
    ),
    Step(
        "round once",
        _round_once,
        "last: whatever stands between model and invoice works on exact amounts",
    ),
)
"""Read top to bottom: the order in which a line comes to its amount."""
