"""A parent pays in advance for its children: each credit goes to the child that it comes from.

April 2024 has 30 days: a day of a fee of 30.00 is 1.00.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest

from core.endpoints import Endpoints
from db.postgres import Database
from documents.pdf import invoice_pdf
from documents.view import invoice_view
from invoicing.document import invoice_document
from invoicing.model import Invoice
from subscriptions.commands import Cancel, Reactivate
from tests.scenarios.stories.teller import Line, Town, lines_of, on
from tests.scenarios.stories.test_in_advance import fee
from tests.scenarios.stories.test_paying_parents import add, become

PLANS = {"basic": [fee("30.00")], "pro": [fee("90.00")]}
APRIL, MAY, JUNE = on(4, 1), on(5, 1), on(6, 1)


@pytest.fixture
def town(installation: Endpoints, seed: int) -> Iterator[Town]:
    with Database(installation.postgres) as database:
        town = Town.build(installation, database, random.Random(seed), PLANS)
        add(town, "group")
        for child, plan in (("ada", "basic"), ("bob", "pro")):
            become(town, child, parent="group", payer="parent")
            town.subscribe(APRIL, plan, payer=child, slug=child)
        yield town


def groups_of(invoice: Invoice) -> list[tuple[str, str, list[Line], int]]:
    """Of whom, of which kind, lines and total."""
    return [
        (each.paid_for.name if each.paid_for else "", each.kind, lines_of(each), each.total_minor)
        for each in invoice.groups
    ]


def told(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The rows below the lines of each group, as they are printed."""
    rows = invoice_view(document)["rows"]
    return [(row["description"], row["amount"]) for row in rows if row["part"] == "sum"]


def test_a_credit_stays_with_the_child_that_it_comes_from(town: Town) -> None:
    [opening] = town.close(APRIL)
    assert groups_of(opening) == [
        ("Ada", "opening", [("fee", "04-01..05-01", 30_00)], 30_00),
        ("Bob", "opening", [("fee", "04-01..05-01", 90_00)], 90_00),
    ]
    assert opening.total_minor == 120_00
    town.do(on(4, 11), Cancel("now"), "ada")
    [april] = town.close(MAY)
    assert groups_of(april) == [
        # -30.00, and 10 of 30 days: 20.00 are left, and Bob does not get them.
        ("Ada", "period", [("fee", "04-01..05-01", -30_00), ("fee", "04-01..04-11", 10_00)], 0),
        ("Bob", "period", [("fee", "05-01..06-01", 90_00)], 90_00),
    ]
    assert april.total_minor == 90_00
    assert april.groups[0].lines[0].settles == opening.groups[0].lines[0].line_id
    found = {slug: town.desk(MAY).find(slug).credit_minor for slug in ("ada", "bob")}
    assert found == {"ada": 20_00, "bob": 0}
    town.do(on(5, 11), Reactivate(), "ada")
    [may] = town.close(JUNE)
    assert groups_of(may) == [
        # 30.00 x 21 of 31 days = 20.32, less the 20.00.
        ("Ada", "opening", [("fee", "05-11..06-01", 20_32)], 32),
        ("Ada", "period", [("fee", "06-01..07-01", 30_00)], 30_00),
        ("Bob", "period", [("fee", "06-01..07-01", 90_00)], 90_00),
    ]
    assert may.total_minor == 120_32
    assert town.desk(JUNE).find("ada").credit_minor == 0


def test_groups_with_credits_add_up_as_they_are_printed(town: Town) -> None:
    town.close(APRIL)
    town.do(on(4, 11), Cancel("now"), "ada")
    [april] = town.close(MAY)
    document = invoice_document(april)
    assert told(document) == [
        ("Credit carried on", "20.00"),
        ("Subtotal \N{MIDDLE DOT} Ada", "0.00"),
        ("Subtotal \N{MIDDLE DOT} Bob", "90.00"),
    ]
    left = Decimal(0)
    for row in invoice_view(document)["rows"]:
        amount = Decimal(row["amount"].replace("\N{MINUS SIGN}", "-") or 0)
        if row["description"].startswith("Subtotal"):
            assert amount == left
            left = Decimal(0)
        else:
            left += amount
    assert invoice_pdf(document).startswith(b"%PDF")
