"""Tiers: gaps, overlaps, tiers that nothing reaches, and cliffs, to the last decimal."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rating.lint import QUANTITY_STEP, TierTerms, lint_tiers


def tier(up_to: str | None, unit: str = "0", flat: str = "0", **more: Decimal) -> TierTerms:
    bound = None if up_to is None else Decimal(up_to)
    return TierTerms(bound, Decimal(unit), Decimal(flat), **more)


def found(*tiers: TierTerms, whole_quantity: bool = True) -> list[tuple[str, str, str]]:
    return [
        (each.kind, each.path, each.message)
        for each in lint_tiers(tiers, whole_quantity=whole_quantity)
    ]


def test_good_tiers_have_no_findings() -> None:
    assert found(tier("100", "0.10"), tier(None, "0.20")) == []
    assert found(tier("100", "7"), tier(None, "6"), whole_quantity=False) == []
    # 10 at 1 cost 10, just more than 10 at 0 plus 10 as well: no cliff.
    assert found(tier("10", "1"), tier(None, "0", "10")) == []
    above = tier("100", "0.10"), tier(None, "0.20", above=Decimal(100))
    assert found(*above) == []


def test_a_gap_an_overlap_and_a_missing_end_are_named_with_the_fix() -> None:
    # Other systems leave quantities between 100 and 101 without a price, or bill them at 0.
    integers = tier("100", "2"), tier("200", "3", above=Decimal(101)), tier(None, "4")
    assert found(*integers) == [
        (
            "gap",
            "tiers[1].above",
            'quantities above 100 up to 101 have no price; write above = "100", or leave it out',
        )
    ]
    ((kind, path, message),) = found(tier("100", "2"), tier(None, "3", above=Decimal("99.5")))
    assert (kind, path) == ("overlap", "tiers[1].above")
    assert message.startswith("quantities above 99.5 up to 100 are in the tier before, too;")
    assert found(tier("100", "2")) == [
        ("gap", "tiers", "quantities above 100 have no price; leave out up_to of the last tier")
    ]
    ((kind, path, _),) = found(tier(None, "2", above=Decimal(1)))
    assert (kind, path) == ("gap", "tiers[0].above")


def test_tiers_that_nothing_reaches_are_named() -> None:
    tiers = tier("0", "1"), tier("10", "1"), tier("10", "2"), tier("5", "3"), tier(None), tier("9")
    assert [(kind, path) for kind, path, _ in found(*tiers, whole_quantity=False)] == [
        ("unreachable", "tiers[0].up_to"),
        ("unreachable", "tiers[2].up_to"),
        ("unreachable", "tiers[3].up_to"),
        ("unreachable", "tiers[5]"),
    ]


def test_a_cliff_is_named_with_its_exact_range() -> None:
    # 5 at 7 cost 35, a bit more at 6.5 each 32.5: 35 again at 35 / 6.5 = 5.3846...
    ((kind, path, message),) = found(tier("5", "7"), tier(None, "6.5"))
    assert (kind, path) == ("cliff", "tiers[1]")
    assert message == (
        "5 costs 35, the least bit more 32.5000000000065; it costs as much again from"
        " 5.384615384616 (no whole quantity lies between)"
    )
    ((_, _, message),) = found(tier("100", "1"), tier("200", "0.75"), tier(None, "0.9"))
    # The second tier reaches 100 again at 133.33.
    assert message.endswith("it costs as much again from 133.333333333334")


def test_a_cliff_may_span_tiers_or_have_no_end() -> None:
    first, second = found(tier("100", "1"), tier("110", "0.5"), tier(None, "0.4"))
    assert (first[0], second[0]) == ("cliff", "cliff")
    assert first[2].endswith("it costs as much again from 250")
    ((_, path, message),) = found(tier("10", flat="50"), tier(None, flat="40"))
    assert path == "tiers[1]"
    assert message.endswith("no larger quantity costs as much again")


def test_packages_fall_where_fewer_or_cheaper_ones_hold_more() -> None:
    # 10 are 10 packages of 1 at 1; more than 10 are packages of 10 at 4: 8, then 12 above 20.
    small, large = tier("10", "1", size=Decimal(1)), tier(None, "4", size=Decimal(10))
    ((_, _, message),) = found(small, large)
    assert message.startswith("10 costs 10, the least bit more 8;")
    assert message.endswith("from 20.000000000001")


def test_a_difference_below_the_smallest_quantity_is_no_cliff() -> None:
    # Just above 1 the price falls by less than the least bit more costs.
    assert found(tier("1", "1.000000000001"), tier(None, "1")) == []
    assert len(found(tier("2", "1.000000000001"), tier(None, "1"))) == 1


AMOUNTS = st.integers(0, 40).map(lambda tenths: Decimal(tenths).scaleb(-1))
WRITTEN = st.lists(
    st.tuples(st.integers(1, 6), AMOUNTS, AMOUNTS, st.sampled_from([None, 1, 3])),
    min_size=1,
    max_size=4,
)


def cost(tiers: list[TierTerms], quantity: Fraction, *, whole_quantity: bool) -> Fraction:
    """Plainly, tier by tier."""
    total, lower = Fraction(), Fraction()
    for each in tiers:
        upper = quantity if each.up_to is None else min(quantity, Fraction(each.up_to))
        units = quantity if whole_quantity else upper - lower
        packages = units if each.size is None else Fraction(ceil(units / Fraction(each.size)))
        step = packages * Fraction(each.unit_amount) + Fraction(each.flat_amount)
        total = step if whole_quantity else total + step
        if each.up_to is None or quantity <= each.up_to:
            return total
        lower = Fraction(each.up_to)
    raise AssertionError(quantity)


@pytest.mark.parametrize("whole_quantity", [True, False])
@given(written=WRITTEN)
def test_cliffs_are_where_a_cost_falls_and_nowhere_else(
    whole_quantity: bool, written: list[tuple[int, Decimal, Decimal, int | None]]
) -> None:
    tiers, bound = [], 0
    for width, unit, flat, size in written:
        bound += width
        package = None if size is None else Decimal(size)
        tiers.append(TierTerms(Decimal(bound), unit, flat, package))
    tiers[-1] = TierTerms(None, *written[-1][1:3], tiers[-1].size)
    bounds = [Fraction(each.up_to) for each in tiers if each.up_to is not None]
    asked = sorted(
        {Fraction(n, 4) for n in range(1, 4 * bound + 40)} | {b + QUANTITY_STEP for b in bounds}
    )
    costs = {each: cost(tiers, each, whole_quantity=whole_quantity) for each in asked}
    falls = {b for b in bounds if costs[b + QUANTITY_STEP] < costs[b]}
    for before, after in pairwise(asked):
        assert costs[before] <= costs[after] or before in falls
    findings = lint_tiers(tiers, whole_quantity=whole_quantity)
    assert [each.kind for each in findings] == ["cliff"] * len(falls)
    for each, fall in zip(findings, sorted(falls), strict=True):
        again = re.search(r"again from ([\d.]+)", each.message)
        if again is None:
            assert all(costs[later] < costs[fall] for later in asked if later > fall)
            continue
        until = Fraction(again[1])
        assert cost(tiers, until, whole_quantity=True) >= costs[fall]
        assert cost(tiers, until - QUANTITY_STEP, whole_quantity=True) < costs[fall]
        assert all(costs[later] < costs[fall] for later in asked if fall < later < until)
