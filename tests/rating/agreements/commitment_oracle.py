"""Commitments once more with `Fraction`, stretch by stretch: imports nothing of `rating`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from tests.rating.oracle import minor_units, round_fraction

ZERO = Fraction(0)


class Stretch(NamedTuple):
    """What was used in a part of term number `term`, which `ends` with it or not."""

    term: int
    ends: bool
    used: Fraction


@dataclass(frozen=True)
class Due:
    """What a stretch comes to."""

    committed: Fraction
    rolled_in: Fraction
    drawn_rolled_in: Fraction
    drawn: Fraction
    over: Fraction
    unused: Fraction
    rolled_over: Fraction
    lapsed: Fraction
    fee: int
    usage: int
    overage: int
    true_up: int


def rate(
    said: Mapping[str, Any],
    stretches: Sequence[Stretch],
    share: tuple[int, int, int],
    digits: int,
    mode: str,
) -> list[Due]:
    """Every stretch of a commitment without phases; each term has the same share."""
    of_amount = said["of"] == "amount"
    fine = 10**digits if of_amount else 10**12
    rate_ = Fraction(1) if of_amount else Fraction(said["unit_amount"])
    overage = said.get("overage", {})
    over_rate = rate_ * (100 + Fraction(overage.get("surcharge", 0))) / 100
    over_rate = Fraction(overage.get("unit_amount", over_rate))

    def rounded(value: Fraction) -> Fraction:
        return Fraction(round_fraction(value * fine, mode), fine)

    before, after, of = share
    whole = Fraction(said["committed"])
    committed = rounded(whole * after / of) - rounded(whole * before / of)
    rolled_in = next_rolled = ZERO
    total, billed = ZERO, (0, 0)
    term = None
    found = []
    for each in stretches:
        begins = each.term != term
        if begins:
            term, rolled_in, total, billed = each.term, next_rolled, ZERO, (0, 0)
        then, total = total, total + each.used
        was, now = (_drain(size, rolled_in, committed) for size in (then, total))
        usage = minor_units(now[1] * rate_, digits, mode) if said["pay"] == "postpaid" else 0
        over = minor_units(now[2] * over_rate, digits, mode)
        worth = minor_units(committed * rate_, digits, mode)
        unused = committed - now[1] if each.ends else ZERO
        rolls = ZERO
        if "roll_over" in said and each.ends:
            rolls = rounded(unused * Fraction(said["roll_over"]["percent"]) / 100)
            rolls = min(rolls, Fraction(said["roll_over"].get("cap", rolls)))
        next_rolled = rolls
        lapsed = unused - rolls + rolled_in - now[0] if each.ends else ZERO
        found.append(
            Due(
                committed,
                rolled_in,
                now[0] - was[0],
                now[1] - was[1],
                now[2] - was[2],
                unused,
                rolls,
                lapsed,
                worth if said["pay"] == "prepaid" and begins else 0,
                usage - billed[0],
                over - billed[1],
                worth - usage if said["pay"] == "postpaid" and each.ends else 0,
            )
        )
        billed = usage, over
    return found


def _drain(
    size: Fraction, rolled_in: Fraction, own: Fraction
) -> tuple[Fraction, Fraction, Fraction]:
    left = max(size, ZERO)
    first = min(left, rolled_in)
    second = min(left - first, own)
    return first, second, left - first - second
