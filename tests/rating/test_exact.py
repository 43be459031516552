from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rating.exact import exact_product, exact_whole
from rating.frames import FRACTION_DTYPE, QUANTITY_DTYPE

QUANTITY_LIMIT = 10**38  # scaled by 10^12: |quantity| < 10^26
PRICE_LIMIT = 10**27  # scaled by 10^12: price < 10^15


def scaled(value: int) -> Decimal:
    with localcontext(prec=50):
        return Decimal(value).scaleb(-12)


def factors(limit: int) -> st.SearchStrategy[int]:
    edges = [limit - 1, 10**12, 10**12 - 1, 1, 0, limit // 10**12, 10**30 % limit]
    return st.one_of(st.integers(-limit + 1, limit - 1), st.sampled_from(edges))


def product(pairs: list[tuple[int, int]]) -> list[tuple[int, Decimal]]:
    frame = pl.DataFrame(
        {"a": [scaled(a) for a, _ in pairs], "b": [scaled(b) for _, b in pairs]},
        schema={"a": QUANTITY_DTYPE, "b": QUANTITY_DTYPE},
    )
    amount = exact_product(pl.col("a"), pl.col("b"))
    limbs = frame.select(whole=amount.whole, fraction=amount.fraction)
    assert limbs.schema == {"whole": pl.Int128, "fraction": FRACTION_DTYPE}
    return limbs.rows()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(factors(QUANTITY_LIMIT), factors(PRICE_LIMIT)), min_size=1, max_size=40))
@example([(QUANTITY_LIMIT - 1, PRICE_LIMIT - 1), (1 - QUANTITY_LIMIT, PRICE_LIMIT - 1)])
@example([(QUANTITY_LIMIT - 1, 10**12 - 1), (10**12 - 1, PRICE_LIMIT - 1), (-1, 1)])
def test_a_product_equals_the_fraction_or_stays_at_the_limit(pairs: list[tuple[int, int]]) -> None:
    for (a, b), (whole, fraction) in zip(pairs, product(pairs), strict=True):
        exact = Fraction(a * b, 10**24)
        if abs(exact) < 10**18:
            assert whole + Fraction(fraction) == exact
            assert abs(fraction) < 1
            assert whole * fraction >= 0  # one sign
        else:
            assert abs(whole) >= 10**18
            assert (whole < 0) == (exact < 0)


def test_a_product_keeps_the_twelve_decimals_that_polars_would_round_away() -> None:
    # 123456789012.123456789012 x 0.000000000007 = 0.864197523084864197523084
    [(whole, fraction)] = product([(123456789012123456789012, 7)])
    assert whole == 0
    assert fraction == Decimal("0.864197523084864197523084")


@settings(deadline=None)
@given(st.lists(st.integers(1 - PRICE_LIMIT, PRICE_LIMIT - 1), min_size=1, max_size=20))
def test_a_given_amount_is_its_own_two_limbs(values: list[int]) -> None:
    frame = pl.DataFrame({"a": [scaled(value) for value in values]}, schema={"a": QUANTITY_DTYPE})
    amount = exact_whole(pl.col("a"))
    limbs = frame.select(whole=amount.whole, fraction=amount.fraction).rows()
    for value, (whole, fraction) in zip(values, limbs, strict=True):
        assert whole + Fraction(fraction) == Fraction(value, 10**12)
        assert whole * fraction >= 0
