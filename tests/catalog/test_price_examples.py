"""Examples of prices: usage of every kind, and what is refused by its path."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.price_book import parse_price_book
from catalog.price_examples import EVENTS_MAX, EXAMPLES_MAX, Outcome, check_example, parse_examples
from core.errors import ValidationError

BOOK = {
    "currency": "EUR",
    "prices": [
        {"key": "tokens", "model": "per_unit", "amount": "0.5", "adjustments": {"minimum": "3"}},
        {"key": "storage", "model": "per_unit", "amount": "0.25", "group_by": ["region", "az"]},
        {"key": "fee", "model": "flat", "amount": "49"},
        {
            "key": "size",
            "model": "matrix",
            "dimensions": ["size"],
            "cells": [{"values": {"size": "xl"}, "unit_amount": "2"}],
        },
        {"key": "pay", "model": "percentage", "rate": "1", "minimum": "0.5"},
        {"key": "sent", "model": "dynamic", "group_by": ["region"]},
        {
            "key": "calls",
            "model": "time_of_day",
            "bands": [{"from": "08:00", "to": "18:00", "unit_amount": "1"}, {"unit_amount": "0.5"}],
        },
    ],
}


def outcomes(*examples: dict[str, Any]) -> list[Outcome]:
    prices = parse_price_book(BOOK)
    return [check_example(each) for each in parse_examples({"examples": [*examples]}, prices)]


def test_an_amount_is_what_is_billed_and_exact_what_it_is_made_of() -> None:
    used = [{"region": "eu", "az": "1", "quantity": "3.5"}, {"region": "us", "az": "1"}]
    used[1]["quantity"] = "2"
    found = outcomes(
        {"price": "tokens", "quantity": "3", "amount": "3", "exact": "1.5"},  # up to the minimum
        {"price": "tokens", "quantity": "-3", "amount": "-1.50"},
        {"price": "storage", "used": used, "amount": "1.38", "exact": "1.375"},
        {"price": "storage", "used": [], "amount": "0"},
        {"price": "fee", "amount": "49.00"},
    )
    assert [each.passed for each in found] == [True] * len(found)
    assert [each.billed for each in found] == ["3.00", "-1.50", "1.38", "0.00", "49.00"]


def test_what_differs_or_cannot_be_priced_fails_alone() -> None:
    small = [{"size": "s", "quantity": "1"}]
    found = outcomes(
        {"price": "tokens", "quantity": "10", "amount": "5.01"},
        {"price": "tokens", "quantity": "10", "exact": "5.001"},
        {"price": "size", "used": small, "amount": "2"},
        {"price": "tokens", "quantity": "0.0000000000001", "amount": "0"},
        {"price": "tokens", "quantity": "10", "amount": "5"},
    )
    assert [each.passed for each in found] == [False, False, False, False, True]
    assert found[0].told[-1].split() == ["billed", "5.00", "EUR"]
    assert "does not list" in found[2].told[0]
    assert "is no decimal" in found[3].told[0]


def test_a_document_has_at_most_a_thousand_examples() -> None:
    prices = parse_price_book(BOOK)
    one = {"price": "fee", "amount": "49"}
    assert len(parse_examples({"examples": [one] * EXAMPLES_MAX}, prices)) == EXAMPLES_MAX
    with pytest.raises(ValidationError, match="examples: list should have at most 1000 items"):
        parse_examples({"examples": [one] * (EXAMPLES_MAX + 1)}, prices)


@pytest.mark.parametrize(
    ("example", "message"),
    [
        ({"price": "token", "quantity": "1", "amount": "1"}, "price: 'token' is not in the book"),
        ({"quantity": "1", "amount": "1"}, "price: missing; name one of"),
        ({"price": "tokens", "amount": "1"}, "quantity: give what was used"),
        ({"price": "tokens", "quantity": "1"}, "amount: missing; say what is billed"),
        ({"price": "tokens", "quantity": "1", "amount": "1.005"}, "amount: EUR has 2 decimals"),
        ({"price": "tokens", "quantity": "1", "amount": "x"}, "amount: give a decimal in quotes"),
        ({"price": "tokens", "quantity": 0.5, "amount": "1"}, "quantity: write the number in"),
        ({"price": "tokens", "quantity": "1", "amout": "1"}, "amout: there is no such field"),
        ({"price": "fee", "quantity": "1", "amount": "49"}, "quantity: flat takes no usage"),
        ({"price": "storage", "quantity": "1", "amount": "1"}, "used: give a list of tables"),
        (
            {"price": "storage", "used": [{"region": "eu", "quantity": "1"}], "amount": "1"},
            'used: give a list of tables, each { az = "…", region = "…", quantity = "…" }',
        ),
    ],
)
def test_mistakes_are_refused_by_path(example: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        outcomes(example)
    assert caught.value.message.startswith(f"examples[0].{message}")


def test_events_are_priced_one_by_one() -> None:
    late = {"value": "120", "time": "2026-11-20T16:59:00Z", "zone": "Europe/Berlin"}
    sent = [{"value": "1", "amount": "0.7", "region": "eu"}, {"value": "1", "region": "us"}]
    found = outcomes(
        {"price": "pay", "events": [{"value": "10"}, {"value": "100"}], "amount": "1.50"},
        {"price": "pay", "events": [{"value": "110"}], "exact": "1.1"},
        {"price": "calls", "events": [late], "amount": "90"},
        {"price": "calls", "events": [late | {"zone": "UTC"}], "amount": "120"},
        {"price": "sent", "events": sent[:1], "exact": "0.7"},
        {"price": "sent", "events": sent, "exact": "0.7"},
    )
    assert [each.passed for each in found] == [True] * 5 + [False]
    assert "carry none" in found[5].told[0]


@pytest.mark.parametrize(
    ("example", "problem"),
    [
        ({"price": "pay", "quantity": "1"}, "events: give a list of tables, each { value"),
        ({"price": "pay", "events": []}, "events: list should have at least 1 item"),
        ({"price": "pay", "events": [{"value": "1", "region": "eu"}]}, "events: give a list"),
        ({"price": "sent", "events": [{"value": "1"}]}, r'events: give .*region = "…"'),
        (
            {"price": "tokens", "quantity": "1", "events": [{"value": "1"}]},
            "reads no single events",
        ),
        ({"price": "pay", "events": [{"value": "0.0000000000001"}]}, "at most 12 digits"),
        ({"price": "pay", "events": [{"value": "1", "time": "noon"}]}, "time: "),
        ({"price": "pay", "events": [{"value": "1", "time": "2026-11-20T12:00:00"}]}, "time: "),
        ({"price": "calls", "events": [{"value": "1", "zone": "Mars/Rim"}]}, "Mars/Rim"),
        ({"price": "pay", "events": [{"value": "1"}] * (EVENTS_MAX + 1)}, "at most 1000 items"),
    ],
)
def test_events_that_are_wrong_are_refused_by_their_path(
    example: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem) as raised:
        outcomes(example | {"amount": "1"})
    assert raised.value.message.startswith("examples[0].events")


SUPPORT = {
    "currency": "EUR",
    "prices": [
        {"key": "support", "model": "percent_of_lines", "percent": "3", "lines": ["compute", "s-*"]}
    ],
}


def test_a_percentage_is_of_the_lines_that_the_example_gives() -> None:
    prices = parse_price_book(SUPPORT)
    lines = {"compute": "3000", "s-hot": "1000.10", "seats": "700"}
    document = {"examples": [{"lines": lines, "amount": "120.00", "exact": "120.003"}]}
    [found] = [check_example(each) for each in parse_examples(document, prices)]
    assert found.passed, found
    assert any("4000.1" in line for line in found.told)


@pytest.mark.parametrize(
    ("example", "message"),
    [
        ({}, r"examples\[0\].lines: give what other lines bill, such as"),
        ({"lines": {}}, r"examples\[0\].lines: give what other lines bill, such as"),
        ({"lines": {"support": "1"}}, r"examples\[0\].lines: 'support' is no key of another line"),
        ({"lines": {"compute": "1.001"}}, r"examples\[0\].lines.compute: EUR has 2 decimals"),
        ({"lines": {"compute": "x"}}, r"lines.compute: give a decimal in quotes"),
        ({"quantity": "1"}, r"examples\[0\].quantity: percent_of_lines takes no usage"),
    ],
)
def test_lines_that_are_none_are_refused(example: dict[str, Any], message: str) -> None:
    prices = parse_price_book(SUPPORT)
    with pytest.raises(ValidationError, match=message):
        parse_examples({"examples": [{"amount": "1", **example}]}, prices)


def test_only_a_percentage_is_of_lines() -> None:
    with pytest.raises(ValidationError, match="lines: flat is not of other lines; leave it out"):
        outcomes({"price": "fee", "amount": "49", "lines": {"a": "1"}})
