from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rating.agreements.base import Agreement, Rated
from rating.agreements.smoothing import PERIODS, SMOOTHING_STATE, derive_smoothing, smooth
from rating.errors import (
    AmountTooLargeError,
    PriceParameterError,
    RatingInputError,
    UsageTooLargeError,
)
from rating.rounding import ROUNDING_MODES
from tests.rating.agreements.builders import (
    CURRENCIES,
    agreement,
    amounts_of,
    cuts,
    empty,
    month,
    stored,
)
from tests.rating.agreements.pages import examples
from tests.rating.builders import quantity_of
from tests.rating.oracle import minor_units

THREE_MONTHS = {"periods": 3, "included": "500", "unit_amount": "0.10", "bill": "as_it_occurs"}
START = empty(SMOOTHING_STATE)


def periods(
    used: Sequence[Decimal | int], first: int = 0, name: str = "agreement-1"
) -> pl.DataFrame:
    rows = [
        ("sub-1", name, month(first + at), month(first + at + 1), Decimal(each))
        for at, each in enumerate(used)
    ]
    return pl.DataFrame(rows, schema=PERIODS, orient="row")


def overages(used: Sequence[int], **changed: Any) -> list[Decimal]:
    one = agreement({**THREE_MONTHS, **changed})
    return smooth(periods(used), START, [one]).rated["overage"].to_list()


def test_a_busy_month_borrows_from_a_quiet_one() -> None:
    """April to June, 500 each: 1,000 of 1,500; 1,600; 2,500."""
    one = agreement(THREE_MONTHS)
    rated, state = smooth(periods([1000, 600, 900], first=3), START, [one])
    assert rated["overage"].to_list() == [0, 100, 900]
    assert rated["amount_minor"].to_list() == [0, 1000, 9000]
    assert state.is_empty()


def test_the_next_window_begins_with_nothing_left_over() -> None:
    """January to March use 1,233 of 1,500: the 267 lapse."""
    assert overages([700, 200, 333, 1000, 600, 900]) == [0, 0, 0, 0, 100, 900]


def test_at_the_end_a_window_without_overage_moves_on_by_a_month() -> None:
    """January to March: 1,233. February to April: 1,533, 33 beyond. Then May to July: 1,800."""
    used = [700, 200, 333, 1000, 600, 1200, 0]
    assert overages(used, bill="at_end") == [0, 0, 0, 33, 0, 0, 300]


def test_exactly_what_is_included_is_not_beyond() -> None:
    assert overages([1500, 0, 0]) == [0, 0, 0]
    assert overages([500, 500, 500, 500], bill="at_end") == [0, 0, 0, 0]


def test_one_period_is_no_smoothing() -> None:
    assert overages([700, 400, 600], periods=1) == [200, 0, 100]
    assert overages([700, 400, 600], periods=1, bill="at_end") == [200, 0, 100]


def test_a_credit_gives_back_what_the_window_billed_and_no_more() -> None:
    assert overages([2000, -300, -900]) == [500, -300, -200]


def test_a_window_is_rounded_as_one() -> None:
    """333 and 333 beyond at 0.001: 0.33, then 0.34."""
    one = agreement({**THREE_MONTHS, "included": "0", "unit_amount": "0.001"})
    rated = smooth(periods([333, 333]), START, [one]).rated
    assert rated["amount_minor"].to_list() == [33, 34]


def test_a_state_that_was_stored_gives_the_same_lines() -> None:
    one = [agreement(THREE_MONTHS)]
    _, state = smooth(periods([1000, 600]), START, one)
    after = smooth(periods([900], first=2), state, one)
    again = smooth(periods([900], first=2), stored(state), one)
    assert again.rated.write_csv() == after.rated.write_csv()


