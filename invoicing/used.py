"""Usage that is attributed to lines: the frames between reading it and rating it.

`period_start` is the start of the span that a line is billed for, so that usage of two spans of one
period is kept apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import polars as pl

from rating.frames import GROUPED_EVENTS, INSTANT_DTYPE, PERIOD_KEY, QUANTITY_DTYPE

SUBJECT_USAGE: Final = pl.Schema(
    {
        "subscription_id": pl.String(),
        "period_start": INSTANT_DTYPE,
        "meter_id": pl.String(),
        "subject": pl.String(),
        "quantity": QUANTITY_DTYPE,
        "event_count": pl.Int64(),
        "unmeterable_count": pl.Int64(),
    }
)
"""Usage by meter and subject."""

GROUPED_SUBJECT_USAGE: Final = pl.Schema(
    {**SUBJECT_USAGE, "group_by": pl.String(), "group": pl.String()}
)
"""The same, apart by groups: see `rating.frames.GROUPED_USAGE`."""

COUNTS: Final = ("event_count", "unmeterable_count")
SUBJECT_KEY: Final = (*PERIOD_KEY, "meter_id", "subject")


@dataclass(frozen=True, slots=True)
class Used:
    """What was used in the due periods of a block, as their prices read it."""

    plain: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SUBJECT_USAGE))
    grouped: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema=GROUPED_SUBJECT_USAGE)
    )
    events: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=GROUPED_EVENTS))
