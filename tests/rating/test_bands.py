"""Where a part of an event begins to cost the minimum or the maximum, to the last digit."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from rating.bands import Band
from rating.exact import LIMB, UNITS_LIMIT

NUMBERS = st.one_of(st.integers(0, 10**27 - 1), st.integers(0, 10**13), st.integers(0, 3))
VALUE_MOST = 10**27 - 1


def _cost(value: int, band: Band, fixed: int) -> Fraction:
    return Fraction(value * band.rate, LIMB) + fixed


@given(NUMBERS, NUMBERS, NUMBERS, st.sampled_from([-1, 0, 1]))
def test_a_part_costs_the_minimum_just_where_it_would_cost_less(
    rate: int, fixed: int, minimum: int, beside: int
) -> None:
    band = Band(1, rate, fixed, minimum=minimum)
    for value in {0, VALUE_MOST, max(0, min(band.below() + beside, VALUE_MOST))}:
        assert (value < band.below()) == (_cost(value, band, fixed) < minimum)
    assert abs(band.below()) < UNITS_LIMIT


@given(
    rate=NUMBERS,
    fixed=NUMBERS,
    maximum=NUMBERS,
    beside=st.sampled_from([-1, 0, 1]),
    pays=st.booleans(),
)
def test_a_part_costs_the_maximum_just_where_it_would_cost_more(
    rate: int, fixed: int, maximum: int, beside: int, *, pays: bool
) -> None:
    band = Band(1, rate, fixed, maximum=maximum)
    fixed = fixed if pays else 0
    for value in {0, VALUE_MOST, max(0, min(band.above(fixed) + beside, VALUE_MOST))}:
        assert (value > band.above(fixed)) == (_cost(value, band, fixed) > maximum)
    assert abs(band.above(fixed)) < UNITS_LIMIT


def test_without_bounds_no_part_is_beyond_one() -> None:
    band = Band(1, 5, 7)
    assert -UNITS_LIMIT < band.below() <= -VALUE_MOST
    assert VALUE_MOST <= band.above(7) < UNITS_LIMIT
