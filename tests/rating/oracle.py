"""Rating once more with `Fraction`, one line at a time: imports nothing of `rating`.

An amount of a model takes a quantity and the parameters as written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Any

Parameters = Mapping[str, Any]


def round_fraction(value: Fraction, mode: str) -> int:
    size = abs(value)
    below = floor(size)
    rest = size - below
    if mode == "half_away_from_zero":
        rounded = below + (rest >= Fraction(1, 2))
    elif mode == "half_even":
        rounded = round(size)
    elif mode == "up":
        rounded = ceil(size)
    else:
        assert mode == "down"
        rounded = below
    return rounded if value >= 0 else -rounded


def minor_units(value: Fraction, minor_digits: int, mode: str) -> int:
    return round_fraction(value * 10**minor_digits, mode)


def number(table: Parameters, field: str) -> Fraction:
    return Fraction(table.get(field) or 0)


def tier_of(tiers: Sequence[Parameters], size: Fraction) -> Parameters:
    for tier in tiers:
        if tier.get("up_to") is None or size <= Fraction(tier["up_to"]):
            return tier
    raise AssertionError("the last tier is open")


def packages(units: Fraction, size: Fraction, *, up: bool) -> int:
    return ceil(units / size) if up else floor(units / size)


def flat(quantity: Fraction, parameters: Parameters) -> Fraction:
    del quantity
    return number(parameters, "amount")


def per_unit(quantity: Fraction, parameters: Parameters) -> Fraction:
    return quantity * number(parameters, "amount") / Fraction(parameters.get("per", "1"))


def package(quantity: Fraction, parameters: Parameters) -> Fraction:
    paid = max(Fraction(0), abs(quantity) - number(parameters, "free"))
    up = parameters.get("round", "up") == "up" and quantity >= 0
    amount = packages(paid, number(parameters, "size"), up=up) * number(parameters, "amount")
    return amount if quantity >= 0 else -amount


def graduated(quantity: Fraction, parameters: Parameters) -> Fraction:
    return _tier_by_tier(quantity, parameters["tiers"], _units)


def graduated_package(quantity: Fraction, parameters: Parameters) -> Fraction:
    return _tier_by_tier(quantity, parameters["tiers"], _packages)


def graduated_percentage(quantity: Fraction, parameters: Parameters) -> Fraction:
    tiers = [{**tier, "unit_amount": number(tier, "rate") / 100} for tier in parameters["tiers"]]
    return _tier_by_tier(quantity, tiers, _units)


def cost_plus(quantity: Fraction, parameters: Parameters) -> Fraction:
    return quantity + quantity * number(parameters, "margin") / 100


def volume(quantity: Fraction, parameters: Parameters) -> Fraction:
    return _whole(quantity, parameters["tiers"], _units)


def volume_package(quantity: Fraction, parameters: Parameters) -> Fraction:
    return _whole(quantity, parameters["tiers"], _packages)


def stairstep(quantity: Fraction, parameters: Parameters) -> Fraction:
    tier = tier_of(parameters["tiers"], abs(quantity))
    return number(tier, "flat_amount") if quantity >= 0 else Fraction(0)


def threshold_total(quantity: Fraction, parameters: Parameters) -> Fraction:
    total = Fraction(0)
    for threshold in parameters["thresholds"]:
        if quantity >= 0 and quantity >= Fraction(threshold["from"]):
            total = Fraction(threshold["amount"])
    return total


def matrix_cell(quantity: Fraction, parameters: Parameters, group: str) -> Fraction | None:
    values = dict(zip(sorted(parameters["dimensions"]), json.loads(group), strict=True))
    for cell in parameters["cells"]:
        if cell["values"] == values:
            return quantity * Fraction(cell["unit_amount"])
    default = parameters.get("default")
    return None if default is None else quantity * Fraction(default)


def capacity(peaks: Mapping[str, Fraction], parameters: Parameters) -> Fraction:
    highest = 0
    for unit, peak in peaks.items():
        for index, tier in enumerate(parameters["tiers"]):
            if "limits" not in tier or peak <= Fraction(tier["limits"][unit]):
                highest = max(highest, index)
                break
    return Fraction(parameters["tiers"][highest]["flat_amount"])


def percent_of_lines(quantity: Fraction, parameters: Parameters) -> Fraction:
    return quantity * number(parameters, "percent") / 100


Counting = Callable[[Fraction, Parameters, bool], Fraction | int]


def _units(units: Fraction, tier: Parameters, up: bool) -> Fraction:
    del tier, up
    return units


def _packages(units: Fraction, tier: Parameters, up: bool) -> int:
    return packages(units, Fraction(tier["size"]), up=up)


def _tier_by_tier(quantity: Fraction, tiers: Sequence[Parameters], count: Counting) -> Fraction:
    size, mirrored = abs(quantity), quantity < 0
    amount, lower = Fraction(0), Fraction(0)
    for index, tier in enumerate(tiers):
        if index and size <= lower:
            break
        upper = size if tier.get("up_to") is None else min(size, Fraction(tier["up_to"]))
        amount += count(upper - lower, tier, not mirrored) * number(tier, "unit_amount")
        if not mirrored:
            amount += number(tier, "flat_amount")
        lower = upper if tier.get("up_to") is None else Fraction(tier["up_to"])
    return -amount if mirrored else amount


def _whole(quantity: Fraction, tiers: Sequence[Parameters], count: Counting) -> Fraction:
    tier = tier_of(tiers, abs(quantity))
    amount = count(abs(quantity), tier, quantity >= 0) * number(tier, "unit_amount")
    return amount + number(tier, "flat_amount") if quantity >= 0 else -amount
