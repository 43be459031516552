from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest

from invoicing.assemble import assemble
from invoicing.document import content_hash, document_bytes, invoice_document
from invoicing.model import Invoice
from invoicing.proof import canonical_json
from tests.invoicing.builders import billable, plan_line, terms, usage


def invoice() -> Invoice:
    lines = [
        plan_line("fee", "flat", {"amount": "49.00"}),
        plan_line("tokens", "per_unit", {"amount": "0.50", "per": "1000000"}, meter_number=1),
    ]
    bill = billable(1, lines)
    [made] = assemble(terms(), [bill], usage((bill, 1, "a", "3000000.5")))
    return made


def test_amounts_and_quantities_are_text_and_nothing_is_a_float() -> None:
    document = json.loads(document_bytes(invoice()), parse_float=pytest.fail)
    assert document["total"] == {"amount": "50.50", "currency": "EUR"}  # 49.00 + 1.50000025
    tokens = document["lines"][1]
    assert tokens["quantity"] == "3000000.5"
    assert tokens["unit_amount"] == "0.0000005"
    assert tokens["amount_exact"] == "1.50000025"
    assert document["cut"] == {"1/0": 123, "1/1": 99}
    assert document["issued_at"] == "2023-12-01T00:00:00Z"


def test_the_content_hash_outlives_numbering_and_sees_any_other_change() -> None:
    draft = invoice()
    opened = dataclasses.replace(draft, number="INV-000001", status="open")
    assert content_hash(draft) == content_hash(opened)
    assert document_bytes(draft) != document_bytes(opened)
    assert content_hash(dataclasses.replace(draft, total_minor=5051)) != content_hash(draft)


def test_anyone_can_recompute_the_content_hash_from_the_document() -> None:
    document = invoice_document(invoice())
    stated = document.pop("content_hash")
    del document["number"], document["status"]
    assert hashlib.sha256(canonical_json(document)).hexdigest() == stated


def test_canonical_json_has_one_form() -> None:
    assert canonical_json({"b": [1, "é"], "a": None}) == '{"a":null,"b":[1,"é"]}'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": float("nan")})


def test_what_a_sandbox_bills_is_marked_and_all_else_stays_as_it_was() -> None:
    real = invoice()
    marked = dataclasses.replace(real, sandbox=True)
    documents = invoice_document(real), invoice_document(marked)
    assert "sandbox" not in documents[0]
    assert documents[1] == documents[0] | {
        "sandbox": True,
        "content_hash": content_hash(marked),
    }
    assert content_hash(marked) != content_hash(real)
