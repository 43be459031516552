"""Worked numbers of commitments."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from core.period import Period
from rating.agreements.commitments.frames import COUNTED
from rating.agreements.commitments.run import derive_commitments, rate_commitments
from rating.errors import NotInForceError, RatingInputError
from rating.proration import Share, share_of
from tests.rating.agreements.builders import agreement, amounts_of, hour, month, stored
from tests.rating.agreements.commitment_builders import (
    HALF_ROLLS,
    RAMP,
    START,
    TOKENS,
    WHOLE,
    YEAR,
    column,
    counted,
    rate,
)
from tests.rating.agreements.pages import examples


class TestPostpaid:
    def test_the_year_is_trued_up_at_its_end(self) -> None:
        """1,200 - (48 + 120 + 60) = 972."""
        used = [48, 120, 60, *[0] * 9]
        rated = rate(YEAR, used, months=12)
        assert rated["usage_minor"].to_list() == [each * 100 for each in used]
        assert rated["true_up_minor"].to_list() == [*[0] * 11, 97200]

    def test_a_monthly_minimum_under_a_year(self) -> None:
        """1,200 a year, 60 a month: 12, then 8 x 60, and 480 in the last month."""
        used = [48, 120, 60, *[0] * 9]
        monthly = rate({**YEAR, "committed": "60"}, used)
        due = monthly.select(pl.sum_horizontal("usage_minor", "overage_minor", "true_up_minor"))
        paid = [Decimal(minor) / 100 for minor in due.to_series()]
        yearly = column(YEAR, paid, "true_up_minor", months=12)
        true_ups = [
            inner + outer for inner, outer in zip(monthly["true_up_minor"], yearly, strict=True)
        ]
        assert true_ups == [1200, 0, 0, *[6000] * 8, 48000]
        assert sum(true_ups) + 22800 == 120000

    def test_nothing_is_trued_up_once_the_commitment_is_used(self) -> None:
        rated = rate(YEAR, [1000, 300], months=2)
        assert rated["usage_minor"].to_list() == [100000, 20000]
        assert rated["overage_minor"].to_list() == [0, 10000]
        assert rated["true_up_minor"].to_list() == [0, 0]

    def test_late_usage_lowers_the_true_up_by_component(self) -> None:
        """Rated again from the same state, less what was billed: 100 of usage, 100 less on top."""
        one = [agreement(YEAR)]
        _, state = rate_commitments(counted([48, 120], months=4), START, one)
        billed, late = (
            rate_commitments(counted(used, months=4, first=2), state, one).rated
            for used in ([60, 0], [160, 0])
        )
        changes = [
            (late[name] - billed[name]).to_list()
            for name in ("usage_minor", "overage_minor", "true_up_minor")
        ]
        assert changes == [[10000, 0], [0, 0], [0, -10000]]

    def test_a_quantity_is_trued_up_at_its_price(self) -> None:
        """1,000 units at 0.333 are 333.00; used 100.5: 33.4665, trued up to the whole."""
        said = {**TOKENS, "pay": "postpaid", "unit_amount": "0.333"}
        rated = rate(said, ["100.5"])
        assert rated.select("usage_minor", "true_up_minor").row(0) == (3347, 29953)

    def test_a_credit_draws_nothing_and_is_made_up_for_first(self) -> None:
        rated = rate(YEAR, [-50, 80, 0], months=3)
        assert rated["drawn"].to_list() == [0, 30, 0]
        assert rated["true_up_minor"].to_list() == [0, 0, 117000]

    def test_usage_that_is_taken_back_within_the_term_is_given_back(self) -> None:
        rated = rate(YEAR, [1300, -200], months=2)
        assert rated["overage_minor"].to_list() == [10000, -10000]
        assert rated["usage_minor"].to_list() == [120000, -10000]
        assert rated["true_up_minor"].to_list() == [0, 10000]


class TestPrepaid:
    def test_it_is_due_as_the_term_begins_and_what_it_covers_costs_nothing_more(self) -> None:
        rated = rate(TOKENS, [400, 900, 0], months=3)
        assert rated["fee_minor"].to_list() == [200000, 0, 0]
        assert rated["usage_minor"].to_list() == [0, 0, 0]
        assert rated["over"].to_list() == [0, 300, 0]
        assert rated["overage_minor"].to_list() == [0, 60000, 0]
        assert rated["true_up_minor"].to_list() == [0, 0, 0]

    def test_over_1500_tokens_at_2_is_3000(self) -> None:
        assert column(TOKENS, [2500], "overage_minor") == [300000]

    @pytest.mark.parametrize(
        ("overage", "due"),
        [
            ({}, 300000),
            ({"surcharge": "0"}, 300000),
            ({"surcharge": "50"}, 450000),
            ({"surcharge": "0.0000001"}, 300000),
            ({"unit_amount": "2.5"}, 375000),
            ({"unit_amount": "0"}, 0),
        ],
        ids=str,
    )
    def test_overage_has_the_list_price_a_surcharge_or_its_own(
        self, overage: dict[str, str], due: int
    ) -> None:
        assert column({**TOKENS, "overage": overage}, [2500], "overage_minor") == [due]

    def test_an_amount_takes_a_surcharge_too(self) -> None:
        said = {**YEAR, "pay": "prepaid", "overage": {"surcharge": "20"}}
        rated = rate(said, [1500])
        assert rated.select("fee_minor", "drawn", "over", "overage_minor").row(0) == (
            120000,
            Decimal(1200),
            Decimal(300),
            36000,
        )

    def test_use_it_or_lose_it_by_the_hour(self) -> None:
        """1 an hour; 1.50: used 1, unused 0, on demand 0.50. Then 0.25: 0.75 are lost."""
        said = {**TOKENS, "committed": "1"}
        rows = [
            (
                "sub-1",
                "agreement-1",
                hour(at),
                hour(at + 1),
                hour(at),
                hour(at + 1),
                *WHOLE,
                Decimal(used),
            )
            for at, used in enumerate(["1.50", "0.25", "1"])
        ]
        frame = pl.DataFrame(rows, schema=COUNTED, orient="row")
        rated = rate_commitments(frame, START, [agreement(said)]).rated
        assert rated.select("drawn", "unused", "over", "lapsed").rows() == [
            (1, 0, Decimal("0.50"), 0),
            (Decimal("0.25"), Decimal("0.75"), 0, Decimal("0.75")),
            (1, 0, 0, 0),
        ]

    def test_overage_is_rounded_as_one_within_the_term(self) -> None:
        said = {**TOKENS, "committed": "0", "unit_amount": "0.001"}
        assert column(said, [333, 333], "overage_minor", months=2) == [33, 34]


class TestRollOver:
    def test_half_of_300_unused_is_150_more_in_the_next_term(self) -> None:
        rated = rate(HALF_ROLLS, [700, 1200])
        assert rated["rolled_over"].to_list() == [150, 0]
        assert rated["lapsed"].to_list() == [150, 0]
        assert rated["rolled_in"].to_list() == [0, 150]
        assert rated.row(1, named=True)["drawn_rolled_in"] == 150
        assert rated["drawn"].to_list() == [700, 1000]
        assert rated["over"].to_list() == [0, 50]
        assert rated["fee_minor"].to_list() == [200000, 200000]

    def test_a_cap_bounds_it(self) -> None:
        said = {**TOKENS, "roll_over": {"percent": "50", "cap": "100"}}
        assert column(said, [700, 0], "rolled_in") == [0, 100]

    def test_what_rolled_over_is_drawn_first_and_rolls_once(self) -> None:
        """150 rolled in, 40 used: 110 lapse, and half of the untouched 1,000 rolls over."""
        rated = rate(HALF_ROLLS, [700, 40, 0])
        assert rated["drawn_rolled_in"].to_list() == [0, 40, 0]
        assert rated["unused"].to_list() == [300, 1000, 1000]
        assert rated["rolled_over"].to_list() == [150, 500, 500]
        assert rated["lapsed"].to_list() == [150, 610, 1000]

    def test_what_was_trued_up_and_rolled_over_is_not_billed_again(self) -> None:
        """40 of the 130 were paid by the true-up; the other 90 lack 10 of the second 100."""
        said = {**YEAR, "committed": "100", "roll_over": {"percent": "100"}}
        rated = rate(said, [60, 130])
        assert rated["drawn_rolled_in"].to_list() == [0, 40]
        assert rated["usage_minor"].to_list() == [6000, 9000]
        assert rated["true_up_minor"].to_list() == [4000, 1000]

    def test_a_state_may_be_handed_to_the_next_agreement(self) -> None:
        """150 roll over into the first term of another plan, which lets nothing roll over."""
        _, state = rate_commitments(counted([700]), START, [agreement(HALF_ROLLS)])
        handed = state.with_columns(agreement_id=pl.lit("next"))
        rows = counted([0, 0], first=1, name="next")
        rated, _ = rate_commitments(rows, handed, [agreement(TOKENS, agreement_id="next")])
        assert rated["rolled_in"].to_list() == [150, 0]
        assert rated["lapsed"].to_list() == [1150, 1000]

    def test_an_amount_rolls_over_in_whole_minor_units(self) -> None:
        said = {**YEAR, "pay": "prepaid", "committed": "0.05", "roll_over": {"percent": "50"}}
        assert column(said, [0, 0], "rolled_in") == [0, Decimal("0.03")]


class TestRamp:
    def test_a_term_has_the_phase_that_it_begins_in(self) -> None:
        assert column(RAMP, [0] * 5, "committed") == [100, 100, 200, 400, 400]

    def test_a_term_before_the_first_phase_is_refused(self) -> None:
        rows = counted([0], first=0).with_columns(
            pl.col("term_start", "start") - pl.duration(microseconds=1)
        )
        with pytest.raises(NotInForceError, match="phases: nothing is in force for 1 row"):
            rate_commitments(rows, START, [agreement(RAMP)])


class TestShares:
    def test_a_plan_change_half_way_leaves_half_of_each(self) -> None:
        """1,000 by the old plan and 3,000 by the new one: 500 + 1,500."""
        assert column(TOKENS, [0], "committed", share=(0, 15, 30)) == [500]
        new = {**TOKENS, "committed": "3000"}
        rated = rate(new, [2000], share=(15, 30, 30))
        assert rated.select("committed", "fee_minor", "over").row(0) == (1500, 300000, 500)

    def test_a_share_is_what_proration_counts(self) -> None:
        """31 January days, changed on the 11th: 10 of 31, then 21 of 31."""
        january, change = Period(month(0), month(1)), datetime(2024, 1, 11, tzinfo=UTC)
        first = share_of(Period(january.start, change), january, "days", ZoneInfo("UTC"))
        assert first == Share(10, 31)
        said = {**TOKENS, "committed": "3100"}
        old = column(said, [0], "committed", share=(0, first.numerator, first.denominator))
        new = column(said, [0], "committed", share=(first.numerator, 31, 31))
        assert (old, new) == ([1000], [2100])

    def test_parts_sum_to_the_whole(self) -> None:
        """10.00 in thirds: 3.33, 3.34, 3.33."""
        said = {**YEAR, "committed": "10"}
        thirds = [column(said, [0], "true_up_minor", share=(at, at + 1, 3)) for at in range(3)]
        assert thirds == [[333], [334], [333]]
        thirds = [column(TOKENS, [0], "committed", share=(at, at + 1, 3)) for at in range(3)]
        assert sum(each[0] for each in thirds) == 1000
        assert thirds[0] == [Decimal("333.333333333333")]

    @pytest.mark.parametrize(
        "share", [(-1, 1, 1), (0, 0, 1), (1, 1, 1), (0, 2, 1), (0, 1, 10**18)], ids=str
    )
    def test_a_share_is_of_the_whole(self, share: tuple[int, int, int]) -> None:
        with pytest.raises(RatingInputError, match="a share is none"):
            rate(YEAR, [0], share=share)

    def test_microseconds_of_years_fit(self) -> None:
        of = 10**18 - 1
        assert column(YEAR, [0], "committed", share=(0, of // 2, of)) == [600]


def test_a_state_that_was_stored_gives_the_same_lines() -> None:
    one = [agreement(HALF_ROLLS)]
    _, state = rate_commitments(counted([700, 40]), START, one)
    after = rate_commitments(counted([5], first=2), state, one)
    again = rate_commitments(counted([5], first=2), stored(state), one)
    assert again.rated.write_csv() == after.rated.write_csv()
    assert again.state.write_csv() == after.state.write_csv()


def test_a_line_tells_its_steps() -> None:
    said = {**HALF_ROLLS, "overage": {"surcharge": "50"}}
    rows, one = counted([700, 1200]), [agreement(said)]
    told = derive_commitments(rows, START, one)
    said_of = told.filter(pl.col("line_id") == "sub-1/agreement-1/2024-02-01T00:00:00.000000Z")
    assert said_of.select(
        "step", "name", "value", "units", "quantity", "unit_amount", "amount_whole"
    ).rows() == [
        (1, "committed", 1000, None, 1000, 2, 2000),
        (2, "rolled_in", None, None, 150, None, 0),
        (3, "drawn_rolled_in", None, 150, None, None, 0),
        (4, "usage", None, 1000, None, 2, 0),
        (5, "overage", 50, 50, None, 2, 150),
        (6, "true_up", None, 0, None, 2, 0),
        (7, "rolled_over", 50, 0, 0, None, 0),
        (8, "lapsed", None, 0, None, None, 0),
    ]
    rated = rate_commitments(rows, START, one).rated
    due = pl.sum_horizontal("fee_minor", "usage_minor", "overage_minor", "true_up_minor")
    assert amounts_of(told) == {
        line: Fraction(minor, 100) for line, minor in rated.select("line_id", due).rows()
    }


@pytest.mark.parametrize("at", range(4))
def test_the_page_says_what_the_code_does(at: int) -> None:
    said, table = examples("commitments", "commitment")[at]
    [months] = {int(name.removeprefix("month of ")) for name in table[0] if "month" in name}
    rated = rate(said, [row["used"] for row in table], months=months)
    for row, got in zip(table, rated.iter_rows(named=True), strict=True):
        for name, written in list(row.items())[1:]:
            key = name.replace(" ", "_").replace("-", "_")
            minor = got.get(f"{key}_minor")
            value = got[key] if minor is None else Decimal(minor) / 100
            assert value == Decimal(written), (row, name)


def test_many_subscriptions_hold_one_agreement_in_any_order() -> None:
    rows = pl.concat(
        counted(used, months=2).with_columns(subscription_id=pl.lit(name))
        for name, used in {"b": [700, 900], "a": [1100, 5]}.items()
    )
    rated, state = rate_commitments(rows.reverse(), START, [agreement(TOKENS)])
    assert rated.select("subscription_id", "used", "over").rows() == [
        ("a", 5, 5),
        ("a", 1100, 100),
        ("b", 900, 600),
        ("b", 700, 0),
    ]
    assert state.select("subscription_id", "used").rows() == [("a", 1105), ("b", 1600)]
