"""The set-up file: its example holds, and what is wrong is named by its path."""

from __future__ import annotations

import inspect
import tomllib
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.errors import ValidationError
from subscriptions import document as module
from subscriptions.document import instant, parse_document
from tests.subscriptions.world import customer, document, plan, subscription


def example() -> str:
    """The TOML in the module's docstring."""
    lines = inspect.cleandoc(module.__doc__ or "").splitlines()
    return "\n".join(line[4:] for line in lines if line.startswith("    "))


def test_the_example_is_a_file_that_is_accepted() -> None:
    parsed = parse_document(tomllib.loads(example()))
    assert parsed.customers[0].subjects[0].subject == "contoso-chat"
    assert parsed.customers[0].subjects[1].valid_from == date(2024, 1, 1)
    price = parsed.plans[0].rate_cards[1].price
    assert price is not None
    assert price["per"] == 1_000_000


def _plan_with(price: dict[str, Any]) -> dict[str, Any]:
    made = plan()
    made["rate_cards"][1]["price"] = price
    return made


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"tenant": {"slug": "acme"}}, "tenant.name: missing; add it"),
        ({"metres": []}, "metres: there is no such field; check its spelling"),
        (
            {"customers": [customer(), customer("b", subjects=["x", {"subjct": "y"}])]},
            "customers[1].subjects[1].subject: missing; add it (and 1 more)",
        ),
        (
            {"customers": [customer(subjects=[""])]},
            "customers[0].subjects[0].subject: string should have at least 1 character, got ''",
        ),
        (
            {"plans": [_plan_with({"model": "per_unit", "amount": 3.5})]},
            (
                "plans[0].rate_cards[1].price.amount: write the number in quotes,"
                ' "3.5", so that it stays exact'
            ),
        ),
        (
            {"subscriptions": [subscription(anchor="soon")]},
            "subscriptions[0].anchor: input should be a valid datetime, got 'soon'",
        ),
        (
            {"subscriptions": [subscription(billing_cycle=1)]},
            "subscriptions[0].billing_cycle: input should be a valid string, got 1",
        ),
    ],
)
def test_a_mistake_is_named_by_path_and_fix(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as raised:
        parse_document(document(**parts))
    assert raised.value.message == message


def test_a_wall_time_is_meant_in_the_customers_zone_unless_it_has_an_offset() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    midnight = datetime(2023, 10, 31, 23, tzinfo=UTC)
    assert instant(date(2023, 11, 1), berlin) == midnight
    assert instant(midnight.astimezone(berlin).replace(tzinfo=None), berlin) == midnight
    assert instant(midnight, berlin) == midnight
