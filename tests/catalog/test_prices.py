"""Prices: checked, exact, and known by their content."""

from __future__ import annotations

import hashlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.prices import price_terms
from core.errors import ValidationError

AMOUNTS = st.decimals(min_value=0, max_value=10**9, places=6, allow_nan=False)


def test_a_price_per_million_is_kept_as_written() -> None:
    terms = price_terms("per_unit", "USD", {"amount": "3.00", "per": 1_000_000})
    assert terms.parameters == {"amount": "3", "per": "1000000"}
    assert terms.rounding == "half_away_from_zero"
    assert terms.metered


def test_a_hash_is_that_of_the_canonical_text() -> None:
    # The expected text is written out here, and hashed by nothing of ours.
    text = '{"currency":"USD","model":"flat","parameters":{"amount":"9.9"},"rounding":"half_even"}'
    terms = price_terms("flat", "USD", {"amount": "9.90"}, "half_even")
    assert terms.content_hash == hashlib.sha256(text.encode()).hexdigest()
    assert not terms.metered


@given(amount=AMOUNTS, zeros=st.integers(0, 4))
def test_the_same_number_written_otherwise_is_the_same_price(amount: Decimal, zeros: int) -> None:
    plain = price_terms("flat", "EUR", {"amount": f"{amount:f}"})
    padded = price_terms("flat", "EUR", {"amount": f"{amount:f}" + "0" * zeros})
    assert plain.content_hash == padded.content_hash
    assert Decimal(plain.parameters["amount"]) == amount


@given(first=AMOUNTS, second=AMOUNTS)
def test_other_numbers_make_other_prices(first: Decimal, second: Decimal) -> None:
    hashes = {
        price_terms("flat", "EUR", {"amount": f"{n:f}"}).content_hash for n in (first, second)
    }
    assert len(hashes) == len({first, second})


def test_model_currency_and_rounding_are_content() -> None:
    hashes = {
        price_terms("flat", "EUR", {"amount": "1"}).content_hash,
        price_terms("flat", "USD", {"amount": "1"}).content_hash,
        price_terms("flat", "EUR", {"amount": "1"}, "down").content_hash,
        price_terms("per_unit", "EUR", {"amount": "1"}).content_hash,
    }
    assert len(hashes) == 4


def test_prices_of_before_there_were_others_keep_their_hashes() -> None:
    flat = price_terms("flat", "USD", {"amount": "9.90"}, "half_even")
    per_unit = price_terms("per_unit", "EUR", {"amount": "3.00", "per": 1_000_000})
    assert [flat.content_hash[:16], per_unit.content_hash[:16]] == [
        "bbe307f69af2534a",
        "445ff3f867910e9b",
    ]


def test_whole_numbers_stay_whole_and_what_stands_around_is_hashed() -> None:
    plain = price_terms("percentage", "EUR", {"rate": "2.90", "free_events": 3})
    assert plain.parameters == {"rate": "2.9", "free_events": 3}
    around = price_terms("flat", "EUR", {"amount": "1"}, adjustments={"minimum": "2.0"})
    assert around.adjustments == {"minimum": "2"}
    assert around.content_hash != price_terms("flat", "EUR", {"amount": "1"}).content_hash
    assert around.as_price("id").adjustments == around.adjustments


def test_tiers_that_leave_a_gap_are_not_sold_and_a_cliff_is() -> None:
    cliff = [{"up_to": "5", "unit_amount": "7"}, {"unit_amount": "6"}]
    assert price_terms("volume", "EUR", {"tiers": cliff}).parameters == {"tiers": cliff}
    gap = [cliff[0], {"above": "6", "unit_amount": "6"}]
    with pytest.raises(ValidationError, match=r"^tiers\[1\].above: quantities above 5 up to 6"):
        price_terms("volume", "EUR", {"tiers": gap})


@pytest.mark.parametrize(
    ("model", "currency", "parameters", "rounding", "field"),
    [
        ("per_unit", "USD", {"amount": "1", "per": 3}, "half_even", "per"),
        ("per_unit", "USD", {"amount": "0.0000000000001"}, "half_even", "amount"),
        ("per_unit", "USD", {"amount": "1e3"}, "half_even", "amount"),
        ("per_unit", "USD", {"amount": "-1"}, "half_even", "amount"),
        ("per_unit", "USD", {"amount": "NaN"}, "half_even", "amount"),
        ("per_unit", "USD", {"amount": 1.5}, "half_even", "amount"),
        ("per_unit", "USD", {}, "half_even", "amount"),
        ("flat", "USD", {"amount": "1", "per": 3}, "half_even", "per"),
        ("flat", "usd", {"amount": "1"}, "half_even", "currency"),
        ("tiered", "USD", {"amount": "1"}, "half_even", "model"),
        ("package", "USD", {"amount": "1", "size": 0}, "half_even", "size"),
        ("flat", "USD", {"amount": "1"}, "bankers", "rounding_mode"),
    ],
)
def test_a_price_that_breaks_its_contract_is_refused_by_field(
    model: str, currency: str, parameters: dict[str, str | int], rounding: str, field: str
) -> None:
    with pytest.raises(ValidationError, match=f"^{field}: "):
        price_terms(model, currency, parameters, rounding)
