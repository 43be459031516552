"""What a bill changes by, against what was billed: never against what would be billed now.

| case | amount |
|---|---|
| more usage, late usage, another price | round(new total) - what was billed |
| a share is given back | round(billed x share given back so far) - what was given back before |

Both are telescopes: whatever the number of steps, their sum is the rounded total, and giving back
all of it leaves nothing. Coupons and tax of a line are billed amounts of their own and go the same
way, so that a credit mirrors them, too.
"""

from __future__ import annotations

from fractions import Fraction

from core.errors import ValidationError
from rating.rounding import DEFAULT_ROUNDING_MODE, RoundingMode, round_ratio


def delta_minor(
    total_minor: Fraction, billed_minor: int, mode: RoundingMode = DEFAULT_ROUNDING_MODE
) -> int:
    """What to bill now, in minor units, when `total_minor` (exact) is the new total so far.

    Negative where the total fell. 333 units at 0.001, then 666: 0.33, then 0.34.
    """
    return round_ratio(total_minor, mode) - billed_minor


def credit_minor(
    billed_minor: int,
    returned_share: Fraction,
    credited_minor: int = 0,
    mode: RoundingMode = DEFAULT_ROUNDING_MODE,
) -> int:
    """What to give back now of an amount that was billed, in minor units and with its sign.

    `returned_share` is the share given back so far, this time included; `credited_minor` is what
    was given back before. 10.00 in thirds: 3.33, 3.34, 3.33. Raises `ValidationError` for a share
    outside 0 to 1.
    """
    if not 0 <= returned_share <= 1:
        raise ValidationError(
            f"share: {returned_share} of the line would be given back; give 0 to 1, earlier credits"
            " included",
            field="share",
        )
    return round_ratio(billed_minor * returned_share, mode) - credited_minor
