"""What is told of a customer is checked, and named by its path where it is wrong."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import pytest

from core.countries import COUNTRIES
from core.errors import ValidationError
from subscriptions.customers.facts import (
    ADDRESS_LINES_MAX,
    EMAIL_CHARACTERS_MAX,
    LINE_CHARACTERS_MAX,
    TAX_ID_CHARACTERS_MAX,
    TAX_IDS_MAX,
    CustomerFacts,
    facts_of,
)


def tax_ids(count: int) -> list[dict[str, str]]:
    return [{"type": "eu_vat", "value": f"DE{n}"} for n in range(count)]


LONGEST = f"{'a' * (EMAIL_CHARACTERS_MAX - 10)}@b.example"
GOOD: list[dict[str, Any]] = [
    {},
    {"address": ["x" * LINE_CHARACTERS_MAX] * ADDRESS_LINES_MAX},
    {"postal_address": {"country": "DE"}},
    {"tax_ids": tax_ids(TAX_IDS_MAX)},
    {"tax_ids": [{"type": "t" * 32, "value": "v" * TAX_ID_CHARACTERS_MAX}]},
    {"tax_ids": [{"type": "a", "value": "1"}, {"type": "b", "value": "1"}]},
    {"tax_id": "DE 123", "email": LONGEST, "name": "Ünïcode & Söhne"},
]


@pytest.mark.parametrize("info", GOOD)
def test_what_is_within_the_limits_is_kept_as_it_is(info: dict[str, Any]) -> None:
    facts = facts_of(CustomerFacts, {"billing_info": info})
    assert facts.billing_info is not None
    assert facts.billing_info.as_document() == info


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"address": ["x"] * (ADDRESS_LINES_MAX + 1)}, "billing_info.address: "),
    ({"address": ["x" * (LINE_CHARACTERS_MAX + 1)]}, "billing_info.address[0]: "),
    ({"address": ["a", "b\nc"]}, "billing_info.address[1]: a control character"),
    ({"address": [" a"]}, "billing_info.address[0]: there is a space"),
    ({"postal_address": {"city": "Berlin"}}, "billing_info.postal_address.country: missing"),
    ({"postal_address": {"country": "de"}}, "billing_info.postal_address.country: write"),
    ({"postal_address": {"country": "XX"}}, "billing_info.postal_address.country: write"),
    ({"postal_address": {"country": "DE", "line1": ""}}, "billing_info.postal_address.line1: "),
    ({"postal_address": {"country": "DE", "zip": "1"}}, "billing_info.postal_address.zip: there"),
    (
        {"postal_address": {"country": "DE"}, "address": ["a"]},
        "billing_info: address: give its lines, or postal_address",
    ),
    ({"email": "nobody"}, "billing_info.email: write it as name@host"),
    ({"email": "a b@c"}, "billing_info.email: write it as name@host"),
    ({"email": "a" + LONGEST}, "billing_info.email: "),
    ({"tax_ids": tax_ids(TAX_IDS_MAX + 1)}, "billing_info.tax_ids: "),
    ({"tax_ids": tax_ids(1) * 2}, "billing_info: tax_ids: one is there twice"),
    ({"tax_ids": [{"type": "EU VAT", "value": "1"}]}, "billing_info.tax_ids[0].type: give"),
    ({"tax_ids": [{"type": "eu_vat", "value": ""}]}, "billing_info.tax_ids[0].value: "),
    (
        {"tax_ids": [{"type": "eu_vat", "value": "1" * (TAX_ID_CHARACTERS_MAX + 1)}]},
        "billing_info.tax_ids[0].value: ",
    ),
    ({"tax_ids": [{"type": "eu_vat", "value": "1\x7f"}]}, "billing_info.tax_ids[0].value: a"),
    ({"tax_id": "1", "tax_ids": tax_ids(1)}, "billing_info: tax_id: give it, or tax_ids"),
]


@pytest.mark.parametrize(("info", "message"), WRONG)
def test_what_is_wrong_is_named(info: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match="^" + re.escape(message)):
        facts_of(CustomerFacts, {"billing_info": info})


def test_countries_are_those_of_the_time_zone_database() -> None:
    listed = files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text(encoding="utf-8")
    codes = {line[:2] for line in listed.splitlines() if not line.startswith("#")}
    assert codes == COUNTRIES
