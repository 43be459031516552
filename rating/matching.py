"""Which rows of usage belong to which lines: found by a number, believed where the keys agree.

A join over a key of several texts costs as much as all of the pricing. So each key becomes one
number, its hash, and each pair that the numbers find is compared key by key. Where one differs, two
keys have the same hash, and the keys themselves are joined.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def matched(lines: pl.DataFrame, usage: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """`at`, a row of `lines`, and `row`, one of `usage` that has its key, or null; in that order.

    Both have the columns of `key`, null only in `lines`, where it matches nothing.
    """
    pairs = _by_number(lines, usage, key)
    if not _agree(pairs, lines, usage, key):
        asked = lines.select(key).with_row_index("at")
        rows = usage.select(key).with_row_index("row")
        pairs = asked.join(rows, on=key, how="left", maintain_order="left")
    return pairs.select("at", "row")


def _by_number(lines: pl.DataFrame, usage: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    number = pl.sum_horizontal(pl.col(name).hash(seed) for seed, name in enumerate(key))
    asked = lines.select(number=number)["number"]
    given = usage.select(number=number)["number"]
    begins = (given != given.shift()).fill_null(value=True)
    if given.filter(begins).equals(asked) and asked.n_unique() == asked.len():
        # The n-th run of usage is that of the n-th line: no join is needed.
        nth = (begins.cum_sum() - 1).alias("at")
        return nth.to_frame().with_row_index("row")
    return (
        asked.to_frame()
        .with_row_index("at")
        .join(
            given.to_frame().with_row_index("row"), on="number", how="left", maintain_order="left"
        )
    )


def _agree(
    pairs: pl.DataFrame, lines: pl.DataFrame, usage: pl.DataFrame, key: Sequence[str]
) -> bool:
    """Whether each pair has one key, which a hash does not prove."""
    same = pairs.drop_nulls("row").select(
        (pl.lit(lines[name]).gather(pl.col("at")) == pl.lit(usage[name]).gather(pl.col("row")))
        .fill_null(value=False)
        .all()
        .alias(name)
        for name in key
    )
    return all(same.row(0))
