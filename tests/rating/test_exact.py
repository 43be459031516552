from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from math import ceil, floor

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rating.exact import (
    LIMB,
    Exact,
    decimal_of,
    divided,
    int128,
    limbs_of,
    total,
    units_of,
    with_number,
    with_product,
    with_sum,
)
from rating.frames import QUANTITY_DTYPE

QUANTITY = 10**38  # scaled by 10^12: |quantity| < 10^26
FACTOR = 10**27  # scaled by 10^12: factor < 10^15
AMOUNT = 10**42  # scaled by 10^24: |amount| < 10^18


def around(limit: int) -> st.SearchStrategy[int]:
    """Whole numbers below a limit: anywhere, small, and where a limb is full."""
    edges = [0, 1, LIMB - 1, LIMB, LIMB + 1, limit - 1, limit // LIMB, 5 * LIMB // 1000]
    return st.one_of(
        st.integers(0, limit - 1), st.integers(0, 10**6), st.sampled_from(edges)
    ).filter(lambda value: value < limit)


def signed(limit: int) -> st.SearchStrategy[int]:
    return st.tuples(around(limit), st.sampled_from([1, -1])).map(lambda pair: pair[0] * pair[1])


def numbers(name: str, values: list[int], scale: int) -> pl.DataFrame:
    """A column of numbers in units of 10^-12·scale."""
    rows = [
        [
            value // LIMB**scale,
            *(value // LIMB ** (scale - at) % LIMB for at in range(1, scale + 1)),
        ]
        for value in values
    ]
    schema = {f"{name}_{index}": pl.Int128 for index in range(scale + 1)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def read(frame: pl.LazyFrame, name: str, parts: int) -> list[Fraction]:
    """The numbers of a column, each limb checked to be where it belongs."""
    limbs = frame.select(Exact.named(name, parts).limbs).collect()
    assert set(limbs.dtypes) == {pl.Int128}
    for row in limbs.rows():
        assert all(0 <= limb < LIMB for limb in row[1:])
    return [
        sum((Fraction(limb, LIMB**index) for index, limb in enumerate(row)), Fraction(0))
        for row in limbs.rows()
    ]


@settings(max_examples=200)
@given(st.lists(st.tuples(signed(QUANTITY), around(FACTOR)), min_size=1, max_size=40))
@example([(QUANTITY - 1, FACTOR - 1), (1 - QUANTITY, FACTOR - 1)])
@example([(QUANTITY - 1, LIMB - 1), (1 - QUANTITY, LIMB - 1), (LIMB - 1, FACTOR - 1), (-1, 1)])
@example([(2 * 10**32, LIMB // 2), (-(2 * 10**32), LIMB // 2)])  # just over the clip
def test_a_product_equals_the_fraction_or_is_seen_to_be_too_large(
    pairs: list[tuple[int, int]],
) -> None:
    left, factor = zip(*pairs, strict=True)
    frame = pl.concat(
        [numbers("q", list(left), 1), numbers("p", list(factor), 1)], how="horizontal"
    ).lazy()
    found = read(with_product(frame, "a", Exact.named("q", 1), Exact.named("p", 1)), "a", 2)
    for (a, b), amount in zip(pairs, found, strict=True):
        exact = Fraction(a * b, LIMB**2)
        if abs(exact) < 10**18:
            assert amount == exact
        else:
            assert abs(amount) >= 10**18
            assert (amount < 0) == (exact < 0)


@settings(max_examples=100)
@given(st.lists(st.tuples(signed(AMOUNT), around(LIMB), around(LIMB)), min_size=1, max_size=20))
def test_a_product_of_three_keeps_all_its_48_decimals(rows: list[tuple[int, int, int]]) -> None:
    # An amount of 24 decimals times two rates below 1, as two percentages in a row are.
    amounts, first, second = (list(column) for column in zip(*rows, strict=True))
    frame = pl.concat(
        [numbers("a", amounts, 2), numbers("r", first, 1), numbers("s", second, 1)],
        how="horizontal",
    ).lazy()
    once = with_product(frame, "b", Exact.named("a", 2), Exact.named("r", 1))
    twice = with_product(once, "c", Exact.named("b", 3), Exact.named("s", 1))
    exact = [Fraction(a * r * s, LIMB**4) for a, r, s in rows]
    assert read(twice, "c", 4) == exact


@settings(max_examples=100)
@given(st.lists(st.tuples(signed(AMOUNT), signed(10**54)), min_size=1, max_size=20))
def test_sums_differences_and_comparisons_are_those_of_fractions(
    rows: list[tuple[int, int]],
) -> None:
    # 24 decimals beside 36: the shorter number is widened.
    mine, theirs = (list(column) for column in zip(*rows, strict=True))
    frame = pl.concat([numbers("a", mine, 2), numbers("b", theirs, 3)], how="horizontal").lazy()
    a, b = Exact.named("a", 2), Exact.named("b", 3)
    exact = [(Fraction(x, LIMB**2), Fraction(y, LIMB**3)) for x, y in rows]
    assert read(with_sum(frame, "s", [a, b]), "s", 3) == [x + y for x, y in exact]
    assert read(with_sum(frame, "d", [a], [b]), "d", 3) == [x - y for x, y in exact]
    least = with_number(frame, "m", a.chosen(a.below(b), b).limbs)
    assert read(least, "m", 3) == [min(pair) for pair in exact]
    below = frame.select(below=a.below(b), above=b.below(a), negative=a.negative).collect()
    assert below.rows() == [(x < y, y < x, x < 0) for x, y in exact]


@settings(max_examples=100)
@given(st.lists(signed(AMOUNT), min_size=1, max_size=50))
@example([AMOUNT - 1] * 50)
def test_a_sum_over_rows_is_exact(values: list[int]) -> None:
    frame = numbers("a", values, 2).lazy().select(total("a", 2))
    summed = with_number(frame, "a", Exact.named("a", 2).limbs)
    assert read(summed, "a", 2) == [Fraction(sum(values), LIMB**2)]


@settings(max_examples=200)
@given(st.lists(st.tuples(around(QUANTITY), around(QUANTITY), st.booleans()), min_size=1))
@example([(QUANTITY - 1, 1, True), (QUANTITY - 1, QUANTITY - 1, True), (0, 5, True)])
@example([(QUANTITY - 1, LIMB, False), (QUANTITY - 1, LIMB, True)])
def test_packages_are_counted_exactly_or_clipped_where_they_must_be_refused(
    rows: list[tuple[int, int, bool]],
) -> None:
    rows = [(units, size or 1, up) for units, size, up in rows]
    frame = pl.DataFrame(
        rows, schema={"units": pl.Int128, "size": pl.Int128, "up": pl.Boolean}, orient="row"
    )
    counts = frame.select(divided(pl.col("units"), pl.col("size"), up=pl.col("up")))
    for (units, size, up), count in zip(rows, counts.to_series().to_list(), strict=True):
        exact = ceil(Fraction(units, size)) if up else floor(Fraction(units, size))
        assert count == min(exact, 10**26)


@given(st.lists(signed(QUANTITY), min_size=1, max_size=20))
def test_a_decimal_becomes_units_and_comes_back(values: list[int]) -> None:
    with localcontext(prec=50):
        decimals = [Decimal(value).scaleb(-12) for value in values]
    frame = pl.DataFrame({"q": decimals}, schema={"q": QUANTITY_DTYPE})
    units = frame.select(units_of(pl.col("q")))
    assert units["q"].to_list() == values
    assert units.select(decimal_of(pl.col("q")))["q"].to_list() == decimals
    halves = frame.lazy().select(Exact.of_units(units_of(pl.col("q"))).limbs[0].alias("w"))
    assert halves.collect()["w"].to_list() == [value // LIMB for value in values]


@pytest.mark.parametrize(
    ("value", "limbs"),
    [
        (1_500_000_000_000, [1, 500_000_000_000]),
        (-1, [-1, LIMB - 1]),
        (10**32 + 7, [10**20, 7]),
        (10**40, [10**20, 0]),
        (-(10**40), [-(10**20), 0]),
    ],
)
def test_a_python_integer_becomes_limbs_clipped_as_a_product_is(
    value: int, limbs: list[int]
) -> None:
    assert limbs_of(value, 1) == limbs


class TestPolarsItself:
    """What the limbs are for: should a release of Polars change this, we want to know."""

    def test_a_product_of_decimals_is_rounded_in_silence(self) -> None:
        # 123456789012.123456789012 x 0.000000000007 = 0.864197523084864197523084
        factors = [Decimal("123456789012.123456789012"), Decimal("0.000000000007")]
        columns = {name: [factor] for name, factor in zip("ab", factors, strict=True)}
        frame = pl.DataFrame(columns, schema={"a": QUANTITY_DTYPE, "b": QUANTITY_DTYPE})
        assert frame.select(pl.col("a") * pl.col("b")).item() == Decimal("0.864197523085")

        lazy = frame.lazy()
        a, b = (Exact.of_units(units_of(pl.col(name))) for name in "ab")
        exact = Fraction("0.864197523084864197523084")
        assert read(with_product(lazy, "c", a, b), "c", 2) == [exact]

    @pytest.mark.parametrize(
        "wrapping", [lambda big: big * int128(2), lambda big: big + big], ids=["product", "sum"]
    )
    def test_an_integer_of_128_bits_wraps_in_silence(
        self, wrapping: Callable[[pl.Expr], pl.Expr]
    ) -> None:
        frame = pl.DataFrame({"big": [2**127 - 1]}, schema={"big": pl.Int128})
        assert frame.select(wrapping(pl.col("big"))).item() == -2
