from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ValidationError
from core.money import Currency
from rating.engine import rate_period
from rating.errors import (
    AmountTooLargeError,
    NotInForceError,
    PriceParameterError,
    RatingInputError,
)
from rating.price_units.convert import CONVERTED, TO_CONVERT, convert, derive_conversion
from rating.price_units.rates import CONVERSIONS_MAX, UnitRates
from rating.price_units.unit import PriceUnit
from rating.prices import Price
from rating.rounding import ROUNDING_MODES
from tests.rating.agreements.builders import CURRENCIES, amounts_of
from tests.rating.agreements.pages import examples
from tests.rating.builders import exact_amounts, inputs, price, quantity_of
from tests.rating.oracle import minor_units
from tests.rating.prices.drawing import text

NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)
JULY = datetime(2024, 7, 1, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


def rates(*rows: tuple[str, datetime, str], digits: int = 0, code: str = "tokens") -> UnitRates:
    listed = [{"currency": into, "from": start, "rate": rate} for into, start, rate in rows]
    return UnitRates.read(code, {"digits": digits, "conversions": listed})


LIST = rates(("USD", NEW_YEAR, "2"))


def in_unit(
    amount: str, unit: PriceUnit | Currency = LIST.unit, price_id: str = "price-1", **how: Any
) -> Price:
    return replace(price("per_unit", {"amount": amount}, price_id=price_id, **how), currency=unit)


def bill(
    prices: Sequence[Price],
    used: Sequence[str | int | Decimal],
    units: Sequence[UnitRates] = (LIST,),
    *,
    into: str = "USD",
    at: datetime = JULY,
) -> pl.DataFrame:
    frames = inputs(prices, [{"": Decimal(each)} for each in used])
    return convert(to_convert(rate_period(*frames, prices), into, at), units)


def to_convert(rated: pl.DataFrame, into: str, at: datetime) -> pl.DataFrame:
    more = {"billed_currency": pl.lit(into), "converted_at": pl.lit(at)}
    return rated.with_columns(**more).match_to_schema(TO_CONVERT)


def test_615_tokens_at_list_2_are_1230() -> None:
    prices = [in_unit(amount, price_id=f"price-{amount}") for amount in ("1", "2", "3")]
    billed = bill(prices, [245, 5, 120])
    assert billed["amount_minor"].to_list() == [245, 10, 360]
    assert billed["currency"].unique().to_list() == ["tokens"]
    assert sum(billed["amount_minor"]) == 615
    assert billed["billed_minor"].to_list() == [49000, 2000, 72000]
    assert sum(billed["billed_minor"]) == 123000
    at_one = bill(prices, [245, 5, 120], [rates(("USD", NEW_YEAR, "1"))])
    assert sum(at_one["billed_minor"]) == 61500


def test_nothing_is_rounded_in_the_unit_first() -> None:
    """0.4 of a token without digits is shown as 0, and billed as 0.80; not as 0."""
    billed = bill([in_unit("0.4")], [1])
    assert (billed["amount_minor"].item(), billed["billed_minor"].item()) == (0, 80)
    # 2.345 credits of two digits at 0.1: 0.2345, not 0.235 of 2.35 and then 0.24.
    credits_ = rates(("USD", NEW_YEAR, "0.1"), digits=2, code="credits")
    billed = bill([in_unit("2.345", credits_.unit)], [1], [credits_])
    assert (billed["amount_minor"].item(), billed["billed_minor"].item()) == (235, 23)


@pytest.mark.parametrize(
    ("at", "rate"),
    [
        (NEW_YEAR, "2"),
        (JULY - INSTANT, "2"),
        (JULY, "2.5"),
        (JULY + INSTANT, "2.5"),
    ],
    ids=str,
)
def test_a_rate_is_in_force_from_its_instant_to_that_of_the_next(at: datetime, rate: str) -> None:
    dated = rates(
        ("EUR", NEW_YEAR, "7"), ("USD", NEW_YEAR, "2"), ("USD", JULY, "2.5"), ("EUR", JULY, "8")
    )
    billed = bill([in_unit("1")], [1], [dated], at=at)
    assert billed["rate"].item() == Decimal(rate)
    assert billed["rate_from"].item() == (NEW_YEAR if at < JULY else JULY)
    assert billed["billed_minor"].item() == Decimal(rate) * 100


def test_before_the_first_rate_and_in_another_currency_nothing_is_in_force() -> None:
    for how in ({"at": NEW_YEAR - INSTANT}, {"into": "EUR"}):
        with pytest.raises(NotInForceError, match=r"in force for 1 row.*sub-0000/"):
            bill([in_unit("1")], [1], **how)
    with pytest.raises(NotInForceError, match="conversions"):
        bill([in_unit("1")], [1], [])


def test_a_line_in_the_billed_currency_stays_what_it_is() -> None:
    one = in_unit("0.125", Currency("USD"), adjustments={"minimum": "1"})
    billed = bill([one], [1])
    assert billed["billed_minor"].item() == billed["amount_minor"].item() == 13
    assert billed["billed_true_up_minor"].item() == billed["true_up_minor"].item() == 87
    assert billed["rate"].item() == 1


def test_a_currency_is_billed_in_another_one_by_the_same_rule() -> None:
    euros = UnitRates.read(
        "EUR", {"conversions": [{"currency": "JPY", "from": NEW_YEAR, "rate": "161.5"}]}
    )
    billed = bill([in_unit("0.005", Currency("EUR"))], [1], [euros], into="JPY")
    assert (billed["amount_minor"].item(), billed["billed_minor"].item()) == (1, 1)


def test_a_true_up_is_what_the_minimum_comes_to_beyond_the_line() -> None:
    """A minimum of 10 credits, used 8.004 at 0.50: 4.00, and 1.00 up to 5.00."""
    credits_ = rates(("USD", NEW_YEAR, "0.5"), digits=2, code="credits")
    one = in_unit("1", credits_.unit, adjustments={"minimum": "10"})
    billed = bill([one], ["8.004"], [credits_])
    assert billed.select("amount_minor", "true_up_minor").row(0) == (800, 200)
    assert billed.select("billed_minor", "billed_true_up_minor").row(0) == (400, 100)
    assert bill([one], [12], [credits_])["billed_true_up_minor"].item() == 0


def test_a_credit_mirrors_what_it_takes_back() -> None:
    prices = [in_unit("0.0025")] * 2
    billed = bill([prices[0], replace(prices[1], price_id="other")], [1, -1])
    assert billed["billed_minor"].to_list() == [1, -1]


def test_a_line_tells_its_rate() -> None:
    credits_ = rates(("USD", NEW_YEAR, "0.5"), digits=2, code="credits")
    one = in_unit("1", credits_.unit, adjustments={"minimum": "10"})
    told = derive_conversion(bill([one], ["8.004"], [credits_]))
    assert told.select("step", "name", "value").rows() == [
        (1, "conversion", Decimal("0.5")),
        (2, "conversion_true_up", Decimal("0.5")),
    ]
    assert exact_amounts(told) == [4, 1]


@pytest.mark.parametrize(
    ("code", "changed", "problem"),
    [
        ("tokens", {"digits": 13}, "price_units.tokens.digits: give a whole number from 0 to 12"),
        ("tokens", {"digits": None}, "price_units.tokens.digits: give a whole number"),
        ("USD", {}, "price_units.USD.digits: is for a price unit"),
        ("tokens", {"conversions": []}, "price_units.tokens.conversions: give a list of 1 to"),
        ("tokens", {"rate": "2"}, "price_units.tokens.rate: unknown parameter"),
    ],
    ids=["13", "none", "currency", "empty", "unknown"],
)
def test_a_unit_that_is_written_wrong_is_refused(
    code: str, changed: Mapping[str, Any], problem: str
) -> None:
    whole = {"digits": 2, "conversions": [conversion()], **changed}
    with pytest.raises(PriceParameterError, match=problem):
        UnitRates.read(code, whole)


def conversion(**changed: Any) -> dict[str, Any]:
    return {"currency": "USD", "from": "2024-01-01T00:00:00Z", "rate": "2", **changed}


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        (conversion(), "from: must be later than the one of USD before"),
        (conversion(currency="usd"), "currency: currency: 'usd' is not an ISO 4217 code"),
        (conversion(currency=None), "currency: give a name"),
        (conversion(**{"from": "2024-07-01"}), "from: give an instant with its offset"),
        (conversion(**{"from": "2024-07-01T00:00:00Z", "rate": "0"}), "rate: must be above zero"),
        (conversion(**{"from": "2024-07-01T00:00:00Z", "rate": "-2"}), "rate: must not be"),
        (conversion(**{"from": "2024-07-01T00:00:00Z", "rate": 10**15}), r"rate: must be below"),
        (
            conversion(**{"from": "2024-07-01T00:00:00Z", "rate": "0.0000000000001"}),
            "rate: has more than 12 decimals",
        ),
    ],
    ids=range(8),
)
def test_a_rate_that_is_written_wrong_is_refused_by_its_path(
    second: dict[str, Any], problem: str
) -> None:
    with pytest.raises(PriceParameterError, match=rf"tokens.conversions\[1\].{problem}"):
        UnitRates.read("tokens", {"digits": 2, "conversions": [conversion(), second]})
    if "later" in problem:  # another currency has dates of its own
        another = {**second, "currency": "EUR"}
        UnitRates.read("tokens", {"digits": 2, "conversions": [conversion(), another]})


