"""The parameters of a commitment, checked, as columns.

| field | takes |
|---|---|
| `pay` | `prepaid`: the committed due as a term begins; `postpaid`: what was not used, as it ends |
| `of` | `amount`, of lines in currency units, or `quantity`, of units |
| `committed` | how much for a whole term |
| `phases` | instead: a list of `from`, an instant, and `committed` for terms from then on |
| `unit_amount` | currency units for a unit of a `quantity` |
| `overage` | `surcharge`, percent on top for what is over; or its own `unit_amount` |
| `roll_over` | `percent` of what is unused that the next term has on top, `cap` of it |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import polars as pl

from core.money import MINOR_LIMIT
from rating.agreements.base import UNITS_LIMIT, Agreement, written_frame
from rating.errors import PriceParameterError
from rating.exact import LIMB, limbs_of
from rating.frames import INSTANT_DTYPE
from rating.prices.reading import PRICE_LIMIT, Fields

PHASES_MAX: Final = 1_000
SURCHARGE_LIMIT: Final = 1_000
"""Surcharges stay below, in percent."""

_HUNDRED: Final = 100 * LIMB
_ALWAYS: Final = datetime(1, 1, 1, tzinfo=UTC)

READ: Final = pl.Schema(
    {
        "prepaid": pl.Boolean(),
        "of_amount": pl.Boolean(),
        "grain": pl.Int128(),  # what all that is counted is a multiple of, in units of 10^-12
        "rate": pl.Int128(),  # currency units for one, in units of 10^-12
        "over_rate_0": pl.Int128(),  # the same for one over the commitment, as limbs
        "over_rate_1": pl.Int128(),
        "over_rate_2": pl.Int128(),
        "surcharge": pl.Int128(),  # percent, in units of 10^-12; null where over has its own price
        "rolls": pl.Boolean(),
        "roll_percent": pl.Int128(),  # 0 where nothing rolls
        "roll_cap": pl.Int128(),  # null where there is none
    }
)
PHASES: Final = pl.Schema(
    {"agreement_id": pl.String(), "from": INSTANT_DTYPE, "whole": pl.Int128()}
)
"""What is committed for a whole term that begins at `from` or later."""


@dataclass(frozen=True, slots=True)
class CommitmentBook:
    """Checked commitments: `base.WRITTEN` and `READ`, and their `PHASES`."""

    written: pl.DataFrame
    phases: pl.DataFrame

    @classmethod
    def of(cls, agreements: Sequence[Agreement]) -> CommitmentBook:
        """Read all parameters. Raises `PriceParameterError` naming the path and the fix."""
        rows: list[tuple[object, ...]] = []
        phases: list[tuple[object, ...]] = []
        for each in agreements:
            fields, digits = each.fields, each.currency.minor_digits
            prepaid = fields.choice("pay", ("prepaid", "postpaid")) == "prepaid"
            of_amount = fields.choice("of", ("amount", "quantity")) == "amount"
            grain = 10 ** (12 - digits) if of_amount else 1
            said = _phases(fields, grain)
            phases += [(each.agreement_id, start, whole) for start, whole in said]
            rates = _rates(fields, of_amount=of_amount)
            rows.append((prepaid, of_amount, grain, *rates, *_roll_over(fields, grain)))
            fields.done()
        dated = pl.DataFrame(phases, schema=PHASES, orient="row")
        return cls(written_frame(agreements, rows, READ), dated.sort("agreement_id", "from"))


def _counted(fields: Fields, name: str, grain: int) -> int:
    """A quantity, or whole minor units of an amount, in units of 10^-12."""
    if grain == 1:
        return fields.units(name, fields.decimal(name), UNITS_LIMIT)
    counted = fields.amount(name)
    if counted % grain:
        raise PriceParameterError(
            fields.path(name), "has more decimals than the currency; leave them out"
        )
    if counted // grain >= MINOR_LIMIT:
        raise PriceParameterError(fields.path(name), "must be below 10^18 minor units")
    return counted


def _phases(fields: Fields, grain: int) -> list[tuple[datetime, int]]:
    if not fields.has("phases"):
        return [(_ALWAYS, _counted(fields, "committed", grain))]
    if fields.has("committed"):
        raise PriceParameterError(fields.path("committed"), "is for no phases; leave one of both")
    phases: list[tuple[datetime, int]] = []
    for each in fields.tables("phases", PHASES_MAX):
        start = each.instant("from")
        if phases and start <= phases[-1][0]:
            raise PriceParameterError(each.path("from"), "must be later than the one before")
        phases.append((start, _counted(each, "committed", grain)))
        each.done()
    return phases


def _rates(fields: Fields, *, of_amount: bool) -> tuple[int | None, ...]:
    if of_amount and fields.has("unit_amount"):
        raise PriceParameterError(
            fields.path("unit_amount"), "is for a quantity; an amount has its lines"
        )
    rate = LIMB if of_amount else fields.amount("unit_amount")
    overage = fields.table("overage")
    if not of_amount and overage.has("unit_amount"):
        over, surcharge = overage.amount("unit_amount") * LIMB, None
    else:
        surcharge = (
            _percent(overage, "surcharge", SURCHARGE_LIMIT) if overage.has("surcharge") else 0
        )
        over = rate * (_HUNDRED + surcharge) // 100
        if over >= PRICE_LIMIT * LIMB * LIMB:
            raise PriceParameterError(
                overage.path("surcharge"), "brings the unit amount to 10^15; lower one of both"
            )
    overage.done()
    return rate, *limbs_of(over, 2), surcharge


def _roll_over(fields: Fields, grain: int) -> tuple[bool, int, int | None]:
    if not fields.has("roll_over"):
        return False, 0, None
    inner = fields.table("roll_over")
    percent = _percent(inner, "percent", 101)
    if percent > _HUNDRED:
        raise PriceParameterError(inner.path("percent"), "must be at most 100")
    cap = _counted(inner, "cap", grain) if inner.has("cap") else None
    inner.done()
    return True, percent, cap


def _percent(fields: Fields, name: str, limit: int) -> int:
    """Percent of at most 10 decimals, in units of 10^-12."""
    percent = fields.units(name, fields.decimal(name), limit)
    if percent % 100:
        raise PriceParameterError(fields.path(name), "has more than 10 decimals; leave them out")
    return percent
