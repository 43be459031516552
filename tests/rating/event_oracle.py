"""Prices over single events once more with `Fraction`, an event at a time: imports no `rating`.

Each rule walks the events in order and says what each costs; it never looks ahead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

Parameters = Mapping[str, Any]
zero = Fraction(0)


def percentage(values: Sequence[Fraction], parameters: Parameters) -> list[Fraction]:
    rate = Fraction(parameters["rate"]) / 100 * Fraction(parameters.get("unit_amount", 1))
    fixed = Fraction(parameters.get("fixed", 0))
    least, most = parameters.get("minimum"), parameters.get("maximum")
    free_events, free_amount = parameters.get("free_events"), parameters.get("free_amount")
    has_free = free_events is not None or free_amount is not None
    count, total, brought = 0, zero, zero
    costs = []
    for value in values:
        before, total = total, total + value
        count += value >= 0
        among_free = has_free and (free_events is None or count <= free_events)
        brought += max(value, zero) if among_free else zero
        limit = brought if free_amount is None else min(brought, Fraction(free_amount))
        below = Fraction(free_amount or 0)

        def paid(so_far: Fraction, limit: Fraction = limit, below: Fraction = below) -> Fraction:
            return max(so_far - limit, zero) - max(-so_far - below, zero)

        part = paid(total) - paid(before)
        within = free_amount is None or total <= Fraction(free_amount)
        cost = part * rate
        if value < 0 or (among_free and within):
            # No fixed amount, no minimum; of a free event, only what takes back a credit.
            costs.append(cost if most is None else clamp(cost, -Fraction(most), Fraction(most)))
            continue
        cost = max(cost + fixed, Fraction(least or 0))
        costs.append(cost if most is None else min(cost, Fraction(most)))
    return costs


def clamp(amount: Fraction, least: Fraction, most: Fraction) -> Fraction:
    return max(least, min(amount, most))


def basis_points(values: Sequence[Fraction], parameters: Parameters) -> list[Fraction]:
    """By part, or by total: that one knows all events."""
    tiers = parameters.get("tiers") or [parameters]
    if parameters.get("by") == "total":
        size = abs(sum(values, zero))
        return [_within_cap(value, _reached(tiers, size)) for value in values]
    total = zero
    costs = []
    for value in values:
        before, total = total, total + value
        cost = zero
        for side in (1, -1):
            low, high = sorted((max(side * before, zero), max(side * total, zero)))
            lower = zero
            for tier in tiers:
                upper = high if tier.get("up_to") is None else Fraction(tier["up_to"])
                part = max(min(high, upper) - max(low, lower), zero)
                cost += _within_cap(part if value >= 0 else -part, tier)
                lower = max(lower, upper)
        costs.append(cost)
    return costs


def _reached(tiers: Sequence[Parameters], size: Fraction) -> Parameters:
    for tier in tiers:
        if tier.get("up_to") is None or size <= Fraction(tier["up_to"]):
            return tier
    raise AssertionError("the last tier is open")


def _within_cap(value: Fraction, tier: Parameters) -> Fraction:
    amount = value * Fraction(tier["bps"]) / 10_000
    cap = tier.get("cap")
    return amount if cap is None else clamp(amount, -Fraction(cap), Fraction(cap))


def dynamic(
    events: Sequence[tuple[Fraction, Fraction | None]], parameters: Parameters
) -> list[Fraction]:
    multiplier = Fraction(parameters.get("multiplier", 1))
    return [
        value * Fraction(parameters["default"]) if amount is None else amount * multiplier
        for value, amount in events
    ]