@pytest.mark.parametrize("code", ["", "USD", "9lives", "a b", "x" * 65, "é"])
def test_a_unit_has_a_name_that_is_no_currency(code: str) -> None:
    with pytest.raises(ValidationError, match="price unit: "):
        PriceUnit(code, 2)


def test_frames_that_break_their_schema_are_refused() -> None:
    rated = rate_period(*inputs([in_unit("1")], [{"": Decimal(1)}]), [in_unit("1")])
    whole = to_convert(rated, "USD", JULY)
    nothing = pl.lit(None, TO_CONVERT["converted_at"])
    for wrong in (rated, whole.with_columns(converted_at=nothing), pl.concat([whole, whole])):
        with pytest.raises(RatingInputError, match="lines: "):
            convert(wrong, [LIST])
    with pytest.raises(RatingInputError, match="price units: "):
        convert(whole, [LIST, LIST])
    with pytest.raises(ValidationError, match="currency: 'tokens'"):
        convert(to_convert(rated, "tokens", JULY), [LIST])
    assert convert(whole[:0], [LIST]).schema == CONVERTED


def test_the_limits_hold_at_their_bounds() -> None:
    big = rates(("USD", NEW_YEAR, "10"))
    one = in_unit("1")
    assert bill([one], [10**15 - 1], [big])["billed_minor"].item() == 10**18 - 1000
    with pytest.raises(AmountTooLargeError, match="sub-0000/"):
        bill([one], [10**15], [big])
    far = rates(("USD", NEW_YEAR, "9" * 15))
    with pytest.raises(AmountTooLargeError, match="sub-0000/"):  # refused, not wrapped
        bill([one], [10**18 - 1], [far])
    fine = rates(("USD", NEW_YEAR, "1"), digits=12)
    assert bill([in_unit("1", fine.unit)], [10**6 - 1], [fine])["billed_minor"].item() == 99999900
    with pytest.raises(AmountTooLargeError):  # 10^18 of the smallest part of the unit
        bill([in_unit("1", fine.unit)], [10**6], [fine])
    many = [("USD", NEW_YEAR + each * INSTANT, "1") for each in range(CONVERSIONS_MAX + 1)]
    assert len(rates(*many[:-1]).conversions) == CONVERSIONS_MAX
    with pytest.raises(PriceParameterError, match="give a list of 1 to 10000 tables"):
        rates(*many)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Price, Decimal, UnitRates, str]:
    digits = draw(st.integers(0, 6))
    into = draw(st.sampled_from(sorted(CURRENCIES)))
    rate = draw(
        st.one_of(
            st.integers(1, 10**14), st.integers(1, 2_000).map(lambda halves: halves * 5 * 10**9)
        )
    )
    adjustments = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "percent_discount": st.integers(0, 10**12).map(lambda each: text(each * 100)),
                "minimum": st.integers(0, 10**6).map(lambda each: text(each * 10**10)),
            },
        )
    )
    name = "unit" if digits else "whole-unit"
    unit = rates((into, NEW_YEAR, text(rate)), digits=digits, code=name)
    amount = text(draw(st.integers(0, 10**14)))
    mode = draw(st.sampled_from(ROUNDING_MODES))
    one = in_unit(amount, unit.unit, adjustments=adjustments, mode=mode)
    sizes = st.one_of(st.integers(-(10**18), 10**18), st.integers(-2_000, 2_000))
    return one, quantity_of(draw(sizes)), unit, into


