from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from invoicing.assemble import assemble
from invoicing.document import invoice_document
from invoicing.model import Invoice
from tests.invoicing.builders import billable, plan_line, terms, usage

GOLDEN = sorted((Path(__file__).parent / "invoices").glob("*.toml"))


def made_of(golden: dict[str, Any]) -> Invoice:
    lines = [
        plan_line(
            line["key"],
            line["model"],
            line["parameters"],
            meter_number=number if "usage" in line else None,
            currency=golden["currency"],
            rounding=line.get("rounding", "half_away_from_zero"),
        )
        for number, line in enumerate(golden["line"])
    ]
    bill = billable(1, lines, currency=golden["currency"], time_zone=golden["time_zone"])
    used = [
        (bill, number, subject, quantity)
        for number, line in enumerate(golden["line"])
        for subject, quantity in line.get("usage", {}).items()
    ]
    [invoice] = assemble(terms(), [bill], usage(*used))
    return invoice


def invoice_of(golden: dict[str, Any]) -> dict[str, Any]:
    return invoice_document(made_of(golden))


@pytest.mark.req("INV-16")
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_an_invoice_equals_the_one_worked_by_hand(path: Path) -> None:
    golden = tomllib.loads(path.read_text(encoding="utf-8"))
    document = invoice_of(golden)
    for line, expected in zip(document["lines"], golden["line"], strict=True):
        assert line["key"] == expected["key"]
        assert line["quantity"] == expected["quantity"]
        assert line["amount_exact"] == expected["amount_exact"]
        assert line["amount"] == {"amount": expected["amount"], "currency": golden["currency"]}
    for total in ("subtotal", "total", "amount_due"):
        assert document[total]["amount"] == golden["total"]["amount"]


def test_every_golden_invoice_is_looked_at() -> None:
    assert [path.stem for path in GOLDEN] == ["llm_month", "rounding_modes", "three_digits"]
