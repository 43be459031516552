"""What a rated line was made from, as hashes that anybody can make again from the same bytes.

| hash | SHA-256, in hex, of |
|---|---|
| usage digest | the rows of usage or events that the line was rated from, sorted, joined |
| content hash | `CONTENT_TAG` and what `CONTENT` names, each as a field |

A row is its fields in the order of the frame's columns. A field is the length of its text in bytes
of UTF-8, a colon, the text; null is `-`. Texts: quantities with all 12 decimals, instants as
`2023-11-01T00:00:00.000000Z`, whole numbers in decimal. No row at all is the digest of no bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

import polars as pl

from rating.book import PriceBook
from rating.errors import RatingInputError
from rating.events import checked_events
from rating.frames import AGREED, PERIOD_KEY, RATED, SHARE, check_schema
from rating.prices import Price
from rating.used import checked_usage

CONTENT_TAG: Final = "tollbook.line.2"
"""First field of what a content hash is made of; another layout has another tag."""

CONTENT: Final = (
    "price_hash", "rule_version", "usage_digest", "share_numerator", "share_denominator", "agreed",
    "base",
)  # fmt: skip
"""Its other fields, in this order; `base`, of a percentage of lines: what these bill."""

PROOF: Final = pl.Schema(
    {"line_id": pl.String(), "usage_digest": pl.String(), "content_hash": pl.String()}
)


def prove_period(
    rated: pl.DataFrame,
    usage: pl.DataFrame,
    prices: Sequence[Price],
    events: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """`PROOF` of each line that `rate_period` made of the same frames and prices, in their order.

    Apart from rating, because hashing a line takes longer than pricing it. Raises
    `RatingInputError` for other frames than those, or a price that is missing.
    """
    check_schema("rated", rated, RATED, ("line_id", "price_id", "price_hash", "rule_version"))
    grouping = PriceBook.of(prices).prices.select("price_id", "group_by", "of_lines")
    wanted = rated.join(grouping, on="price_id", how="left", maintain_order="left")
    if wanted["group_by"].null_count():
        raise RatingInputError("prices: give all prices that the lines were rated with")
    key = [*PERIOD_KEY, "meter_id", "group_by"]
    frames = (checked_usage(usage), checked_events(events))
    digest = row_digests(wanted.select(key), *frames).alias("usage_digest")
    proved = wanted.select(
        *("line_id", "price_hash", "rule_version", *SHARE, AGREED),
        digest,
        base=pl.when("of_lines").then("used_quantity"),
    )
    content = pl.concat_str(_field(pl.lit(CONTENT_TAG)), *_fields(proved, CONTENT))
    hashes = _hashes(proved.select(content).to_series())
    return proved.with_columns(content_hash=hashes).select(PROOF.names()).match_to_schema(PROOF)


def row_digests(wanted: pl.DataFrame, *frames: pl.DataFrame) -> pl.Series:
    """The digest of all rows of `frames` with the values of each row of `wanted`, in its order.

    Each frame has the columns of `wanted` and others; the order of its rows does not matter, nor
    does that of the chunks they came in.
    """
    key = wanted.columns
    texts = pl.concat(
        rows.select(*key, pl.concat_str(_fields(rows, rows.columns)).alias("_text"))
        for rows in frames
    )
    lines = wanted.with_row_index("_line")
    found = lines.join(texts, on=key, how="left", maintain_order="left")
    if found.height > lines.height:  # sorting and joining costs more than all the rest
        found = found.group_by("_line", maintain_order=True).agg(pl.col("_text").sort().str.join())
    return _hashes(found["_text"].fill_null(""))


def _fields(frame: pl.DataFrame, names: Iterable[str]) -> list[pl.Expr]:
    return [_field(_text(pl.col(name), frame.schema[name])) for name in names]


def _text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        return column.dt.to_string("%Y-%m-%dT%H:%M:%S%.6fZ")
    return column.cast(pl.String)


def _field(text: pl.Expr) -> pl.Expr:
    size = text.str.len_bytes().cast(pl.String)
    return pl.concat_str(size, text, separator=":").fill_null("-")


def _hashes(texts: pl.Series) -> pl.Series:
    digests = [sha256(text).hexdigest() for text in texts.cast(pl.Binary).to_list()]
    return pl.Series(digests, dtype=pl.String)
