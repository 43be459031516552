"""Slices of whole subscriptions give what all lines at once give."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from rating import slices
from rating.engine import rate_period, rate_slices
from rating.errors import AmountTooLargeError, RatingInputError
from tests.rating.builders import lines, price, usage

TIERS = {"tiers": [{"up_to": "3", "unit_amount": "1"}, {"unit_amount": "0.5"}]}
PRICES = [
    price("graduated", TIERS, price_id="p-0", adjustments={"minimum": "2"}),
    price("per_unit", {"amount": "0.125"}, price_id="p-1"),
]


def frames(counts: list[int]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """So many lines of each subscription, every other one with usage."""
    named = [(f"sub-{sub:02}", line) for sub, count in enumerate(counts) for line in range(count)]
    wanted = [(sub, f"line-{line}", f"m-{line}", f"p-{line % 2}") for sub, line in named]
    used = [(sub, f"m-{line}", Decimal(line + 1)) for sub, line in named if line % 2 == 0]
    return lines(*wanted), usage(*used)


@drawn(st.lists(st.integers(0, 4), max_size=8), st.integers(4, 9))
def test_lines_read_in_slices_are_rated_as_all_at_once(counts: list[int], size: int) -> None:
    wanted, used = frames(counts)
    read = list(rate_slices(wanted.lazy(), used.lazy(), PRICES, size=size))
    assert all(0 < part.height <= size for part in read)
    whole = rate_period(wanted, used, PRICES)
    assert pl.concat([whole.clear(), *read]).equals(whole)


@pytest.mark.parametrize("order", ["in-order", "lines-shuffled", "usage-shuffled"])
def test_many_lines_in_threads_are_rated_as_all_at_once(
    order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, used = frames([3] * 40)
    if order == "lines-shuffled":
        wanted = wanted.sample(fraction=1, shuffle=True, seed=1)
    if order == "usage-shuffled":
        used = used.sample(fraction=1, shuffle=True, seed=1)
    whole = rate_period(wanted, used, PRICES)
    monkeypatch.setattr(slices, "SLICE_LINES", 10)
    assert len(slices.cut(wanted, used, 10)) == (12 if order == "in-order" else 1)
    assert rate_period(wanted, used, PRICES).equals(whole)


def test_percentages_of_lines_and_shares_are_the_same_in_slices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    support = price("percent_of_lines", {"percent": "3", "lines": ["line-*"]}, price_id="support")
    fee = price("flat", {"amount": "10"}, price_id="fee")
    wanted, used = frames([3] * 20)
    subs = [f"sub-{sub:02}" for sub in range(20)]
    added = [(sub, "support", None, "support") for sub in subs]
    added += [(sub, "line-fee", None, "fee") for sub in subs]
    share = pl.int_range(pl.len(), dtype=pl.Int64) % 3 + 1
    mixed = pl.concat([wanted, lines(*added)]).sort("subscription_id", maintain_order=True)
    mixed = mixed.with_columns(share_numerator=share, share_denominator=pl.lit(3, pl.Int64))
    prices = [*PRICES, support, fee]
    whole = rate_period(mixed, used, prices)
    assert whole.filter(line_key="support")["amount_minor"].min() > 0  # type: ignore[operator]  # there are some
    monkeypatch.setattr(slices, "SLICE_LINES", 10)
    assert len(slices.cut(mixed, used, 10)) == 10
    assert rate_period(mixed, used, prices).equals(whole)


def test_an_error_names_the_lines_of_all_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE_LINES", 2)
    huge = price("per_unit", {"amount": "999999999999999"}, price_id="p-0")
    wanted = lines(*[(f"sub-{sub}", "line", "m", "p-0") for sub in range(9)])
    used = usage(*[(f"sub-{sub}", "m", Decimal(10) ** (25 * (sub % 4 == 0))) for sub in range(9)])
    with pytest.raises(AmountTooLargeError) as caught:
        rate_period(wanted, used, [huge])
    assert len(caught.value.details["lines"]) == 3  # type: ignore[arg-type]  # details hold plain objects


def test_what_cannot_be_cut_is_refused() -> None:
    wanted, used = frames([2, 5])
    with pytest.raises(RatingInputError, match="sub-01 has more than 4 of them"):
        list(rate_slices(wanted.lazy(), used.lazy(), PRICES, size=4))
    with pytest.raises(RatingInputError, match="sort them by subscription_id"):
        list(rate_slices(wanted.reverse().lazy(), used.lazy(), PRICES))
    late = lines(("sub-1", "a", "m", "p-0"), ("sub-2", "a", "m", "p-0"), ("sub-0", "a", "m", "p-0"))
    with pytest.raises(RatingInputError, match="sort them by subscription_id"):
        list(rate_slices(late.lazy(), used.lazy(), PRICES, size=2))


def test_parquet_goes_in_and_comes_out_slice_by_slice(tmp_path: Path) -> None:
    wanted, used = frames([2] * 20)
    wanted.write_parquet(tmp_path / "lines.parquet", row_group_size=8)
    used.write_parquet(tmp_path / "usage.parquet", row_group_size=8)
    asked, given = (pl.scan_parquet(tmp_path / f"{name}.parquet") for name in ("lines", "usage"))
    for number, rated in enumerate(rate_slices(asked, given, PRICES, size=6)):
        rated.write_parquet(tmp_path / f"rated-{number:05}.parquet")
    stored = pl.read_parquet(tmp_path / "rated-*.parquet")
    assert stored.equals(rate_period(wanted, used, PRICES))
