"""Commitments by the month."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from rating.agreements.commitments.frames import COMMITMENT_STATE, COUNTED
from rating.agreements.commitments.run import rate_commitments
from tests.rating.agreements.builders import agreement, empty, month

START = empty(COMMITMENT_STATE)
YEAR = {"pay": "postpaid", "of": "amount", "committed": "1200"}
TOKENS = {"pay": "prepaid", "of": "quantity", "committed": "1000", "unit_amount": "2"}
WHOLE = (0, 1, 1)
HALF_ROLLS = {**TOKENS, "roll_over": {"percent": "50"}}
RAMP = {
    "pay": "prepaid",
    "of": "amount",
    "phases": [
        {"from": "2024-01-01T00:00:00Z", "committed": "100"},
        {"from": "2024-02-15T00:00:00+01:00", "committed": "200"},
        {"from": datetime(2024, 4, 1, tzinfo=UTC), "committed": "400"},
    ],
}
Used = Sequence[str | int | Decimal]


def counted(
    used: Used,
    *,
    months: int = 1,
    first: int = 0,
    share: tuple[int, int, int] = WHOLE,
    name: str = "agreement-1",
) -> pl.DataFrame:
    """A row for each month; a term is so many months."""
    rows = [
        (
            "sub-1",
            name,
            month(at - at % months),
            month(at - at % months + months),
            month(at),
            month(at + 1),
            *share,
            Decimal(each),
        )
        for at, each in enumerate(used, start=first)
    ]
    return pl.DataFrame(rows, schema=COUNTED, orient="row")


def rate(said: dict[str, Any], used: Used, **how: Any) -> pl.DataFrame:
    return rate_commitments(counted(used, **how), START, [agreement(said)]).rated


def column(said: dict[str, Any], used: Used, name: str, **how: Any) -> list[Any]:
    return rate(said, used, **how)[name].to_list()
