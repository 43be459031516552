"""A plain table of usage, as analysts have it, made into the frames that rating takes.

| column | holds | without it |
|---|---|---|
| `quantity` | decimals, whole numbers, or text of them; up to 12 decimals | refused |
| `price` | id of the price | the only price that takes usage |
| `subscription_id` | text | `-`, one for all rows |
| `period_start` | an instant, a day, or ISO 8601 text; UTC where it names no zone | 1970-01-01 |
| `event_count`, `unmeterable_count` | whole numbers | 1 and 0 a row |
| one named as a dimension of a price | its values, as text | refused where a row has that price |

Other columns are left alone. Rows of one line and group are added up. Here a price is its own
meter: `meter_id` and `line_key` are its id.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import polars as pl

from rating.errors import UsageTableError
from rating.frames import GROUPED_USAGE, INSTANT_DTYPE, LINES, PERIOD_KEY, QUANTITY_DTYPE
from rating.prices import Price, model_named
from rating.prices.reading import group_text
from rating.sums import sum_quantities

_KEY: Final = (*PERIOD_KEY, "meter_id", "group_by", "group")
_COUNTS: Final = ("event_count", "unmeterable_count")
NO_SUBSCRIPTION: Final = "-"
NO_PERIOD: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""What stands for the subscription and period that a table does not name."""


_SHOWN: Final = 10
_DECIMAL_TEXT: Final = r"^-?[0-9]{1,26}(\.[0-9]{1,12}0*)?$"


def usage_of_table(table: pl.DataFrame, prices: Sequence[Price]) -> pl.DataFrame:
    """`frames.GROUPED_USAGE`, a row per line and group, in the order of their first rows.

    Raises `UsageTableError` naming the column, the row (from 1) and the fix.
    """
    dimensions = {each.price_id: _dimensions(each) for each in prices if _takes_usage(each)}
    rows = pl.select(
        quantity=_quantities(table),
        subscription_id=_texts(table, "subscription_id", NO_SUBSCRIPTION),
        period_start=_instants(table),
        meter_id=_price_ids(table, list(dimensions)),
        event_count=_counts(table, "event_count", 1),
        unmeterable_count=_counts(table, "unmeterable_count", 0),
    )
    parts = [pl.DataFrame(schema=GROUPED_USAGE)]
    for names in dict.fromkeys(dimensions.values()):
        mine = [price_id for price_id, each in dimensions.items() if each == names]
        used = rows["meter_id"].is_in(mine)
        if used.any():
            groups = _groups(table.filter(used), names, mine)
            parts.append(rows.filter(used).with_columns(groups).select(GROUPED_USAGE.names()))
    return add_usage(parts)


