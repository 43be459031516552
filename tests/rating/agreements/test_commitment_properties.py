"""Commitments against fractions, in whatever calls their stretches come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from rating.agreements.base import Agreement
from rating.agreements.commitments.frames import COMMITMENT_STATE, COUNTED
from rating.agreements.commitments.run import derive_commitments, rate_commitments
from rating.rounding import ROUNDING_MODES
from tests.rating.agreements import commitment_oracle
from tests.rating.agreements.builders import (
    CURRENCIES,
    agreement,
    amounts_of,
    cuts,
    empty,
    month,
)
from tests.rating.agreements.commitment_oracle import Stretch
from tests.rating.builders import quantity_of

START = empty(COMMITMENT_STATE)
NAMES = (
    *("committed", "rolled_in", "drawn_rolled_in", "drawn", "over", "unused", "rolled_over"),
    *("lapsed", "fee_minor", "usage_minor", "overage_minor", "true_up_minor"),
)
TIGHT, WIDE = 10**3, 10**12


def text(scaled: int) -> str:
    return f"{quantity_of(scaled):f}"


@st.composite
def commitments(draw: st.DrawFn, digits: int, most: int) -> dict[str, Any]:
    """Any legal commitment without phases, of at most so many units."""
    of = draw(st.sampled_from(["amount", "quantity"]))
    grain = 10 ** (12 - digits) if of == "amount" else draw(st.sampled_from([1, 10**12]))
    sizes = st.integers(0, most * 10**12 // grain).map(lambda each: text(each * grain))
    said: dict[str, Any] = {
        "pay": draw(st.sampled_from(["prepaid", "postpaid"])),
        "of": of,
        "committed": draw(sizes),
    }
    prices = st.one_of(
        st.integers(0, 10**13).map(text), st.sampled_from(["0.005", "1", "0.000000000001"])
    )
    if of == "quantity":
        said["unit_amount"] = draw(prices)
    percents = st.one_of(st.integers(0, 100), st.integers(0, 10**12)).map(
        lambda each: text(each * (10**12 if each <= 100 else 100))
    )
    overage = draw(st.sampled_from(["", "surcharge", "unit_amount"]))
    if overage == "unit_amount" and of == "quantity":
        said["overage"] = {"unit_amount": draw(prices)}
    elif overage == "surcharge":
        said["overage"] = {"surcharge": draw(percents)}
    if draw(st.booleans()):
        said["roll_over"] = {"percent": draw(percents)}
        if draw(st.booleans()):
            said["roll_over"]["cap"] = draw(sizes)
    return said


@dataclass(frozen=True)
class Case:
    agreements: list[Agreement]
    counted: pl.DataFrame
    wanted: list[list[commitment_oracle.Due]]
    bounds: list[int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A few commitments with terms of their own lengths, over the same months."""
    months = draw(st.integers(1, 10))
    most = draw(st.sampled_from([TIGHT, WIDE]))
    agreements, frames, wanted = [], [], []
    for at in range(draw(st.integers(1, 3))):
        currency = draw(st.sampled_from(sorted(CURRENCIES)))
        digits, mode = CURRENCIES[currency], draw(st.sampled_from(ROUNDING_MODES))
        said = draw(commitments(digits, most))
        term = draw(st.integers(1, 4))
        of = draw(st.integers(1, 5))
        after = draw(st.integers(1, of))
        share = (draw(st.integers(0, after - 1)), after, of)
        fine = 10 ** (12 - digits) if said["of"] == "amount" else 1
        least = -most // 4 if draw(st.booleans()) else 0
        sizes = st.integers(least * 10**12 // fine, most * 10**12 // fine)
        used = [quantity_of(draw(sizes) * fine) for _ in range(months)]
        name = f"agreement-{at}"
        agreements.append(agreement(said, agreement_id=name, currency=currency, mode=mode))
        rows = [
            (
                "sub-1",
                name,
                month(nth - nth % term),
                month(nth - nth % term + term),
                month(nth),
                month(nth + 1),
                *share,
                each,
            )
            for nth, each in enumerate(used)
        ]
        frames.append(pl.DataFrame(rows, schema=COUNTED, orient="row"))
        stretches = [
            Stretch(nth // term, nth % term == term - 1, Fraction(each))
            for nth, each in enumerate(used)
        ]
        wanted.append(commitment_oracle.rate(said, stretches, share, digits, mode))
    return Case(agreements, pl.concat(frames), wanted, draw(cuts(months)))


def due(rows: pl.DataFrame) -> list[tuple[Any, ...]]:
    return [tuple(Fraction(each) for each in row) for row in rows.select(NAMES).rows()]


@settings(max_examples=30)
@given(cases())
def test_frames_equal_fractions_in_whatever_calls_they_come(case: Case) -> None:
    whole = rate_commitments(case.counted, START, case.agreements)
    for one, each in zip(case.agreements, case.wanted, strict=True):
        rows = whole.rated.filter(agreement_id=one.agreement_id)
        assert due(rows) == [astuple(row) for row in each]
        _conserved(rows)
    state, parts = START, []
    for low, high in pairwise(case.bounds):
        inside = (pl.col("start") >= month(low)) & (pl.col("start") < month(high))
        rated, state = rate_commitments(case.counted.filter(inside), state, case.agreements)
        parts.append(rated)
    order = ["agreement_id", "start"]
    assert pl.concat(parts).sort(order).equals(whole.rated.sort(order))
    assert state.equals(whole.state)
    _told(case, whole.rated)


def _conserved(rows: pl.DataFrame) -> None:
    """Committed and rolled in are drawn, rolled over or lapsed; nothing of it is negative."""
    for _, term in rows.group_by("term_start", maintain_order=True):
        [committed, *others] = set(term["committed"])
        assert not others
        drawn = sum(term["drawn"]) + sum(term["drawn_rolled_in"])
        left = sum(term["rolled_over"]) + sum(term["lapsed"])
        if term["end"].to_list()[-1] == term["term_end"].to_list()[-1]:
            assert committed + term["rolled_in"].to_list()[0] == drawn + left
        if min(term["used"]) >= 0:
            split = pl.sum_horizontal("drawn_rolled_in", "drawn", "over")
            assert term.select(split).to_series().to_list() == term["used"].to_list()
            assert term.select(pl.min_horizontal(NAMES).min()).item() >= 0
        else:
            assert (
                term.select(pl.min_horizontal("unused", "rolled_over", "lapsed").min()).item() >= 0
            )
        if sum(term["over"]) > 0:
            assert sum(term["true_up_minor"]) == 0


def _told(case: Case, rated: pl.DataFrame) -> None:
    digits = {code: 10**each for code, each in CURRENCIES.items()}
    minors: Sequence[str] = [name for name in NAMES if name.endswith("_minor")]
    rows = rated.select("line_id", "currency", pl.sum_horizontal(minors)).rows()
    told = amounts_of(derive_commitments(case.counted, START, case.agreements))
    assert told == {line: Fraction(minor, digits[code]) for line, code, minor in rows}


@settings(max_examples=15)
@given(st.data())
def test_shares_of_the_parts_sum_to_the_whole(data: st.DataObject) -> None:
    of = data.draw(st.integers(2, 10**9))
    inner = sorted(data.draw(st.sets(st.integers(1, of - 1), min_size=1, max_size=5)))
    bounds = [0, *inner, of]
    said = data.draw(commitments(2, WIDE))
    parts = [(f"part-{at}", low, high) for at, (low, high) in enumerate(pairwise(bounds))]
    mode = data.draw(st.sampled_from(ROUNDING_MODES))
    rows = [
        ("sub-1", name, month(0), month(1), month(0), month(1), low, high, of, quantity_of(0))
        for name, low, high in parts
    ]
    rated = rate_commitments(
        pl.DataFrame(rows, schema=COUNTED, orient="row"),
        START,
        [agreement(said, agreement_id=name, mode=mode) for name, _, _ in parts],
    ).rated
    assert sum(Fraction(each) for each in rated["committed"]) == Fraction(said["committed"])
