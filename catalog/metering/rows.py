"""What a usage row is: the columns of `total` and `merge`, stored as `meter_usage`."""

from __future__ import annotations

from typing import Final

import polars as pl

QUANTITY: Final = pl.Decimal(38, 12)
INSTANT: Final = pl.Datetime("us", "UTC")

_TYPES: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "tenant_id": pl.String,
    "meter_id": pl.String,
    "subject": pl.String,
    "dimensions": pl.String,
    "hour": INSTANT,
    "event_count": pl.UInt64,
    "voided_count": pl.UInt64,
    "unmeterable_count": pl.Int64,
    "missing_count": pl.Int64,
    "not_a_number_count": pl.Int64,
    "too_large_count": pl.Int64,
    "too_precise_count": pl.Int64,
    "too_long_count": pl.Int64,
    "sum": QUANTITY,
    "min": QUANTITY,
    "max": QUANTITY,
    "latest": QUANTITY,
    "latest_time": INSTANT,
    "latest_position": pl.String,
    "distinct_values": pl.List(pl.String),
}
USAGE_SCHEMA: Final = pl.Schema(_TYPES)
"""The first five are the key, the next eight are counts.

`event_count` counts the events that the meter could read, `voided_count` the voids of such events.
What it could not read is in `unmeterable_count`, net of voids, and again by reason. `sum` is net of
voids (0 where the aggregation needs none); min, max, latest and distinct values are over events
alone, null, '' or [] where there are none or the aggregation does not need them. `latest_position`
is the log position in hexadecimal: generation (4 digits), partition (4), offset (16), row (8); such
texts compare like the positions.
"""

USAGE_COLUMNS: Final = tuple(USAGE_SCHEMA)
KEY_COLUMNS: Final = USAGE_COLUMNS[:5]
COUNT_COLUMNS: Final = USAGE_COLUMNS[5:13]
REASON_COLUMNS: Final = USAGE_COLUMNS[8:13]
