"""Deltas and credits: the parts always sum to the whole."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ValidationError
from core.period import Period
from rating.deltas import credit_minor, delta_minor
from rating.proration import share_of
from rating.rounding import ROUNDING_MODES, RoundingMode, round_ratio
from tests.rating.oracle import round_fraction

UTC_ZONE = ZoneInfo("UTC")
NOVEMBER = Period(datetime(2023, 11, 1, tzinfo=UTC), datetime(2023, 12, 1, tzinfo=UTC))
SECOND_HALF = Period(datetime(2023, 11, 16, tzinfo=UTC), NOVEMBER.end)
MODES = st.sampled_from(ROUNDING_MODES)
SHARES = st.fractions(0, 1, max_denominator=10**7)


def test_thirds_of_ten_come_back_as_a_whole() -> None:
    credited: list[int] = []
    for third in (1, 2, 3):
        credited.append(credit_minor(1000, Fraction(third, 3), sum(credited)))
    assert credited == [333, 334, 333]


def test_a_split_of_usage_is_billed_like_the_whole() -> None:
    price_minor = Fraction(1, 10)  # 0.001 in cents
    first = delta_minor(333 * price_minor, 0)
    assert (first, delta_minor(666 * price_minor, first)) == (33, 34)
    # A thousand events of 0.001 are one unit of money, however often they are billed.
    billed = 0
    for count in range(1, 1001):
        billed += delta_minor(count * price_minor, billed)
    assert billed == 100


def test_a_total_that_falls_is_given_back() -> None:
    # 100 at u = 100, A(150) = 75.
    assert delta_minor(Fraction(7500), 10000) == -2500


@pytest.mark.req("RAT-09")
def test_an_upgrade_half_way_credits_5_and_bills_10() -> None:
    share = share_of(SECOND_HALF, NOVEMBER, "seconds", UTC_ZONE).fraction
    credit = credit_minor(1000, share)
    billed = delta_minor(2000 * share, 0)
    assert (credit, billed, billed - credit) == (500, 1000, 500)


def test_a_credit_mirrors_what_was_billed_coupon_and_tax_included() -> None:
    # 10.00 less a coupon of 20 %, plus 19 % tax, was 8.00 + 1.52; the price is 12.00 by now.
    share = share_of(SECOND_HALF, NOVEMBER, "days", UTC_ZONE).fraction
    assert [credit_minor(part, share) for part in (1000, -200, 152)] == [500, -100, 76]


def test_a_new_interval_credits_the_rest_and_bills_the_new_one_in_full() -> None:
    share = share_of(SECOND_HALF, NOVEMBER, "fixed_30", UTC_ZONE, 1).fraction
    year = Period(SECOND_HALF.start, datetime(2024, 11, 16, tzinfo=UTC))
    whole = share_of(year, year, "seconds", UTC_ZONE).fraction
    assert (credit_minor(3000, share), delta_minor(36000 * whole, 0)) == (1500, 36000)


@pytest.mark.parametrize("share", [Fraction(-1, 10), Fraction(11, 10)])
def test_no_more_is_given_back_than_was_billed(share: Fraction) -> None:
    with pytest.raises(ValidationError, match=r"share: .* give 0 to 1"):
        credit_minor(1000, share)


@given(billed=st.integers(-(10**18), 10**18), steps=st.lists(SHARES, max_size=6), mode=MODES)
def test_credits_sum_to_what_was_billed(
    billed: int, steps: list[Fraction], mode: RoundingMode
) -> None:
    credited = 0
    for share in [*sorted(steps), Fraction(1)]:
        now = credit_minor(billed, share, credited, mode)
        assert now * billed >= 0  # never against its own direction
        credited += now
        assert abs(credited - billed * share) < 1
    assert credited == billed


@given(totals=st.lists(st.fractions(max_denominator=1000), min_size=1, max_size=6), mode=MODES)
def test_deltas_sum_to_the_rounded_total(totals: list[Fraction], mode: RoundingMode) -> None:
    billed = 0
    for total in totals:
        billed += delta_minor(total, billed, mode)
    assert billed == round_fraction(totals[-1], mode)


@given(value=st.fractions(max_denominator=200), mode=MODES)
def test_one_number_is_rounded_like_the_oracle_rounds_it(
    value: Fraction, mode: RoundingMode
) -> None:
    assert round_ratio(value, mode) == round_fraction(value, mode)
