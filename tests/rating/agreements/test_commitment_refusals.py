"""Rows that do not follow each other, parameters that say nothing, and what is too large."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from rating.agreements.base import Rated
from rating.agreements.commitments.run import rate_commitments
from rating.errors import (
    AmountTooLargeError,
    PriceParameterError,
    RatingInputError,
    UsageTooLargeError,
)
from tests.rating.agreements.builders import agreement, month
from tests.rating.agreements.commitment_builders import (
    RAMP,
    START,
    TOKENS,
    YEAR,
    column,
    counted,
    rate,
)


class TestOrder:
    def run(self, rows: pl.DataFrame, state: pl.DataFrame = START) -> Rated:
        return rate_commitments(rows, state, [agreement(YEAR)])

    def test_rows_follow_each_other_and_the_state(self) -> None:
        first = self.run(counted([1, 2], months=4))
        last = self.run(counted([3, 4], months=4, first=2), first.state)
        assert last.state.row(0, named=True)["used"] == 10
        assert self.run(counted([9], months=4, first=4), last.state).rated["used"].item() == 9

    @pytest.mark.parametrize(
        ("rows", "problem"),
        [
            (counted([1], months=4, first=1), "does not begin where"),
            (counted([1], months=4, first=3), "does not begin where"),
            (counted([1, 1], months=4, first=2).reverse()[:1], "does not begin where"),
            (counted([1], months=1, first=2), "a term begins before"),
            (counted([1], months=4, first=2, share=(0, 1, 2)), "another share of its commitment"),
            (
                counted([1], months=4, first=2).with_columns(term_end=month(5)),
                "of another term",
            ),
            (
                counted([1], months=4, first=2).with_columns(pl.col("start").alias("end")),
                "is empty or lies outside",
            ),
        ],
        ids=["again", "gap", "gap2", "cut", "share", "term", "empty"],
    )
    def test_what_does_not_follow_is_refused(self, rows: pl.DataFrame, problem: str) -> None:
        state = self.run(counted([1, 2], months=4)).state
        with pytest.raises(RatingInputError, match=problem):
            self.run(rows, state)

    def test_a_state_that_is_missing_is_missed(self) -> None:
        with pytest.raises(RatingInputError, match="its state is missing"):
            self.run(counted([1], months=4, first=1))

    def test_a_state_that_lost_its_roll_over_is_refused(self) -> None:
        state = self.run(counted([1])).state
        assert state["rolled_over"].item() == 0
        lost = state.with_columns(rolled_over=pl.lit(None, state["rolled_over"].dtype))
        with pytest.raises(RatingInputError, match="ended: rolled_over must be present"):
            self.run(counted([1], first=1), lost)

    def test_a_row_twice_is_refused(self) -> None:
        with pytest.raises(RatingInputError, match="must be present and name one row only"):
            self.run(pl.concat([counted([1]), counted([1])]))

    def test_the_state_of_others_is_kept(self) -> None:
        state = self.run(counted([1, 2], months=4)).state
        other = agreement(YEAR, agreement_id="a")
        after = rate_commitments(counted([5], name="a"), state, [other]).state
        assert after["agreement_id"].to_list() == ["a", "agreement-1"]
        assert after[1:].equals(state)

    def test_no_rows_change_nothing(self) -> None:
        state = self.run(counted([1, 2], months=4)).state
        nothing = self.run(counted([]), state)
        assert nothing.rated.is_empty()
        assert nothing.state.equals(state)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({**YEAR, "pay": "later"}, "pay: use one of prepaid, postpaid"),
        ({**YEAR, "of": None}, "of: use one of amount, quantity"),
        ({**YEAR, "committed": None}, "committed: missing"),
        ({**YEAR, "committed": "1.005"}, "committed: has more decimals than the currency"),
        ({**YEAR, "unit_amount": "1"}, "unit_amount: is for a quantity"),
        ({**YEAR, "overage": {"unit_amount": "1"}}, "overage.unit_amount: unknown parameter"),
        ({**YEAR, "overage": {"surcharge": "1000"}}, r"overage.surcharge: must be below 10\^3"),
        ({**TOKENS, "unit_amount": None}, "unit_amount: missing"),
        ({**TOKENS, "committed": "1000000000000000"}, r"committed: must be below 10\^15"),
        (
            {**TOKENS, "overage": {"surcharge": "1", "unit_amount": "1"}},
            "overage.surcharge: unknown parameter",
        ),
        (
            {**TOKENS, "unit_amount": "9" * 15, "overage": {"surcharge": "100"}},
            r"overage.surcharge: brings the unit amount to 10\^15",
        ),
        ({**TOKENS, "roll_over": {"cap": "1"}}, "roll_over.percent: missing"),
        ({**TOKENS, "roll_over": {"percent": "100.1"}}, "roll_over.percent: must be at most 100"),
        (
            {**TOKENS, "roll_over": {"percent": "0.00000000001"}},
            "roll_over.percent: has more than 10 decimals",
        ),
        ({**TOKENS, "phases": []}, "committed: is for no phases"),
        ({**TOKENS, "rollover": {}}, "rollover: unknown parameter"),
        (
            {"pay": "prepaid", "of": "amount", "phases": [{"from": "2024-01-01"}]},
            r"phases\[0\].from: give an instant with its offset",
        ),
        (
            {"pay": "prepaid", "of": "amount", "phases": [{"from": "2024-01-01T00:00:00Z"}]},
            r"phases\[0\].committed: missing",
        ),
        (
            {**RAMP, "phases": [{"from": "2024-01-01T00:00:00Z", "committed": "1"}] * 2},
            r"phases\[1\].from: must be later than the one before",
        ),
    ],
    ids=lambda each: "" if isinstance(each, dict) else each.split(":")[0],
)
def test_what_is_written_wrong_is_refused_by_its_path(said: dict[str, Any], problem: str) -> None:
    with pytest.raises(PriceParameterError, match=problem):
        rate(said, [0])


def test_the_limits_hold_at_their_bounds() -> None:
    least = Decimal("0.000000000001")
    most = 10**15 - least
    rated = rate({**TOKENS, "committed": "0", "unit_amount": "9.99"}, [most])
    assert rated["overage_minor"].to_list() == [999 * 10**15]
    with pytest.raises(UsageTooLargeError, match="agreement-1/2024-01-01"):
        rate(TOKENS, [10**15])
    with pytest.raises(UsageTooLargeError, match="agreement-1/2024-02-01"):
        rate(TOKENS, [most, least], months=2)  # all of a term together
    with pytest.raises(AmountTooLargeError):
        rate({**TOKENS, "committed": "0", "unit_amount": "10"}, [most])
    cent = Decimal("0.01")
    assert column(YEAR, [10**16 - cent], "over") == [10**16 - cent - 1200]
    with pytest.raises(AmountTooLargeError):
        rate(YEAR, [10**16])
    with pytest.raises(AmountTooLargeError):
        rate({**TOKENS, "committed": "9" * 15, "unit_amount": "20"}, [0] * 2)
    with pytest.raises(PriceParameterError, match=r"committed: must be below 10\^18 minor units"):
        rate_commitments(
            counted([0]), START, [agreement({**YEAR, "committed": "9" * 15}, currency="CLF")]
        )
    with pytest.raises(RatingInputError, match="whole minor units"):
        rate(YEAR, ["0.005"])
