"""What stands around a price once more with `Fraction`, one line at a time: imports no `rating`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tests.rating.oracle import minor_units, round_fraction

Adjustments = Mapping[str, Any]


@dataclass(frozen=True)
class Expected:
    """A line: its exact amount before the rounding, the rounded one, and the true-up."""

    exact: Fraction
    minor: int
    true_up: int
    changes: dict[str, Fraction]
    """What each adjustment of an amount changed; the true-up in currency units."""


SHARED = ("free_units_per_group", "free_units", "amount_discount", "maximum", "minimum")


def for_share(adjustments: Adjustments, share: Fraction) -> dict[str, Any]:
    """What is said for a whole period, for a share of it."""
    return {
        name: Fraction(said) * share if name in SHARED else said
        for name, said in adjustments.items()
    }


def flats_for_share(parameters: Mapping[str, Any], share: Fraction) -> dict[str, Any]:
    """The parameters of a model with flat parts for a share of a period."""
    if "tiers" not in parameters:
        return dict(parameters)
    tiers = [
        {**tier, "flat_amount": Fraction(tier.get("flat_amount", 0)) * share}
        for tier in parameters["tiers"]
    ]
    return {**parameters, "tiers": tiers}


def priced(used: Mapping[str, Fraction], adjustments: Adjustments) -> dict[str, Fraction]:
    """From what each group used to what the model prices, toward zero."""
    sizes = {group: abs(used[group]) for group in sorted(used)}
    if "unit_conversion" in adjustments:
        sizes = {
            group: converted(size, adjustments["unit_conversion"], negative=used[group] < 0)
            for group, size in sizes.items()
        }
    own = Fraction(adjustments.get("free_units_per_group", 0))
    sizes = {group: max(size - own, zero) for group, size in sizes.items()}
    for name in ("free_units", "usage_discount"):
        left = Fraction(adjustments.get(name, 0))
        for group, size in sizes.items():
            sizes[group] = max(size - left, zero)
            left = max(left - size, zero)
    return {group: size if used[group] >= 0 else -size for group, size in sizes.items()}


def converted(size: Fraction, conversion: Mapping[str, Any], *, negative: bool) -> Fraction:
    mode = conversion["round"]
    if mode == "up" and negative:
        mode = "down"
    fine = 10 ** conversion.get("decimals", 0)
    return Fraction(round_fraction(size / Fraction(conversion["per"]) * fine, mode), fine)


def line(
    used: Fraction,
    amount: Fraction,
    adjustments: Adjustments,
    minor_digits: int,
    mode: str,
) -> Expected:
    """From a model's `amount` of what was `used` to the line."""
    changes: dict[str, Fraction] = {}

    def apply(name: str, rule: Callable[[Fraction, Fraction], Fraction]) -> None:
        nonlocal amount
        if name in adjustments:
            changed = rule(amount, Fraction(adjustments[name]))
            changes[name] = changed - amount
            amount = changed

    apply("percent_discount", lambda amount, percent: amount * (100 - percent) / 100)
    apply("amount_discount", lambda amount, off: amount if amount < 0 else max(amount - off, zero))
    apply("maximum", lambda amount, most: max(min(amount, most), -most))
    minor = minor_units(amount, minor_digits, mode)
    true_up = 0
    if "minimum" in adjustments:
        least = minor_units(Fraction(adjustments["minimum"]), minor_digits, mode)
        true_up = max(0, least - minor) if used >= 0 else 0
        changes["minimum"] = Fraction(true_up, 10**minor_digits)
    return Expected(amount, minor, true_up, changes)


zero = Fraction(0)
