from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest

from rating.engine import RULE_VERSION, STEPS, rate_period
from rating.errors import AmountTooLargeError, RatingInputError, UnknownPriceModelError
from rating.frames import LINES, RATED, USAGE
from tests.rating.builders import NOVEMBER, lines, price, usage

FEE = price("flat", {"amount": "49.00"}, price_id="fee")
TOKENS = price("per_unit", {"amount": "0.50", "per": "1000000"}, price_id="tokens")


def test_a_subscription_gets_its_lines_in_the_order_given_with_their_proof() -> None:
    rated = rate_period(
        lines(("sub-1", "tokens", "m-1", "tokens"), ("sub-1", "fee", None, "fee")),
        usage(("sub-1", "m-1", Decimal(3_000_000)), ("sub-2", "m-1", Decimal(9))),
        [FEE, TOKENS],
    )
    assert rated.schema == RATED
    assert rated["line_key"].to_list() == ["tokens", "fee"]
    assert rated["amount_minor"].to_list() == [150, 4900]  # 3 x 0.50, and the fee
    assert rated["event_count"].to_list() == [1, 0]
    assert rated["price_hash"].to_list() == ["hash of tokens", "hash of fee"]
    assert rated["rounding_mode"].unique().to_list() == ["half_away_from_zero"]
    assert rated["rule_version"].unique().to_list() == [RULE_VERSION]
    assert rated["line_id"].to_list() == [
        "sub-1/2023-11-01T00:00:00.000000Z/tokens",
        "sub-1/2023-11-01T00:00:00.000000Z/fee",
    ]


def test_a_line_without_usage_is_shown_with_quantity_zero() -> None:
    rated = rate_period(lines(("sub-1", "tokens", "m-1", "tokens")), usage(), [TOKENS])
    row = rated.row(0, named=True)
    assert (row["quantity"], row["amount_minor"], row["event_count"]) == (Decimal(0), 0, 0)


def test_no_lines_rate_to_an_empty_frame_of_the_same_schema() -> None:
    assert rate_period(lines(), usage(), [FEE]).schema == RATED


def test_the_same_input_gives_the_same_bytes_and_the_order_of_usage_does_not_matter() -> None:
    wanted = lines(*[(f"sub-{n % 7}", f"line-{n}", "m-1", "tokens") for n in range(50)])
    used = usage(*[(f"sub-{n}", "m-1", Decimal(n)) for n in range(7)])

    first = rate_period(wanted, used, [TOKENS, FEE])
    second = rate_period(wanted, used.reverse(), [FEE, TOKENS])
    assert first.schema == second.schema
    assert first.write_csv() == second.write_csv()


def test_lines_over_the_limit_are_named_and_nothing_is_rated() -> None:
    huge = price("per_unit", {"amount": "999999999999999"}, price_id="huge")
    with pytest.raises(AmountTooLargeError, match=r"sub-2/.*/line") as caught:
        rate_period(
            lines(("sub-1", "line", "m-1", "huge"), ("sub-2", "line", "m-1", "huge")),
            usage(("sub-1", "m-1", Decimal(1)), ("sub-2", "m-1", Decimal(10) ** 25)),
            [huge],
        )
    assert len(caught.value.details["lines"]) == 1  # type: ignore[arg-type]  # details hold plain objects


def test_an_amount_just_below_the_limit_is_rated_and_one_that_rounds_up_to_it_is_not() -> None:
    # EUR: 10^18 minor units are 10^16; 10^16 - 0.01 fits, 10^16 - 0.005 rounds to the limit.
    one = price("per_unit", {"amount": "1"}, price_id="one")
    rated = rate_period(
        lines(("sub-1", "line", "m", "one")),
        usage(("sub-1", "m", Decimal("9999999999999999.99"))),
        [one],
    )
    assert rated["amount_minor"].to_list() == [10**18 - 1]
    with pytest.raises(AmountTooLargeError):
        rate_period(
            lines(("sub-1", "line", "m", "one")),
            usage(("sub-1", "m", Decimal("9999999999999999.995"))),
            [one],
        )


@pytest.mark.parametrize(
    ("wanted", "used", "message"),
    [
        (lines(("s", "tokens", None, "tokens")), usage(), "a price is missing, or a meter"),
        (lines(("s", "fee", "m", "fee")), usage(), "a price is missing, or a meter"),
        (lines(("s", "fee", None, "gone")), usage(), "a price is missing, or a meter"),
        (lines(("s", "fee", None, "fee"), ("s", "fee", None, "fee")), usage(), "one row only"),
        (
            lines(("s", "tokens", "m", "tokens")),
            usage(("s", "m", Decimal(1)), ("s", "m", Decimal(2))),
            "one row only",
        ),
        (lines().drop("price_id"), usage(), "lines: expected the columns"),
        (lines(), usage().drop("quantity"), "usage: expected the columns"),
    ],
    ids=["no-meter", "a-meter", "no-price", "line-twice", "usage-twice", "lines", "usage"],
)
def test_frames_that_break_their_schema_are_refused(
    wanted: pl.DataFrame, used: pl.DataFrame, message: str
) -> None:
    with pytest.raises(RatingInputError, match=message):
        rate_period(wanted, used, [FEE, TOKENS])


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownPriceModelError, match="use one of flat, per_unit"):
        rate_period(lines(), usage(), [price("tiered", {"amount": "1"})])


def test_usage_without_a_quantity_is_refused() -> None:
    used = pl.DataFrame([("s", NOVEMBER, "m", None, 1, 0)], schema=USAGE, orient="row")
    with pytest.raises(RatingInputError, match="quantity must be present"):
        rate_period(pl.DataFrame(schema=LINES), used, [FEE])


def test_every_step_says_why_it_stands_where_it_stands() -> None:
    assert [step.name for step in STEPS][-2:] == ["round once", "minimum"]
    assert all(step.why_here for step in STEPS)