@settings(max_examples=50)
@given(cases())
def test_frames_equal_fractions(case: tuple[Price, Decimal, UnitRates, str]) -> None:
    one, used, unit, into = case
    billed = bill([one], [used], [unit], into=into)
    said, digits = one.adjustments, CURRENCIES[into]
    exact = Fraction(used) * Fraction(one.parameters["amount"])
    exact *= (100 - Fraction(said.get("percent_discount", 0))) / 100
    rate = Fraction(unit.conversions[0].rate, 10**12)
    line = minor_units(exact * rate, digits, one.rounding_mode)
    fine = one.currency.minor_digits
    shown = minor_units(exact, fine, one.rounding_mode)
    least = minor_units(Fraction(said.get("minimum", 0)), fine, one.rounding_mode)
    true_up = 0
    if used >= 0 and "minimum" in said and shown < least:
        whole = Fraction(least, 10**fine) * rate
        true_up = minor_units(whole, digits, one.rounding_mode) - line
    assert billed.select("billed_minor", "billed_true_up_minor").row(0) == (line, true_up)
    assert true_up >= 0
    assert exact_amounts(billed) == [exact]  # both amounts are kept
    told = amounts_of(derive_conversion(billed))
    assert list(told.values()) == [Fraction(line + true_up, 10**digits)]


def test_the_page_says_what_the_code_does() -> None:
    [(said, table)] = examples("price-units", "price_units")
    [(code, written)] = said.items()
    unit = UnitRates.read(code, written)
    for row in table:
        one = in_unit(row["unit amount"], unit.unit)
        at = datetime.fromisoformat(row["at"])
        billed = bill([one], [row["used"]], [unit], into=row["billed in"], at=at)
        assert exact_amounts(billed) == [Fraction(row["amount"])]
        assert billed["rate"].item() == Decimal(row["rate"])
        digits = Currency(row["billed in"]).minor_digits
        assert billed["billed_minor"].item() == Decimal(row["billed"]).scaleb(digits)
