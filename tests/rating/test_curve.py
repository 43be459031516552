"""Curves of costs: corners and jumps, worked by hand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from rating.curve import LINES_MAX, Curve, cost_curves, interesting_quantity, round_up
from rating.engine import rate_period
from rating.errors import PriceParameterError
from tests.rating.builders import beside_lines, price

STEP = Fraction(1, 10**12)
TIERS = [
    {"up_to": "5", "unit_amount": "7"},
    {"up_to": "10.25", "unit_amount": "6", "flat_amount": "2"},
    {"unit_amount": "1"},
]


def corners(curve: Curve) -> Any:
    return [
        [(round(float(each.quantity), 6), round(float(each.cost), 6)) for each in piece]
        for piece in curve.pieces
    ]


def jumps(curve: Curve) -> Any:
    return [(each.quantity, each.before, each.at, each.after) for each in curve.jumps]


def one(model: str, parameters: dict[str, Any], to: str, **around: Any) -> Curve:
    [curve] = cost_curves(price(model, parameters, **around), Decimal(to))
    return curve


def test_tiers_are_straight_pieces_with_corners_and_jumps_at_their_bounds() -> None:
    graduated = one("graduated", {"tiers": TIERS}, "20")
    assert corners(graduated) == [
        [(0, 0), (5, 35)],
        [(5, 37), (10.25, 68.5), (20, 78.25)],
    ]
    assert jumps(graduated) == [(5, 35, 35, 37 + 6 * STEP)]
    volume = one("volume", {"tiers": TIERS}, "20")
    assert corners(volume) == [
        [(0, 0), (5, 35)],
        [(5, 32), (10.25, 63.5)],
        [(10.25, 10.25), (20, 20)],
    ]
    assert [each.quantity for each in volume.jumps] == [5, Fraction("10.25")]


def test_a_step_belongs_to_the_quantity_that_the_model_says() -> None:
    package = one("package", {"size": "100", "amount": "5"}, "250")
    assert jumps(package) == [(0, 0, 0, 5), (100, 5, 5, 10), (200, 10, 10, 15)]
    assert corners(package) == [[(0, 5), (100, 5)], [(100, 10), (200, 10)], [(200, 15), (250, 15)]]
    thresholds = {"thresholds": [{"from": "100", "amount": "15"}]}
    total = one("threshold_total", thresholds, "250")
    assert jumps(total) == [(100, 0, 15, 15)]
    assert corners(total) == [[(0, 0), (100, 0)], [(100, 15), (250, 15)]]


def test_what_stands_around_a_price_is_in_its_curve() -> None:
    around = {"free_units": "20", "minimum": "80", "maximum": "200"}
    curve = one("per_unit", {"amount": "5"}, "100", adjustments=around)
    assert corners(curve) == [[(0, 80), (36, 80), (60, 200), (100, 200)]]


def test_a_corner_at_a_quantity_that_is_asked_for_anyway_is_not_lost() -> None:
    tiers = [{"up_to": "10", "unit_amount": "2"}, {"unit_amount": "1"}]
    for end in ("15", "20", "19.2", "40"):
        [piece] = corners(one("graduated", {"tiers": tiers}, end))
        assert piece[:2] == [(0, 0), (10, 20)]


def test_many_steps_are_found_and_none_is_lost() -> None:
    package = one("package", {"size": "10", "amount": "1"}, "995")
    assert len(package.jumps) == 100
    assert package.pieces[-1][-1].cost == 100


def test_a_price_apart_by_groups_has_a_curve_for_each_price_of_its_own() -> None:
    cells = [
        {"values": {"region": "eu"}, "unit_amount": "2"},
        {"values": {"region": "us"}, "unit_amount": "3"},
    ]
    matrix = price("matrix", {"dimensions": ["region"], "cells": cells, "default": "1"})
    curves = cost_curves(matrix, Decimal(10))
    ends: Any = [(each.label, each.pieces[0][-1].cost) for each in curves]
    assert ends == [
        ("eu", 20),
        ("us", 30),
        ("others", 10),
    ]
    grouped = price("graduated", {"tiers": TIERS, "group_by": ["region"]})
    [curve] = cost_curves(grouped, Decimal(20))
    assert (curve.label, curve.pieces[-1][-1].cost) == ("", Fraction("78.25"))
    limits = [{"limits": {"cpu": "50", "gpu": "5"}, "flat_amount": "1"}, {"flat_amount": "9"}]
    capacity = price("capacity", {"dimension": "unit", "tiers": limits})
    found: Any = [(each.label, jumps(each)) for each in cost_curves(capacity, Decimal(100))]
    assert found == [("cpu", [(50, 1, 1, 9)]), ("gpu", [(5, 1, 1, 9)])]


def test_a_price_of_many_cells_shows_the_first_ones() -> None:
    for count in (LINES_MAX, LINES_MAX + 1):
        cells = [{"values": {"region": f"r{at}"}, "unit_amount": "1"} for at in range(count)]
        matrix = price("matrix", {"dimensions": ["region"], "cells": cells})
        labels = [each.label for each in cost_curves(matrix, Decimal(10))]
        assert labels == [f"r{at}" for at in range(LINES_MAX)]


@pytest.mark.parametrize(
    ("model", "parameters", "around", "end"),
    [
        ("graduated", {"tiers": TIERS}, {}, "15"),
        ("package", {"size": "100", "amount": "5"}, {}, "500"),
        ("per_unit", {"amount": "5"}, {}, "100"),
        ("per_unit", {"amount": "5"}, {"free_units": "1000"}, "1500"),
        ("package", {"size": "8", "amount": "5"}, {"unit_conversion": {"per": "1000"}}, "40000"),
        ("per_unit", {"amount": "5"}, {"maximum": "2000"}, "500"),
        ("flat", {"amount": "5"}, {"maximum": "2000"}, "150"),
    ],
)
def test_the_end_lies_beyond_what_is_of_interest(
    model: str, parameters: dict[str, Any], around: dict[str, Any], end: str
) -> None:
    if "unit_conversion" in around:
        around = {"unit_conversion": {"per": "1000", "round": "up"}}
    assert interesting_quantity(price(model, parameters, adjustments=around)) == Decimal(end)


def test_round_numbers_are_short() -> None:
    wanted = [Fraction("0.0000031"), Fraction(1), Fraction(11), Fraction(160), Fraction("98.7")]
    assert [f"{round_up(each):f}" for each in wanted] == ["0.0000035", "1", "12", "200", "100"]


def test_an_end_that_is_no_quantity_is_refused() -> None:
    with pytest.raises(PriceParameterError, match="to: give a quantity above 0"):
        cost_curves(price("per_unit", {"amount": "5"}), Decimal(0))


def test_a_percentage_is_drawn_over_what_the_lines_bill() -> None:
    around = {"minimum": "100", "maximum": "500", "percent_discount": "12.5"}
    one = price("percent_of_lines", {"percent": "3.3", "lines": ["*"]}, adjustments=around)
    [curve] = cost_curves(one)
    points = [point for piece in curve.pieces for point in piece]
    assert points[-1].cost == 500
    for point in points:
        billed = Decimal(int(point.quantity * 100)) / 100
        rated = rate_period(*beside_lines(one, {"usage": billed}))
        cost = Decimal(rated["amount_minor"][-1] + rated["true_up_minor"][-1]) / 100
        assert abs(point.cost - Fraction(cost)) <= Fraction(2, 100)


def test_a_price_over_events_is_drawn_over_the_value_of_one() -> None:
    bounds = {"rate": "1.5", "fixed": "0.25", "minimum": "1", "maximum": "4"}
    [curve] = cost_curves(price("percentage", bounds))
    assert corners(curve) == [[(0, 1), (50, 1), (250, 4), (350, 4)]]
    by_clock = [{"from": "08:00", "to": "18:00", "unit_amount": "0.01"}, {"unit_amount": "0.005"}]
    [curve] = cost_curves(price("time_of_day", {"bands": by_clock}), Decimal(86_400))
    assert corners(curve) == [[(0, 0), (28_800, 144), (64_800, 504), (86_400, 612)]]
