"""Percent of lines: a percentage of what other lines of the same subscription and period bill.

Parameters: `percent` = "3", below 10,000, at most 10 decimals; `lines` = ["compute", "storage-*"],
the keys of those lines, or their beginnings with a star. `rating.waves` says what they bill.
3 % support on lines of 3,000 and 1,000 → 120. A least and a most stand around the price, as for any
other: `minimum` = "100", `maximum` = "10000".
"""

from __future__ import annotations

from typing import ClassVar, Final

from rating.errors import PriceParameterError
from rating.prices.base import PriceModel, Terms
from rating.prices.reading import Fields
from rating.tiers import OPEN, Run, Tier

PERCENT_LIMIT: Final = 10**4
LINES_MAX: Final = 1_000
_HUNDRED: Final = 100


class PercentOfLinesPrice(PriceModel):
    """A percentage of chosen other lines."""

    name: ClassVar[str] = "percent_of_lines"
    metered: ClassVar[bool] = False
    of_lines: ClassVar[bool] = True
    one_unit: ClassVar[bool] = False
    curve_over: ClassVar[str] = "sum of the chosen lines"

    def read(self, fields: Fields) -> Terms:
        """`percent` and `lines`."""
        percent = fields.units("percent", fields.decimal("percent"), PERCENT_LIMIT)
        if percent % _HUNDRED:
            raise PriceParameterError("percent", "has more than 10 decimals; leave them out")
        lines = fields.names("lines", LINES_MAX)
        for line in lines:
            if not line or "*" in line[:-1]:
                raise PriceParameterError(
                    "lines",
                    f'{line!r}: write a whole key, or its beginning and a star: "storage-*"',
                )
        return Terms((Run((Tier(1, OPEN, unit_amount=percent // _HUNDRED),)),), lines=lines)
