"""What stands on a price besides its model: the table `adjustments`, checked, as columns.

| field | takes |
|---|---|
| `unit_conversion` | `per` units of the meter in one that is sold, `round`, `decimals` (0) |
| `free_units_per_group` | units that each group of usage has free |
| `free_units` | units that the line has free, shared by its groups |
| `usage_discount` | units off what is left then |
| `percent_discount` | percent of the amount, 0 to 100, at most 10 decimals |
| `amount_discount` | currency units off the amount, not below zero |
| `maximum` | currency units that the amount stays within |
| `minimum` | currency units that the line is brought up to, by a true-up |

What each does, in which order, is `rating/steps/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Final

import polars as pl

from rating.errors import PriceParameterError
from rating.exact import LIMB
from rating.prices.base import PriceModel
from rating.prices.reading import Fields
from rating.rounding import ROUNDING_MODES

UNIT_FIELDS: Final = ("unit_conversion", "free_units_per_group", "free_units", "usage_discount")
"""Those that change a quantity before it is priced."""

AROUND: Final = pl.Schema(
    {
        "unit_conversion": pl.Int128(),
        "unit_conversion_step": pl.Int128(),  # what 10^-decimals of a sold unit is in the meter's
        "unit_conversion_scale": pl.Int128(),  # 10^-decimals
        "unit_conversion_round": pl.String(),
        "free_units_per_group": pl.Int128(),
        "free_units": pl.Int128(),
        "usage_discount": pl.Int128(),
        "percent_discount": pl.Int128(),
        "amount_discount": pl.Int128(),
        "maximum": pl.Int128(),
        "minimum": pl.Int128(),
    }
)
"""One row per price; numbers in units of 10^-12, null where the price does not say it."""

FREE_LIMIT: Final = 10**15
"""Free units and sizes of sold units stay below: a running sum of them wraps nowhere."""

_PERCENT_LIMIT: Final = 101
_HUNDRED: Final = 100 * LIMB
_DECIMALS: Final = tuple(range(13))


@dataclass(frozen=True, slots=True)
class Around:
    """The adjustments of one price: the columns of `AROUND`."""

    unit_conversion: int | None = None
    unit_conversion_step: int | None = None
    unit_conversion_scale: int | None = None
    unit_conversion_round: str | None = None
    free_units_per_group: int | None = None
    free_units: int | None = None
    usage_discount: int | None = None
    percent_discount: int | None = None
    amount_discount: int | None = None
    maximum: int | None = None
    minimum: int | None = None

    @property
    def keeps_amount(self) -> bool:
        """Whether a line comes to what the model makes of its quantity."""
        return self.percent_discount is self.amount_discount is self.maximum is None


def read_around(adjustments: Mapping[str, Any], model: PriceModel) -> Around:
    """Check adjustments as written. Raises `PriceParameterError` naming the path and the fix."""
    fields = Fields(adjustments, "adjustments")
    for name in UNIT_FIELDS:
        if fields.has(name) and not model.one_unit:
            raise PriceParameterError(
                fields.path(name), f"{model.name} prices no quantity of one unit; leave it out"
            )
    per, step, scale, rounding = _conversion(fields)
    around = Around(
        unit_conversion=per,
        unit_conversion_step=step,
        unit_conversion_scale=scale,
        unit_conversion_round=rounding,
        free_units_per_group=_units(fields, "free_units_per_group"),
        free_units=_units(fields, "free_units"),
        usage_discount=_units(fields, "usage_discount"),
        percent_discount=_percent(fields),
        amount_discount=_amount(fields, "amount_discount"),
        maximum=_amount(fields, "maximum"),
        minimum=_amount(fields, "minimum"),
    )
    fields.done()
    if None not in (around.minimum, around.maximum) and around.minimum > around.maximum:  # type: ignore[operator]  # neither is None
        raise PriceParameterError(
            fields.path("minimum"), "is above the maximum; lower it, or raise the maximum"
        )
    return around


def around_frame(written: Sequence[Around]) -> pl.DataFrame:
    """`AROUND`, in the order given."""
    return pl.DataFrame([astuple(each) for each in written], schema=AROUND, orient="row")


def _conversion(fields: Fields) -> tuple[int | None, int | None, int | None, str | None]:
    if not fields.has("unit_conversion"):
        return None, None, None, None
    inner = fields.table("unit_conversion")
    per = inner.units("per", inner.decimal("per"), FREE_LIMIT)
    if not per:
        raise PriceParameterError(inner.path("per"), "must be above zero")
    rounding = inner.choice("round", ROUNDING_MODES)
    decimals = inner.integer("decimals", _DECIMALS, 0)
    inner.done()
    step, rest = divmod(per, 10**decimals)
    if rest:
        raise PriceParameterError(
            inner.path("decimals"), "more than 12 together with those of `per`; take fewer"
        )
    return per, step, 10 ** (12 - decimals), rounding


def _units(fields: Fields, name: str) -> int | None:
    return fields.units(name, fields.decimal(name), FREE_LIMIT) if fields.has(name) else None


def _amount(fields: Fields, name: str) -> int | None:
    return fields.amount(name) if fields.has(name) else None


def _percent(fields: Fields) -> int | None:
    name = "percent_discount"
    if not fields.has(name):
        return None
    percent = fields.units(name, fields.decimal(name), _PERCENT_LIMIT)
    if percent > _HUNDRED:
        raise PriceParameterError(fields.path(name), "must be at most 100")
    if percent % 100:
        raise PriceParameterError(fields.path(name), "has more than 10 decimals; leave them out")
    return percent