def test_many_subscriptions_hold_one_agreement_in_any_order() -> None:
    rows = pl.concat(
        periods(used).with_columns(subscription_id=pl.lit(name))
        for name, used in {"b": [1000, 600], "a": [1600, 5]}.items()
    )
    rated, state = smooth(rows.reverse(), START, [agreement(THREE_MONTHS)])
    assert rated.select("subscription_id", "overage").rows() == [
        ("a", 5),
        ("a", 100),
        ("b", 100),
        ("b", 0),
    ]
    assert state.sort("subscription_id", "start").equals(state)
    assert state["quantity"].to_list() == [1600, 5, 1000, 600]


def test_a_line_tells_its_window() -> None:
    one = agreement(THREE_MONTHS)
    told = derive_smoothing(periods([1000, 600]), START, [one])
    assert told.filter(pl.col("line_id").str.contains("2024-02")).select(
        "step", "name", "value", "units", "quantity", "unit_amount"
    ).rows() == [
        (1, "included", Decimal(500), None, Decimal(1500), None),
        (2, "window", None, Decimal(1600), None, None),
        (3, "overage", None, Decimal(100), Decimal(100), Decimal("0.1")),
    ]
    rated = smooth(periods([1000, 600]), START, [one]).rated
    assert amounts_of(told) == {
        line: Fraction(minor, 100) for line, minor in rated.select("line_id", "amount_minor").rows()
    }


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"periods": 0}, "periods: give a whole number from 1 to 120, got 0"),
        ({"periods": 121}, "periods: give a whole number from 1 to 120, got 121"),
        ({"periods": None}, "periods: give a whole number from 1 to 120, got None"),
        ({"included": "-1"}, "included: must not be negative"),
        ({"included": 10**15}, r"included: must be below 10\^15"),
        ({"unit_amount": None}, "unit_amount: missing"),
        ({"bill": "monthly"}, "bill: use one of as_it_occurs, at_end, got 'monthly'"),
        ({"perods": 3}, "perods: unknown parameter; known here: periods, included"),
    ],
    ids=lambda each: "-".join(each) if isinstance(each, dict) else "",
)
def test_what_is_written_wrong_is_refused_by_its_path(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(PriceParameterError, match=said):
        smooth(periods([1]), START, [agreement({**THREE_MONTHS, **changed})])


def test_periods_must_follow_each_other() -> None:
    one = agreement(THREE_MONTHS)
    _, state = smooth(periods([1, 2]), START, [one])
    smooth(periods([3], first=2), state, [one])
    for first in (1, 3):  # rated twice, and with a gap
        with pytest.raises(RatingInputError, match=r"agreement_id, start must|begin where"):
            smooth(periods([3], first=first), state, [one])
    with pytest.raises(RatingInputError, match="hand in those of the rows"):
        smooth(periods([1], name="other"), START, [one])
    with pytest.raises(RatingInputError, match="quantity must be present"):
        smooth(periods([1]).with_columns(quantity=pl.lit(None, PERIODS["quantity"])), START, [one])


def test_the_limits_hold_at_their_bounds() -> None:
    least = Decimal("0.000000000001")
    free = agreement({**THREE_MONTHS, "included": "0", "unit_amount": "9.99"})
    rated = smooth(periods([10**15 - least]), START, [free]).rated
    assert rated["amount_minor"].to_list() == [999 * 10**15]
    with pytest.raises(UsageTooLargeError, match="agreement-1/2024-01-01"):
        smooth(periods([10**15]), START, [free])
    ten = agreement({**THREE_MONTHS, "included": "0", "unit_amount": "10"})
    assert smooth(periods([10**15 - 1]), START, [ten]).rated["amount_minor"].item() < 10**18
    with pytest.raises(AmountTooLargeError, match="agreement-1/2024-01-01"):
        smooth(periods([10**15 - least]), START, [ten])  # rounds to 10^18


@pytest.mark.parametrize("at", [0, 1])
def test_the_page_says_what_the_code_does(at: int) -> None:
    said, table = examples("overage-smoothing", "smoothing")[at]
    used = periods([Decimal(row["used"]) for row in table])
    rated = smooth(used, START, [agreement(said)]).rated
    got = rated.select(
        pl.col("start").dt.strftime("%Y-%m"),
        "quantity",
        "window_quantity",
        "overage",
        "amount_minor",
    ).rows()
    assert got == [
        (row["period"], *(Decimal(row[name]) for name in ("used", "window", "beyond")), cents(row))
        for row in table
    ]


def cents(row: dict[str, str]) -> int:
    return int(Decimal(row["billed"]) * 100)


def expected(used: Sequence[Fraction], said: dict[str, Any], digits: int, mode: str) -> list[Any]:
    """(overage, minor) of each period."""
    held: list[tuple[Fraction, Fraction, int]] = []
    answers: list[tuple[Fraction, int]] = []
    for quantity in used:
        full = len(held) + 1 == said["periods"]
        total = sum((each[0] for each in held), quantity)
        beyond = max(Fraction(0), total - said["periods"] * Fraction(said["included"]))
        if said["bill"] == "at_end" and not full:
            beyond = Fraction(0)
        minor = minor_units(beyond * Fraction(said["unit_amount"]), digits, mode)
        over = beyond - sum(each[1] for each in held)
        minor -= sum(each[2] for each in held)
        answers.append((over, minor))
        held.append((quantity, over, minor))
        if full:
            held = held[1:] if said["bill"] == "at_end" and not beyond else []
    return answers


QUANTITY = st.one_of(
    st.integers(0, 2_000).map(lambda units: units * 10**12),
    st.integers(-(10**15), 10**15),
    st.integers(1 - 10**23, 10**23 - 1),
)
SAID = st.fixed_dictionaries(
    {
        "periods": st.integers(1, 5),
        "included": st.one_of(st.integers(0, 1_000), st.integers(0, 10**12)).map(str),
        "unit_amount": st.integers(0, 10**13).map(lambda scaled: f"{quantity_of(scaled):f}"),
        "bill": st.sampled_from(["as_it_occurs", "at_end"]),
    }
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Agreement], pl.DataFrame, list[list[Any]], list[int]]:
    count = draw(st.integers(1, 12))
    agreements, frames, wanted = [], [], []
    for at in range(draw(st.integers(1, 3))):
        said, name = draw(SAID), f"agreement-{at}"
        currency, mode = (
            draw(st.sampled_from(sorted(CURRENCIES))),
            draw(st.sampled_from(ROUNDING_MODES)),
        )
        used = [quantity_of(draw(QUANTITY)) for _ in range(count)]
        agreements.append(agreement(said, agreement_id=name, currency=currency, mode=mode))
        frames.append(periods(used, name=name))
        exact = [Fraction(each) for each in used]
        wanted.append(expected(exact, said, CURRENCIES[currency], mode))
    return agreements, pl.concat(frames), wanted, draw(cuts(count))


@settings(max_examples=25)
@given(cases())
def test_frames_equal_fractions_in_whatever_calls_they_come(case: Any) -> None:
    agreements, rows, wanted, bounds = case
    whole = smooth(rows, START, agreements)
    for one, each in zip(agreements, wanted, strict=True):
        got = whole.rated.filter(agreement_id=one.agreement_id)
        assert [
            (Fraction(over), minor) for over, minor in got.select("overage", "amount_minor").rows()
        ] == each
    state, parts = START, []
    for low, high in pairwise(bounds):
        call = rows.filter((pl.col("start") >= month(low)) & (pl.col("start") < month(high)))
        rated, state = smooth(call, state, agreements)
        parts.append(rated)
    again = Rated(pl.concat(parts).sort("line_id"), state)
    assert again.rated.equals(whole.rated.sort("line_id"))
    assert again.state.equals(whole.state)
    # What a window bills is never negative in all.
    for each in wanted:
        assert sum(minor for _, minor in each) >= 0
    told = amounts_of(derive_smoothing(rows, START, agreements))
    minors = whole.rated.select("line_id", "amount_minor", "currency").rows()
    assert told == {line: Fraction(minor, 10 ** CURRENCIES[code]) for line, minor, code in minors}
