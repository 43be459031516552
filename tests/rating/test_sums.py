from __future__ import annotations

from collections import defaultdict
from decimal import Decimal, localcontext
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rating.errors import QuantityTooLargeError
from rating.frames import QUANTITY_DTYPE
from rating.sums import sum_quantities

LIMIT = 10**38
VALUES = st.one_of(st.integers(1 - LIMIT, LIMIT - 1), st.integers(-(10**15), 10**15))


def frame_of(rows: list[tuple[str, int]]) -> pl.DataFrame:
    with localcontext(prec=50):
        values = [(group, Decimal(scaled).scaleb(-12), 1) for group, scaled in rows]
    schema = pl.Schema({"group": pl.String(), "quantity": QUANTITY_DTYPE, "events": pl.Int64()})
    return pl.DataFrame(values, schema=schema, orient="row")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), VALUES), min_size=1, max_size=30))
@example([("a", LIMIT - 1), ("a", LIMIT - 1)])  # Polars' own grouped sum wraps here
@example([("a", LIMIT - 1), ("a", 1 - LIMIT), ("b", -1), ("b", 2)])
def test_a_grouped_sum_is_exact_or_refused(rows: list[tuple[str, int]]) -> None:
    expected: defaultdict[str, int] = defaultdict(int)
    for group, scaled in rows:
        expected[group] += scaled
    if max(abs(total) for total in expected.values()) >= LIMIT:
        with pytest.raises(QuantityTooLargeError, match=r"reaches 10\^26"):
            sum_quantities(frame_of(rows), ["group"], "quantity")
        return
    if max(abs(total) for total in expected.values()) >= LIMIT - 10**12:
        return  # the last unit below the limit may be refused or given
    summed = sum_quantities(frame_of(rows), ["group"], "quantity", ["events"])
    assert summed["group"].to_list() == list(expected)
    for group, total, events in summed.rows():
        assert Fraction(total) == Fraction(expected[group], 10**12)
        assert events == sum(name == group for name, _ in rows)


def test_no_rows_sum_to_no_groups() -> None:
    assert sum_quantities(frame_of([]), ["group"], "quantity").rows() == []
