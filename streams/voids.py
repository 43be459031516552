"""Voids: events that take an earlier one back, judged by what the log holds before them.

A void has the key of its target. It is accepted if the latest accepted copy of that key before it
was not voided yet, a duplicate if it was, and rejected if there is none. It is stored as a copy of
its target with sign -1, so that everything linear subtracts it by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from core.events import VOID_TYPE
from streams.index import ACCEPTED, DUPLICATE, REJECTED

POSITION: Final = ("generation", "partition", "offset", "row")
COPIED: Final = ("tenant_id", "type", "subject", "time", "data")
"""What a stored void has from its target."""

TARGET_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "key": pl.Binary,
    "sign": pl.Int8,
    "generation": pl.UInt16,
    "partition": pl.UInt16,
    "offset": pl.UInt64,
    "row": pl.UInt32,
    "tenant_id": pl.String,
    "type": pl.String,
    "subject": pl.String,
    "time": pl.Datetime("us", "UTC"),
    "data": pl.Binary,
}
TARGET_COLUMNS: Final = tuple(TARGET_SCHEMA)

FindTargets = Callable[[pl.Series, int], pl.DataFrame]
"""Keys (Binary) and an offset -> the stored rows, `TARGET_COLUMNS`, with these keys before it."""

NO_TARGET: Final = "data: no earlier event has this source and id; nothing was voided"


def is_void() -> pl.Expr:
    """Whether an event is a void."""
    return pl.col("type") == VOID_TYPE


def judge_voids(voids: pl.DataFrame, accepted: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """Judge the voids of a step.

    voids: key, `POSITION`; accepted: `TARGET_COLUMNS` of the step's accepted events that have such
    keys; earlier: the same of everything stored before the step.

    Returns one row per void in log order: offset, row, `verdict` UInt8 and `COPIED` of its target
    (null where it is rejected).
    """
    known = pl.concat(
        [earlier.unique(POSITION), accepted.with_columns(sign=pl.lit(1, pl.Int8))], how="vertical"
    )
    mine = voids.select("key", *POSITION, sign=pl.lit(-1, pl.Int8), asked=pl.lit(value=True))
    timeline = pl.concat(
        [known.with_columns(asked=pl.lit(value=False)), mine], how="diagonal"
    ).sort("key", *POSITION)
    copy = pl.when(pl.col("sign") == 1)
    timeline = timeline.with_columns(
        (pl.col("sign") == 1).cum_sum().over("key").alias("copies"),
        *(copy.then(pl.col(name)).forward_fill().over("key").alias(name) for name in COPIED),
    ).with_columns((pl.col("sign") == -1).cum_sum().over("key", "copies").alias("voids"))
    verdict = (
        pl.when(pl.col("copies") == 0)
        .then(pl.lit(REJECTED, pl.UInt8))
        .when(pl.col("voids") > 1)
        .then(pl.lit(DUPLICATE, pl.UInt8))
        .otherwise(pl.lit(ACCEPTED, pl.UInt8))
    )
    return (
        timeline.with_columns(verdict=verdict)
        .filter("asked")
        .sort("offset", "row")
        .select("offset", "row", "verdict", *COPIED)
    )
