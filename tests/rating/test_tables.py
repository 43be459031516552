"""Tables of usage: what each column may hold, and what is refused by column, row and fix."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from rating import add_usage, lines_of_usage, rate_period, usage_of_table
from rating.errors import UsageTableError
from tests.rating.builders import price

TOKENS = price("per_unit", {"amount": "0.5"}, price_id="tokens")
REGIONS = price("per_unit", {"amount": "1", "group_by": ["region", "az"]}, price_id="regions")
_LARGEST = Decimal("99999999999999999999999999.999999999999")
FEE = price("flat", {"amount": "49"}, price_id="fee")


def test_a_table_of_quantities_is_the_usage_of_the_only_price() -> None:
    used = usage_of_table(pl.DataFrame({"quantity": ["1.50", "-0.000000000001"]}), [TOKENS, FEE])
    assert used.rows() == [
        ("-", datetime(1970, 1, 1, tzinfo=UTC), "tokens", Decimal("1.499999999999"), 2, 0, "", "")
    ]
    rated = rate_period(lines_of_usage(used, [TOKENS, FEE]), used, [TOKENS, FEE])
    assert rated.select("line_id", "amount_minor").rows() == [
        ("-/1970-01-01T00:00:00.000000Z/tokens", 75),
        ("-/1970-01-01T00:00:00.000000Z/fee", 4900),
    ]


def test_rows_are_summed_by_subscription_period_price_and_group() -> None:
    table = pl.DataFrame(
        {
            "subscription_id": ["a", "a", "a", "b", "a"],
            "period_start": [
                *("2023-11-01", "2023-11-01T01:00:00+01:00", "2023-11-01", "2023-12-01"),
                "2023-11-01",
            ],
            "price": ["regions", "regions", "tokens", "regions", "regions"],
            "quantity": [1, 2, 3, 4, 5],
            "region": ["eu", "eu", None, "eu", "us"],
            "az": ["1", "1", None, None, 'q"'],
            "event_count": [10, 20, 30, 40, 50],
        }
    )
    used = usage_of_table(table, [TOKENS, REGIONS])
    found = used.select("subscription_id", "meter_id", "group", "quantity", "event_count").rows()
    assert found == [
        ("a", "tokens", "", 3, 30),
        ("a", "regions", '["1","eu"]', 3, 30),
        ("b", "regions", '[null,"eu"]', 4, 40),
        ("a", "regions", '["q\\"","us"]', 5, 50),
    ]
    assert used["group_by"].to_list() == ["", *['["az","region"]'] * 3]
    assert lines_of_usage(used, [TOKENS, REGIONS]).height == 4
    halves = [usage_of_table(part, [TOKENS, REGIONS]) for part in (table[:2], table[2:])]
    key = ["subscription_id", "meter_id", "group"]
    assert add_usage(halves).sort(key).equals(used.sort(key))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pl.Series([2, 3], dtype=pl.UInt8), 5),
        (pl.Series([2**63, 1], dtype=pl.UInt64), 2**63 + 1),
        (pl.Series([Decimal("0.50"), Decimal("0.25")]), Decimal("0.75")),
        (pl.Series(["1.0000000000000000"]), 1),
        (pl.Series([f"{_LARGEST:f}"]), _LARGEST),
    ],
    ids=["bytes", "unsigned", "decimals", "zeros", "largest"],
)
def test_quantities_of_any_exact_kind(values: pl.Series, expected: Decimal) -> None:
    used = usage_of_table(pl.DataFrame({"quantity": values}), [TOKENS])
    assert used["quantity"].to_list() == [expected]


@pytest.mark.parametrize(
    "starts",
    [
        pl.Series([date(2023, 11, 1)]),
        pl.Series([datetime(2023, 11, 1)]),  # noqa: DTZ001 - a column that names no zone
        pl.Series([datetime(2023, 11, 1)], dtype=pl.Datetime("ns")),  # noqa: DTZ001 - as above
        pl.Series(["2023-11-01T01:00:00"]).str.to_datetime(time_zone="Europe/Berlin"),
    ],
    ids=["day", "naive", "nanoseconds", "zone"],
)
def test_instants_of_any_kind(starts: pl.Series) -> None:
    table = pl.DataFrame({"quantity": [1], "period_start": starts})
    used = usage_of_table(table, [TOKENS])
    assert used["period_start"].to_list() == [datetime(2023, 11, 1, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"units": [1]}, "quantity: missing; the columns are units"),
        ({"quantity": [0.5]}, "quantity: holds Float64, which is not exact; give decimals"),
        ({"quantity": ["1", "1e3"]}, "quantity, row 2: '1e3' is no decimal of at most 26"),
        ({"quantity": ["0.0000000000001"]}, "quantity, row 1: '0.0000000000001' is no decimal"),
        ({"quantity": [1, None]}, "quantity, row 2: is empty; write 0, or leave the row out"),
        ({"quantity": [Decimal("0.0000000000001")]}, "quantity, row 1: .* or 12 after it"),
        ({"quantity": [1], "price": ["token"]}, "price, row 1: 'token' is no price that takes"),
        ({"quantity": [1], "price": ["fee"]}, "price, row 1: 'fee' is no price that takes"),
        ({"quantity": [1], "price": [None]}, "price, row 1: is empty; fill it in"),
        ({"quantity": [1]}, "price: missing; the columns are quantity"),
        ({"quantity": [1], "price": ["regions"], "az": ["1"]}, "region: missing; price regions"),
        (
            {"quantity": [1], "price": ["regions"], "az": ["1"], "region": [0.5]},
            "region: holds Float64; give text",
        ),
        (
            {"quantity": [1], "price": ["tokens"], "period_start": ["November"]},
            "period_start, row 1: 'November' is no instant such as",
        ),
        (
            {"quantity": [1], "price": ["tokens"], "period_start": [11]},
            "period_start: holds Int64; give instants",
        ),
        (
            {"quantity": [1], "price": ["tokens"], "event_count": [-1]},
            "event_count, row 1: -1 is no whole number",
        ),
        (
            {"quantity": [1], "price": ["tokens"], "event_count": [0.5]},
            "event_count: holds Float64; give whole numbers",
        ),
        (
            {"quantity": [1], "price": ["tokens"], "subscription_id": [None]},
            "subscription_id, row 1: is empty",
        ),
    ],
)
def test_what_is_wrong_is_named_by_column_row_and_fix(
    columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageTableError, match=f"^{message}"):
        usage_of_table(pl.DataFrame(columns), [TOKENS, REGIONS, FEE])


def test_a_table_without_rows_uses_nothing() -> None:
    table = pl.DataFrame(schema={"quantity": pl.Int64})
    used = usage_of_table(table, [TOKENS])
    assert used.is_empty()
    assert lines_of_usage(used, [TOKENS]).is_empty()
