"""The short way to an amount, where it fits one Int128, and the way of limbs are one."""

from __future__ import annotations

import polars as pl
import pytest

from rating.exact import LIMB, UNITS_LIMIT, int128
from rating.tiers import ANY, OPEN, Extent, Run, Tier, TierBook, with_amount, with_tier

PRICE = 999_999_999_999_999 * LIMB + 999_999_999_999
BOOKS = {
    "dear": TierBook.of([(Run((Tier(1, OPEN, PRICE),)),)], marginal=False),
    "tiers": TierBook.of(
        [(Run((Tier(1, 5 * LIMB, 7, 10**24), Tier(2, OPEN, 123_456_789))),)], marginal=True
    ),
    "packages": TierBook.of([(Run((Tier(1, OPEN, 3 * LIMB, 1, size=7 * LIMB),)),)], marginal=True),
}


def amounts(book: TierBook, units: int, within: Extent) -> list[int]:
    """Of so many units, and of as many below zero where these may be."""
    signs = [1, -1] if within.negative else [1]
    rows = pl.LazyFrame(
        {"units": [units * sign for sign in signs]}, schema={"units": pl.Int128()}
    ).with_columns(run=pl.lit(0, pl.UInt32), negative=pl.col("units") < 0, short=int128(0))
    found = with_amount(with_tier(rows, book), book, earlier=True, within=within).collect()
    limbs = found.select("amount_0", "amount_1", "amount_2").rows()
    return [(whole * LIMB + first) * LIMB + second for whole, first, second in limbs]


def largest_that_fits(book: TierBook) -> int:
    fits, beyond = 0, UNITS_LIMIT
    while beyond - fits > 1:
        middle = (fits + beyond) // 2
        fits, beyond = (middle, beyond) if book.fits(middle) else (fits, middle)
    return fits


@pytest.mark.parametrize("name", BOOKS)
def test_the_largest_quantity_that_fits_has_the_amount_that_limbs_give(name: str) -> None:
    book = BOOKS[name]
    most = largest_that_fits(book)
    assert book.fits(most)
    assert not book.fits(most + 1)
    for units in (most, most - 1, most // 2, min(most, LIMB), 1, 0):
        by_limbs = amounts(book, units, ANY)
        assert amounts(book, units, Extent(most)) == by_limbs
        assert amounts(book, units, Extent(most, negative=False)) == by_limbs[:1]


def test_the_extent_of_rows_is_that_of_the_largest_of_either_sign() -> None:
    rows = pl.DataFrame({"units": [3, -5]}, schema={"units": pl.Int128()})
    used = rows.with_columns(negative=pl.col("units") < 0)
    assert Extent.of(used) == Extent(5, negative=True)
    assert Extent.of(used.head(1)) == Extent(3, negative=False)
    assert Extent.of(used.clear()).most == 0
    assert not BOOKS["dear"].fits(UNITS_LIMIT)
