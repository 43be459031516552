"""What is wrong with the tiers of a price although each is well written: exact, not sampled.

| kind | found |
|---|---|
| `gap` | quantities that no tier prices |
| `overlap` | quantities that two tiers price |
| `unreachable` | a tier that no quantity reaches |
| `cliff` | a quantity from which more usage costs less |

Amounts rise within a tier, so costs can only fall where one tier ends and the next begins: there
the amounts of two neighbouring quantities, 10^-12 apart, are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Final, Literal

QUANTITY_STEP: Final = Fraction(1, 10**12)
"""Quantities have 12 decimals."""

Kind = Literal["gap", "overlap", "unreachable", "cliff"]


@dataclass(frozen=True, slots=True)
class TierTerms:
    """One tier as written: the quantities above `above` up to `up_to`, which belongs to it.

    Without `above` it begins where the tier before ends. With `size`, `unit_amount` is the price of
    a package of so many units, begun ones included.
    """

    up_to: Decimal | None
    unit_amount: Decimal = Decimal()
    flat_amount: Decimal = Decimal()
    size: Decimal | None = None
    above: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, and what to do about it."""

    kind: Kind
    path: str
    message: str


@dataclass(frozen=True, slots=True)
class _Reached:
    """A tier that some quantity reaches, and where it begins."""

    path: str
    lower: Fraction
    terms: TierTerms

    def amount(self, quantity: Fraction) -> Fraction:
        """What a quantity of this tier costs if all of it has the tier's price."""
        size = self.terms.size
        units = quantity if size is None else Fraction(ceil(quantity / Fraction(size)))
        return units * Fraction(self.terms.unit_amount) + Fraction(self.terms.flat_amount)

    def first_at_least(self, amount: Fraction) -> Fraction | None:
        """The least quantity of this tier that costs so much; None if none does."""
        first = self.lower + QUANTITY_STEP
        if self.amount(first) >= amount:
            return first
        price = Fraction(self.terms.unit_amount)
        if not price:
            return None
        units = (amount - Fraction(self.terms.flat_amount)) / price
        if self.terms.size is not None:
            units = (ceil(units) - 1) * Fraction(self.terms.size) + QUANTITY_STEP
        quantity = ceil(units / QUANTITY_STEP) * QUANTITY_STEP
        bound = self.terms.up_to
        return quantity if bound is None or quantity <= bound else None


def lint_tiers(
    tiers: Sequence[TierTerms], *, whole_quantity: bool, path: str = "tiers"
) -> list[Finding]:
    """All findings, in the order of the tiers.

    `whole_quantity`: the tier that is reached prices all of the quantity (volume, stairstep);
    otherwise each tier prices what lies within it, and more usage can never cost less.
    """
    findings: list[Finding] = []
    reached: list[_Reached] = []
    lower: Decimal | None = Decimal()
    for number, tier in enumerate(tiers):
        here = f"{path}[{number}]"
        if lower is None:
            message = "the tier before is open, so that no quantity is left; remove one of them"
            findings.append(Finding("unreachable", here, message))
            continue
        if tier.above is not None and tier.above != lower:
            findings.append(_misplaced(here, tier.above, lower))
        if tier.up_to is not None and tier.up_to <= lower:
            message = f"ends at {tier.up_to:f}, where it begins or before ({lower:f}); remove it"
            findings.append(Finding("unreachable", f"{here}.up_to", message))
            continue
        reached.append(_Reached(here, Fraction(lower), tier))
        lower = tier.up_to
    if lower is not None:
        message = f"quantities above {lower:f} have no price; leave out up_to of the last tier"
        findings.append(Finding("gap", path, message))
    if whole_quantity:
        findings += _cliffs(reached)
    return findings


def _misplaced(path: str, above: Decimal, lower: Decimal) -> Finding:
    fix = f'write above = "{lower:f}", or leave it out'
    if above > lower:
        message = f"quantities above {lower:f} up to {above:f} have no price; {fix}"
        return Finding("gap", f"{path}.above", message)
    message = f"quantities above {above:f} up to {lower:f} are in the tier before, too; {fix}"
    return Finding("overlap", f"{path}.above", message)


def _cliffs(reached: Sequence[_Reached]) -> Iterator[Finding]:
    for position, after in enumerate(reached[1:], start=1):
        before = reached[position - 1]
        at_bound = before.amount(after.lower)
        beyond = after.amount(after.lower + QUANTITY_STEP)
        if beyond >= at_bound:
            continue
        same_again = (each.first_at_least(at_bound) for each in reached[position:])
        until = next((each for each in same_again if each is not None), None)
        yield Finding(
            "cliff",
            after.path,
            f"{_text(after.lower)} costs {_text(at_bound)}, the least bit more {_text(beyond)};"
            f" {_range(after.lower, until)}",
        )


def _range(bound: Fraction, until: Fraction | None) -> str:
    if until is None:
        return "no larger quantity costs as much again"
    whole = "" if floor(bound) + 1 < until else " (no whole quantity lies between)"
    return f"it costs as much again from {_text(until)}{whole}"


def _text(value: Fraction) -> str:
    """The exact decimal: all that is shown here has an end."""
    digits = 0
    while (value * 10**digits).denominator != 1:
        digits += 1
    return f"{Decimal((value * 10**digits).numerator).scaleb(-digits):f}"
