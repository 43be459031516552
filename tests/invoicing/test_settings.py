from __future__ import annotations

from typing import Any

import pytest

from core.errors import TollbookError
from invoicing.settings import party, tenant_terms


def test_a_tenant_that_says_nothing_sends_invoices_in_its_own_name() -> None:
    terms = tenant_terms("Acme", {})
    assert terms.seller == {
        "name": "Acme", "address": [], "email": None, "tax_id": None, "payment": []
    }  # fmt: skip
    assert (terms.prefix, terms.payment_days) == ("INV-", 30)


def test_what_a_tenant_says_is_taken_as_it_stands() -> None:
    seller = {"name": "Acme GmbH", "address": ["A", "B"], "payment": ["IBAN X"], "tax_id": "DE1"}
    given = {"seller": seller, "number_prefix": "R-", "payment_days": 0}
    terms = tenant_terms("Acme", {"invoicing": given})
    assert terms.seller == {**seller, "email": None}
    assert (terms.prefix, terms.payment_days) == ("R-", 0)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"invoicing": []}, "invoicing: expected a table"),
        ({"invoicing": {"number_prefix": ""}}, r"invoicing\.number_prefix: 1 to 32"),
        ({"invoicing": {"payment_days": "30"}}, r"invoicing\.payment_days: expected 0 to 365"),
        ({"invoicing": {"seller": {"address": [1]}}}, r"invoicing\.seller\.address: expected"),
        ({"invoicing": {"seller": {"email": 5}}}, r"invoicing\.seller\.email: expected text"),
    ],
)
def test_a_malformed_setting_is_refused_by_name(metadata: dict[str, Any], message: str) -> None:
    with pytest.raises(TollbookError, match=message):
        tenant_terms("Acme", metadata)


def test_an_address_in_one_text_becomes_lines_and_a_party_needs_a_name() -> None:
    assert party({"address": "A\nB"}, "x", "N")["address"] == ["A", "B"]
    with pytest.raises(TollbookError, match=r"billing_info\.name: missing"):
        party({}, "billing_info", " ")
