"""The plain loop over `Decimal` that rating is measured beside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal


def plain_graduated(
    quantities: Iterable[Decimal], tiers: Sequence[Mapping[str, str]]
) -> Iterator[Decimal]:
    """The exact amount of each quantity, tier by tier; in a context of enough digits."""
    read = [
        (
            Decimal(tier["up_to"]) if "up_to" in tier else None,
            Decimal(tier["unit_amount"]),
            Decimal(tier.get("flat_amount", "0")),
        )
        for tier in tiers
    ]
    for quantity in quantities:
        amount = lower = Decimal(0)
        for up_to, unit_amount, flat_amount in read:
            upper = quantity if up_to is None else min(quantity, up_to)
            amount += (upper - lower) * unit_amount + flat_amount
            if up_to is None or quantity <= up_to:
                break
            lower = up_to
        yield amount
