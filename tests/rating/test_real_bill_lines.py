"""A thousand lines of real bills, priced again from quantity and unit price."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Final

from rating.engine import rate_period
from tests.rating.bill_lines import BillLine, bill_lines
from tests.rating.builders import lines, price, usage
from tests.rating.oracle import minor_units

PAGE: Final = Path(__file__).parents[2] / "docs" / "explanation" / "real-bill-lines.md"
DIGITS: Final = 10
PLACE: Final = Decimal(1).scaleb(-DIGITS)
BLOCK: Final = 10_000

Priced = tuple[Decimal, Decimal]
"""Quantity and price of a unit."""


def exact(quantity: Decimal, unit_price: Decimal) -> Decimal:
    with localcontext(prec=60):
        return quantity * unit_price


def rounded(quantity: Decimal, unit_price: Decimal, mode: str = ROUND_HALF_UP) -> Decimal:
    return exact(quantity, unit_price).quantize(PLACE, mode)


def rated(priced: Sequence[Priced], currency: str, scale: int = 1, per: int = 1) -> list[int]:
    """What the engine bills, in minor units; prices `scale` times as high, for `per` units."""
    prices = [
        price(
            "per_unit",
            {"amount": f"{exact(unit_price, Decimal(scale)):f}", "per": str(per)},
            price_id=f"price-{index}",
            currency=currency,
        )
        for index, (_, unit_price) in enumerate(priced)
    ]
    names = [f"sub-{index}" for index in range(len(priced))]
    wanted = [
        (name, "line", "meter", each.price_id) for name, each in zip(names, prices, strict=True)
    ]
    used = [(name, "meter", quantity) for name, (quantity, _) in zip(names, priced, strict=True)]
    return rate_period(lines(*wanted), usage(*used), prices)["amount_minor"].to_list()


def at_ten_decimals(priced: Sequence[Priced], per: int = 1) -> list[int]:
    """What the engine bills in units of 10^-10: prices a million times as high, and four digits."""
    return rated(priced, "CLF", 10**6, per)


def priced_lines(provider: str) -> list[tuple[BillLine, Priced]]:
    return [
        (line, (line.priced_quantity, line.unit_price))
        for line in bill_lines(provider)
        if line.unit_price is not None
    ]


def list_costs(found: Sequence[tuple[BillLine, Priced]]) -> list[int]:
    return [int(line.list_cost.scaleb(DIGITS)) for line, _ in found]


def test_all_941_lines_of_aws_with_a_list_price_equal_their_list_cost() -> None:
    found = priced_lines("AWS")
    assert len(found) == 941
    for line, priced in found:
        assert rounded(*priced) == line.list_cost, line
    assert at_ten_decimals([priced for _, priced in found]) == list_costs(found)


def test_the_lines_in_cents_equal_the_fraction_oracle() -> None:
    priced = [each for _, each in priced_lines("AWS")]
    expected = [
        minor_units(Fraction(quantity) * Fraction(unit_price), 2, "half_away_from_zero")
        for quantity, unit_price in priced
    ]
    assert rated(priced, "USD") == expected
    assert sum(amount > 0 for amount in expected) == 141


def test_the_one_line_without_a_list_price_is_a_promotional_credit() -> None:
    (line,) = [each for each in bill_lines("AWS") if each.unit_price is None]
    assert (line.id, line.category) == ("2555992", "Credit")
    assert line.description.startswith("AWS Open Source Promotional Credits")
    assert line.priced_quantity == 0
    assert line.list_cost == Decimal("-2.6137")


def test_halves_decide_five_lines_and_binary_fractions_miss_five() -> None:
    found = priced_lines("AWS")
    halves = [each for each in found if (exact(*each[1]) / PLACE) % 1 == Decimal("0.5")]
    assert len(halves) == 11
    half_even = [
        line for line, priced in found if rounded(*priced, ROUND_HALF_EVEN) != line.list_cost
    ]
    binary = [
        line
        for line, (quantity, unit_price) in found
        if Decimal(repr(round(float(quantity) * float(unit_price), DIGITS))) != line.list_cost
    ]
    assert (len(half_even), len(binary)) == (5, 5)


def blocks() -> list[BillLine]:
    return [
        line
        for line in bill_lines("Microsoft")
        if line.consumed_quantity == line.priced_quantity * BLOCK != 0
    ]


def test_azure_prices_blocks_of_ten_thousand_operations() -> None:
    found = priced_lines("Microsoft")
    assert len(found) == 51
    # The quantity consumed is in units of the price, on every line; the priced one is not.
    consumed = [(line.consumed_quantity or Decimal(), price) for line, (_, price) in found]
    for (line, _), priced in zip(found, consumed, strict=True):
        assert rounded(*priced) == line.list_cost.quantize(PLACE, ROUND_HALF_UP), line
    assert at_ten_decimals(consumed) == [
        int(line.list_cost.quantize(PLACE, ROUND_HALF_UP).scaleb(DIGITS)) for line, _ in found
    ]
    # 31 lines are of blocks: whole operations, and a priced quantity divided once more.
    assert len(blocks()) == 31
    for line in blocks():
        assert line.consumed_quantity is not None
        assert line.unit_price is not None
        assert (line.consumed_quantity * BLOCK) % 1 == 0
        cost = exact(line.priced_quantity, line.unit_price)
        assert cost * BLOCK == line.list_cost
        assert line.contracted_cost == cost.quantize(Decimal("1e-11"), ROUND_HALF_UP)


def test_operations_at_a_price_per_ten_thousand_give_the_same_cost() -> None:
    operations = [
        (line.consumed_quantity * BLOCK, line.unit_price)
        for line in blocks()
        if line.consumed_quantity is not None and line.unit_price is not None
    ]
    assert at_ten_decimals(operations, per=BLOCK) == [
        int(line.list_cost.quantize(PLACE, ROUND_HALF_UP).scaleb(DIGITS)) for line in blocks()
    ]


def test_all_lines_of_oracle_equal_their_list_cost() -> None:
    found = priced_lines("Oracle")
    assert len(found) == 7
    assert at_ten_decimals([priced for _, priced in found]) == [
        int(line.list_cost.quantize(PLACE, ROUND_HALF_UP).scaleb(DIGITS)) for line, _ in found
    ]


def test_the_page_has_the_figures_that_are_computed_here() -> None:
    aws = priced_lines("AWS")
    table = "\n".join(
        f"| {provider} | {len(bill_lines(provider))} | {len(priced_lines(provider))} | {equal} |"
        for provider, equal in (
            ("AWS", sum(rounded(*priced) == line.list_cost for line, priced in aws)),
            ("Microsoft", len(priced_lines("Microsoft"))),
            ("Oracle", len(priced_lines("Oracle"))),
        )
    )
    page = PAGE.read_text(encoding="utf-8")
    assert table in page
    total = sum((line.list_cost for line, _ in aws), Decimal())
    by_line = Decimal(sum(rated([priced for _, priced in aws], "USD"))).scaleb(-2)
    assert f"{total:f} USD" in page
    assert f"{by_line} USD" in page
    assert re.search(r"\b31 lines", page)
