from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rating.errors import PriceParameterError
from rating.exact import LIMB, Exact, units_of
from rating.frames import QUANTITY_DTYPE
from rating.rounding import ROUNDING_MODES, parse_rounding_mode, split_minor, with_minor
from tests.rating.oracle import minor_units


def rounded(rows: list[tuple[Decimal, int, str]]) -> list[int]:
    schema = pl.Schema(
        {"a": QUANTITY_DTYPE, "minor_digits": pl.Int32(), "rounding_mode": pl.String()}
    )
    frame = pl.DataFrame(rows, schema=schema, orient="row").lazy()
    minor = with_minor(frame, Exact.of_units(units_of(pl.col("a"))))
    return minor.collect()["amount_minor"].to_list()


@pytest.mark.parametrize(
    ("amount", "away", "even", "up", "down"),
    [
        # In EUR: two digits, so the third decides.
        ("0.005", 1, 0, 1, 0),
        ("0.015", 2, 2, 2, 1),
        ("-0.005", -1, 0, -1, 0),
        ("0.002", 0, 0, 1, 0),
        ("0.008", 1, 1, 1, 0),
        ("7.365", 737, 736, 737, 736),
        ("0.004999999999", 0, 0, 1, 0),
        ("0.005000000001", 1, 1, 1, 0),
        ("12", 1200, 1200, 1200, 1200),
        ("0", 0, 0, 0, 0),
    ],
)
def test_each_mode_decides_a_half_its_own_way(
    amount: str, away: int, even: int, up: int, down: int
) -> None:
    modes = ["half_away_from_zero", "half_even", "up", "down"]
    assert rounded([(Decimal(amount), 2, mode) for mode in modes]) == [away, even, up, down]


def test_the_minor_unit_of_the_currency_decides_the_place() -> None:
    # 5.12445: 5 yen, 5.12 euro, 5.124 dinar, 5.1245 (5.12445 is a half) unidad de fomento.
    rows = [(Decimal("5.12445"), digits, "half_away_from_zero") for digits in (0, 2, 3, 4)]
    assert rounded(rows) == [5, 512, 5124, 51245]


AMOUNTS = st.one_of(
    st.integers(-(10**27) + 1, 10**27 - 1),
    st.integers(-(10**6), 10**6).map(lambda halves: halves * 5 * 10**7),  # near the halves
).map(lambda scaled: Decimal(scaled).scaleb(-12))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(AMOUNTS, st.sampled_from([0, 2, 3, 4]), st.sampled_from(ROUNDING_MODES)),
        min_size=1,
        max_size=40,
    )
)
def test_rounding_equals_the_fraction_oracle_and_mirrors_credits(
    rows: list[tuple[Decimal, int, str]],
) -> None:
    expected = [minor_units(Fraction(amount), digits, mode) for amount, digits, mode in rows]
    assert rounded(rows) == expected
    assert rounded([(-amount, digits, mode) for amount, digits, mode in rows]) == [
        -value for value in expected
    ]


RATIOS = st.one_of(
    # Any numerator of 36 decimals over any time; and halves of a minor unit, and beside them.
    st.tuples(st.integers(1 - 10**69, 10**69 - 1), st.integers(1, 10**33 - 1)),
    st.tuples(st.integers(-(10**5), 10**5), st.integers(1, 10**9), st.sampled_from([-1, 0, 1])).map(
        lambda drawn: (drawn[0] * drawn[1] * 5 * 10**33 + drawn[2], drawn[1])
    ),
)


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(RATIOS, st.sampled_from([0, 2, 3, 4]), st.sampled_from(ROUNDING_MODES)),
        min_size=1,
        max_size=30,
    )
)
def test_a_ratio_is_divided_at_the_rounding_and_nowhere_before(
    rows: list[tuple[tuple[int, int], int, str]],
) -> None:
    frame = pl.DataFrame(
        [
            (
                numerator // LIMB**3,
                *(numerator // LIMB ** (3 - at) % LIMB for at in (1, 2, 3)),
                denominator,
                digits,
                mode,
            )
            for (numerator, denominator), digits, mode in rows
        ],
        schema={
            **{f"a_{index}": pl.Int128 for index in range(4)},
            "denominator": pl.Int128,
            "minor_digits": pl.Int32,
            "rounding_mode": pl.String,
        },
        orient="row",
    ).lazy()
    minor = with_minor(frame, Exact.named("a", 3), pl.col("denominator")).collect()
    expected = [
        minor_units(Fraction(numerator, denominator * LIMB**3), digits, mode)
        for (numerator, denominator), digits, mode in rows
    ]
    assert minor["amount_minor"].to_list() == expected


def test_an_unknown_mode_is_refused_with_the_list_of_modes() -> None:
    with pytest.raises(PriceParameterError, match="rounding_mode: use one of half_away_from_zero"):
        parse_rounding_mode("half_up")
    assert parse_rounding_mode("down") == "down"


def test_a_split_gives_what_is_left_to_the_largest_remainders() -> None:
    # 1000 in thirds: 333.33 each, one left, ties go to the first.
    assert split_minor(1000, [1, 1, 1]) == [334, 333, 333]
    # 100 by 1:2:4 = 14.29, 28.57, 57.14: floors 14+28+57 = 99, the second has the largest rest.
    assert split_minor(100, [1, 2, 4]) == [14, 29, 57]
    assert split_minor(-100, [Decimal("0.5"), Decimal(1), Decimal(2)]) == [-14, -29, -57]
    assert split_minor(7, [0, 1]) == [0, 7]


@given(
    st.integers(-(10**18), 10**18),
    st.lists(st.decimals(0, 10**9, places=6), min_size=1, max_size=12),
)
def test_the_parts_of_a_split_sum_to_the_whole(total: int, weights: list[Decimal]) -> None:
    if not sum(weights):
        with pytest.raises(ValueError, match="weights"):
            split_minor(total, weights)
        return
    parts = split_minor(total, weights)
    assert sum(parts) == total
    whole = sum(map(Fraction, weights))
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - total * Fraction(weight) / whole) < 1
