"""Price books as data: what is read, and what is refused by its path."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from catalog.price_book import lint_price_book, parse_price_book
from catalog.prices import price_terms
from core.errors import ValidationError
from rating.lint import TierTerms


def book(**changes: Any) -> dict[str, Any]:
    price = {"key": "tokens", "model": "volume", "tiers": [{"unit_amount": "0.5"}]} | changes
    return {
        "currency": "USD",
        "prices": [{name: value for name, value in price.items() if value is not None}],
    }


def test_a_book_is_read_with_its_tiers() -> None:
    tiers = [
        {"up_to": 100, "unit_amount": "0.10", "flat_amount": "1"},
        {"above": "100", "unit_amount": "0"},
    ]
    document = book(tiers=tiers)
    document["prices"] += [
        {"key": "fee", "model": "flat", "amount": "99.00", "currency": "KWD"},
        {"key": "calls", "model": "package", "size": 100, "amount": "5", "free": "100"},
        {"key": "seats", "model": "stairstep", "tiers": [{"flat_amount": "50"}]},
        {
            "key": "jobs",
            "model": "volume_package",
            "rounding": "half_even",
            "adjustments": {"minimum": "10"},
            "tiers": [{"unit_amount": "50", "size": "10"}],
        },
    ]
    tokens, fee, calls, seats, jobs = parse_price_book(document)
    assert tokens.tiers == (
        TierTerms(Decimal(100), Decimal("0.10"), Decimal(1)),
        TierTerms(None, Decimal(0), above=Decimal(100)),
    )
    assert (fee.tiers, fee.price.currency.code, calls.tiers) == (None, "KWD", None)
    flat = TierTerms(None, flat_amount=Decimal(50))
    assert (seats.key, seats.path, seats.tiers) == ("seats", "prices[3]", (flat,))
    assert jobs.tiers == (TierTerms(None, Decimal(50), size=Decimal(10)),)


def test_a_price_is_hashed_by_what_it_says_however_it_is_written() -> None:
    def hash_of(**changes: Any) -> str:
        [one] = parse_price_book(book(**changes))
        return one.price.content_hash

    written = hash_of(tiers=[{"up_to": 100, "unit_amount": "0.50"}, {"unit_amount": "0"}])
    again = hash_of(tiers=[{"unit_amount": "0.5", "up_to": "100.0"}, {"unit_amount": "0.00"}])
    assert (
        written
        == again
        == hash_of(
            key="other",
            tiers=[{"up_to": 100, "unit_amount": "0.5"}, {"above": 100, "unit_amount": 0}],
        )
    )
    cell = {"values": {"region": "1.0"}, "unit_amount": "1"}
    matrix = {"model": "matrix", "tiers": None, "dimensions": ["region"], "cells": [cell]}
    sold = price_terms("per_unit", "USD", {"amount": "3.00", "per": 1_000_000})
    per_unit = {"model": "per_unit", "tiers": None, "amount": "3", "per": "1000000"}
    assert hash_of(**per_unit) == sold.content_hash
    hashes = [
        written,
        hash_of(tiers=[{"up_to": 100, "unit_amount": "0.51"}, {"unit_amount": "0"}]),
        hash_of(**matrix),
        hash_of(**matrix | {"cells": [cell | {"values": {"region": "1"}}]}),
        hash_of(**per_unit),
        hash_of(**per_unit, currency="EUR"),
        hash_of(**per_unit, rounding="up"),
        hash_of(**per_unit, adjustments={"minimum": "1"}),
        hash_of(**per_unit, adjustments={"minimum": "2"}),
    ]
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"prices": []}, "prices: list should have at least 1 item"),
        ({"price": []}, "prices: missing; add it (and 1 more)"),
        (book(key=None), "prices[0].key: missing; add it"),
        (book(key="Tokens!"), "prices[0].key: "),
        (book(currency="usd"), "prices[0].currency: 'usd' is not an ISO 4217 code"),
        (book() | {"currency": None}, "prices[0].currency: missing; write currency = "),
        (
            book(adjustments={"minimum": "2", "maximum": "1"}),
            "prices[0].adjustments.minimum: is above the maximum; lower it",
        ),
        (book(adjustments=["minimum"]), "prices[0].adjustments: "),
        (book(rounding="half"), "prices[0].rounding_mode: use one of half_away_from_zero"),
        (book(model="volum"), "prices[0].model: 'volum' is not a price model; use one of "),
        (book(tiers=None), "prices[0].tiers: missing; add it"),
        (book(tiers=[]), "prices[0].tiers: list should have at least 1 item"),
        (book(tier=[]), "prices[0].tier: there is no such field; check its spelling"),
        (
            book(tiers=[{"unit_amount": 0.5}]),
            'prices[0].tiers[0].unit_amount: write the number in quotes, "0.5"',
        ),
        (
            book(tiers=[{"up_to": "1"}, {"unit_amount": "1"}]),
            "prices[0].tiers[0].unit_amount: missing; add it",
        ),
        (
            book(tiers=[{"unit_amount": "1", "upto": "3"}]),
            "prices[0].tiers[0].upto: there is no such field",
        ),
        (
            book(tiers=[{"unit_amount": "-1"}]),
            "prices[0].tiers[0].unit_amount: give a decimal in quotes that is not negative, ",
        ),
        (
            book(tiers=[{"unit_amount": "0.0000000000001"}]),
            "prices[0].tiers[0].unit_amount: at most 26 digits before the point and 12 after it",
        ),
        (
            book(tiers=[{"unit_amount": "1", "size": "2"}]),
            "prices[0].tiers[0].size: this model does not know it; leave it out",
        ),
        (
            book(model="volume_package"),
            "prices[0].tiers[0].size: give the units of a package, above zero",
        ),
        (
            book(model="stairstep"),
            "prices[0].tiers[0].unit_amount: this model does not know it; leave it out",
        ),
        (
            book(model="package", tiers=None, size="0", amount="1"),
            "prices[0].size: must be",
        ),
        (book(model="package", tiers=None, size="1"), "prices[0].amount: missing"),
        (book(model="matrix", tiers=None), "prices[0].dimensions: give a list of 1 to 3"),
        (book(groups=[{"region": "eu"}]), "prices[0].groups: needs group_by"),
        (
            book(tiers=[{"unit_amount": "1000000000000000"}]),
            "prices[0].tiers[0].unit_amount: must be below 10^15",
        ),
        (book(model="per_unit", tiers=None), "prices[0].amount: missing"),
        (book(model="flat", tiers=None, amount=["1"]), "prices[0].amount: expected a decimal in"),
    ],
)
def test_a_mistake_is_named_by_path_and_fix(document: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as raised:
        parse_price_book(document)
    assert raised.value.message.startswith(message)


@pytest.mark.parametrize(
    "text", ["", ".", ".5", "5.", "1e3", "+1", "٣", "0x1", " 1", "1_000", "NaN", "-1"]
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match=r"unit_amount: give a decimal in quotes"):
        parse_price_book(book(tiers=[{"unit_amount": text}]))


def test_the_digits_of_a_quantity_are_the_limit() -> None:
    most = f"{'9' * 26}.{'9' * 12}"
    tiers = [{"up_to": most, "unit_amount": "1"}, {"unit_amount": "1"}]
    (price,) = parse_price_book(book(tiers=tiers))
    assert price.tiers == (TierTerms(Decimal(most), Decimal(1)), TierTerms(None, Decimal(1)))
    with pytest.raises(ValidationError, match="at most 26 digits"):
        parse_price_book(book(tiers=[{"up_to": f"1{'0' * 26}", "unit_amount": "1"}]))


def test_a_key_names_one_price() -> None:
    document = book()
    document["prices"] *= 2
    with pytest.raises(ValidationError, match=r"prices\[1\]\.key: prices\[0\] is called 'tokens'"):
        parse_price_book(document)


def test_findings_have_the_path_of_the_document() -> None:
    document = book(tiers=[{"up_to": "5", "unit_amount": "7"}, {"unit_amount": "6"}])
    document["prices"].append(
        {"key": "same", "model": "graduated", "tiers": document["prices"][0]["tiers"]}
    )
    ((price, finding),) = lint_price_book(parse_price_book(document))
    assert (price.key, finding.kind, finding.path) == ("tokens", "cliff", "prices[0].tiers[1]")
