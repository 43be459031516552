"""The frames of commitments: what is counted, what is carried, what comes of it.

Whatever is counted is a decimal: units of a quantity, or currency units of an amount, which are
whole minor units then, because rounded lines are counted.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from rating.frames import INSTANT_DTYPE, QUANTITY_DTYPE

TERM: Final = pl.Schema(
    {
        "subscription_id": pl.String(),
        "agreement_id": pl.String(),
        "term_start": INSTANT_DTYPE,
        "term_end": INSTANT_DTYPE,
    }
)

COUNTED: Final = pl.Schema(
    {
        **TERM,
        "start": INSTANT_DTYPE,
        "end": INSTANT_DTYPE,
        # Which share of what is committed the term has: from `share_before` / `share_of` up to
        # `share_after` / `share_of`. A whole term: 0, 1, 1. The second half: 1, 2, 2.
        "share_before": pl.Int64(),
        "share_after": pl.Int64(),
        "share_of": pl.Int64(),
        "used": QUANTITY_DTYPE,
    }
)
"""What was used in a stretch of a term. Those of a subscription follow each other without a gap."""

COMMITMENT_STATE: Final = pl.Schema(
    {
        **TERM,
        "end": INSTANT_DTYPE,  # up to where the term was rated
        "committed": QUANTITY_DTYPE,
        "rolled_in": QUANTITY_DTYPE,
        "used": QUANTITY_DTYPE,
        "usage_minor": pl.Int64(),
        "overage_minor": pl.Int64(),
        "rolled_over": QUANTITY_DTYPE,  # into the next term; null while this one lasts
    }
)
"""One row per subscription and agreement: the term that it was last rated for."""

COMMITTED: Final = pl.Schema(
    {
        "line_id": pl.String(),
        **TERM,
        "start": INSTANT_DTYPE,
        "end": INSTANT_DTYPE,
        "committed": QUANTITY_DTYPE,  # in the term
        "rolled_in": QUANTITY_DTYPE,  # on top, from the term before
        # What was used in the stretch, and where it went: the three sum to it.
        "used": QUANTITY_DTYPE,
        "drawn_rolled_in": QUANTITY_DTYPE,
        "drawn": QUANTITY_DTYPE,
        "over": QUANTITY_DTYPE,
        # Zero but for the stretch that ends its term.
        "unused": QUANTITY_DTYPE,  # of what is committed
        "rolled_over": QUANTITY_DTYPE,  # of it, what the next term has on top
        "lapsed": QUANTITY_DTYPE,  # the rest of it, and of what was rolled in
        "fee_minor": pl.Int64(),  # prepaid: what is committed, in the stretch that begins its term
        "usage_minor": pl.Int64(),  # postpaid: what was drawn
        "overage_minor": pl.Int64(),  # what is over
        "true_up_minor": pl.Int64(),  # postpaid: what was not used, as the term ends
        "currency": pl.String(),
        "content_hash": pl.String(),
        "rounding_mode": pl.String(),
        "rule_version": pl.Int32(),
    }
)