def add_usage(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Several frames of usage as one: exact sums. Raises `QuantityTooLargeError`."""
    summed = sum_quantities(pl.concat(parts), _KEY, "quantity", _COUNTS)
    return summed.select(GROUPED_USAGE.names()).match_to_schema(GROUPED_USAGE)


def lines_of_usage(usage: pl.DataFrame, prices: Sequence[Price]) -> pl.DataFrame:
    """`frames.LINES`: every price for every subscription and period that used anything.

    As in a plan: a price of which nothing was used has a line, too.
    """
    each = [(one.price_id, one.price_id if _takes_usage(one) else None) for one in prices]
    book = pl.DataFrame(each, schema={"price_id": pl.String, "meter_id": pl.String}, orient="row")
    periods = usage.select(PERIOD_KEY).unique(maintain_order=True)
    lines = periods.join(book, how="cross").with_columns(line_key="price_id")
    return lines.select(LINES.names()).match_to_schema(LINES)


def _takes_usage(price: Price) -> bool:
    return model_named(price.model).metered


def _dimensions(price: Price) -> tuple[str, ...]:
    return model_named(price.model).terms(price.parameters).group_by


def _groups(table: pl.DataFrame, names: tuple[str, ...], prices: list[str]) -> list[pl.Series]:
    """The columns `group_by` and `group`; there are few combinations beside the rows."""
    one = group_text(names) if names else ""
    group_by = pl.repeat(one, table.height, dtype=pl.String, eager=True).alias("group_by")
    if not names:
        return [group_by, group_by.alias("group")]
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise UsageTableError(
            missing[0], f"missing; price {prices[0]} tells usage apart by {', '.join(names)}"
        )
    values = pl.DataFrame([_texts(table, name) for name in names])
    unique = values.unique(maintain_order=True)
    texts = pl.Series("group", [group_text(row) for row in unique.rows()], dtype=pl.String)
    found = values.join(
        unique.with_columns(texts), on=names, how="left", nulls_equal=True, maintain_order="left"
    )
    return [group_by, found["group"]]


def _column(table: pl.DataFrame, name: str) -> pl.Series:
    if name not in table.columns:
        raise UsageTableError(name, f"missing; the columns are {', '.join(table.columns)}")
    return table[name]


def _texts(table: pl.DataFrame, name: str, default: str | None = None) -> pl.Series:
    """A column of text; nulls are refused where there is a default."""
    if name not in table.columns and default is not None:
        return pl.repeat(default, table.height, dtype=pl.String, eager=True)
    column = _column(table, name)
    if isinstance(column.dtype, pl.Categorical | pl.Enum) or column.dtype.is_integer():
        column = column.cast(pl.String)
    if column.dtype == pl.Null:
        column = column.cast(pl.String)
    if column.dtype != pl.String:
        raise UsageTableError(name, f"holds {column.dtype}; give text")
    if default is not None:
        _refuse(name, column, column.is_null(), "is empty; fill it in")
    return column


def _price_ids(table: pl.DataFrame, known: list[str]) -> pl.Series:
    if "price" not in table.columns and len(known) == 1:
        return pl.repeat(known[0], table.height, dtype=pl.String, eager=True)
    column = _texts(table, "price", "" if "price" in table.columns else None)
    fix = f"is no price that takes usage; use one of {', '.join(known[:_SHOWN])}"
    _refuse("price", column, ~column.is_in(known), fix)
    return column


def _quantities(table: pl.DataFrame) -> pl.Series:
    name, column = "quantity", _column(table, "quantity")
    _refuse(name, column, column.is_null(), "is empty; write 0, or leave the row out")
    if column.dtype == pl.String:
        fix = "is no decimal of at most 26 digits before the point and 12 after it, such as 0.50"
        _refuse(name, column, ~column.str.contains(_DECIMAL_TEXT), fix)
    elif not (column.dtype.is_integer() or column.dtype.is_decimal()):
        raise UsageTableError(
            name, f"holds {column.dtype}, which is not exact; give decimals, whole numbers or text"
        )
    exact = column.cast(QUANTITY_DTYPE, strict=False)
    wrong = exact.is_null()
    if column.dtype.is_decimal():
        wrong |= (exact.cast(column.dtype, strict=False) != column).fill_null(value=True)
    _refuse(name, column, wrong, "has more than 26 digits before the point or 12 after it")
    return exact


def _instants(table: pl.DataFrame) -> pl.Series:
    name = "period_start"
    if name not in table.columns:
        return pl.repeat(NO_PERIOD, table.height, dtype=INSTANT_DTYPE, eager=True)
    column = table[name]
    if column.dtype == pl.String:
        days = column.str.to_date(strict=False).cast(INSTANT_DTYPE)
        instants = column.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
        exact = days.fill_null(instants)
    elif isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is not None:
        exact = column.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    elif column.dtype.is_temporal() and column.dtype != pl.Time:
        exact = column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    else:
        raise UsageTableError(name, f"holds {column.dtype}; give instants, days or ISO 8601 text")
    _refuse(name, column, exact.is_null(), "is no instant such as 2023-11-01T00:00:00Z")
    return exact


def _counts(table: pl.DataFrame, name: str, default: int) -> pl.Series:
    if name not in table.columns:
        return pl.repeat(default, table.height, dtype=pl.Int64, eager=True)
    column = table[name]
    exact = column.cast(pl.Int64, strict=False) if not column.dtype.is_float() else column
    if exact.dtype != pl.Int64:
        raise UsageTableError(name, f"holds {column.dtype}; give whole numbers")
    _refuse(name, column, exact.is_null() | (exact < 0), "is no whole number of 0 and more")
    return exact


def _refuse(name: str, column: pl.Series, wrong: pl.Series, problem: str) -> None:
    """Raise `UsageTableError` for the first row that is wrong."""
    first = wrong.fill_null(value=True).arg_max() if wrong.len() else None
    if first is not None and wrong.fill_null(value=True)[first]:
        value = column[first]
        raise UsageTableError(name, f"{value!r} {problem}" if value is not None else problem, first)
