"""A parent pays for its children: who gets which invoice, in which order, in whose currency."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import BusinessLogicError
from core.ids import format_id
from documents.pdf import invoice_pdf
from documents.view import invoice_view
from invoicing.document import invoice_document
from invoicing.model import PaidFor
from subscriptions.customers.customer import Customer, read_customer
from subscriptions.customers.facts import CustomerFacts, NewCustomer, facts_of
from subscriptions.customers.register import change_customer, create_customer
from tests.scenarios.stories.teller import Town, lines_of, on

MAY = on(5, 1)
ADDRESS = {"billing_info": {"name": "Group SE", "address": ["Allee 1"], "tax_id": "DE1"}}


def become(town: Town, slug: str, **facts: Any) -> Customer:
    changed = town.call(
        on(3, 2),
        lambda conn, clock: change_customer(
            conn, clock, town.tenant_id, slug, facts_of(CustomerFacts, facts)
        ),
    )
    assert isinstance(changed, Customer)
    return changed


def add(town: Town, slug: str, **facts: Any) -> Customer:
    wanted = facts_of(NewCustomer, {"slug": slug, "currency": "EUR", **facts})
    made = town.call(
        on(3, 2), lambda conn, clock: create_customer(conn, clock, town.tenant_id, wanted)
    )
    assert isinstance(made, Customer)
    return made


def test_a_parent_gets_its_childrens_invoices_and_each_says_whose_it_is(town: Town) -> None:
    group = add(town, "group", **ADDRESS)
    town.use("ada-app", on(4, 5), "500")
    for child in ("ada", "bob"):
        become(town, child, parent="group", payer="parent")
        town.subscribe(on(4, 1), "basic", payer=child, slug=child)
    town.subscribe(on(4, 1), "basic", payer="group", slug="own", subjects=["group-app"])
    found = town.close(MAY)
    assert [each.number for each in found] == ["INV-000001", "INV-000002", "INV-000003"]
    assert {each.customer_id for each in found} == {group.id}
    assert {each.buyer["name"] for each in found} == {"Group SE"}
    paid_for = {each.paid_for.name if each.paid_for else "": each for each in found}
    assert sorted(paid_for) == ["", "Ada", "Bob"]
    assert lines_of(paid_for["Ada"]) == [
        ("fee", "04-01..05-01", 30_00),
        ("tokens", "04-01..05-01", 5_00),
    ]
    ada = town.call(MAY, lambda conn, _: read_customer(conn, town.tenant_id, "ada"))
    assert paid_for["Ada"].paid_for == PaidFor(ada.id, "Ada")
    document = invoice_document(paid_for["Ada"])
    assert document["buyer"]["id"] == format_id("cus", group.id)
    assert document["for"] == {"customer": format_id("cus", ada.id), "name": "Ada"}
    assert "for" not in invoice_document(paid_for[""])
    assert invoice_view(document)["used_by"] == "Ada"
    assert invoice_pdf(document).startswith(b"%PDF")


def test_numbers_of_one_payer_are_side_by_side(town: Town) -> None:
    """Ada was there before Bob, and Bob before the group: by themselves, they would be 1 and 2."""
    add(town, "group")
    add(town, "zoe")
    become(town, "ada", parent="group", payer="parent")
    for payer in ("ada", "bob", "group", "zoe"):
        town.subscribe(on(4, 1), "basic", payer=payer, slug=payer)
    names = [str(each.buyer["name"]) for each in town.close(MAY)]
    assert names.count("group") == 2
    first = names.index("group")
    assert names[first : first + 2] == ["group", "group"]


def test_the_nearest_that_pays_for_itself_pays(town: Town) -> None:
    add(town, "group")
    add(town, "region", parent="group", payer="self")
    add(town, "team", parent="region", payer="parent")
    become(town, "ada", parent="team", payer="parent")
    become(town, "bob", parent="group")
    town.subscribe(on(4, 1), "basic", payer="ada", slug="ada")
    town.subscribe(on(4, 1), "basic", payer="bob", slug="bob")
    found = {
        each.paid_for.name if each.paid_for else str(each.buyer["name"]): each.buyer["name"]
        for each in town.close(MAY)
    }
    assert found == {"Ada": "region", "Bob": "Bob"}


def test_who_pays_for_another_pays_in_the_same_currency(town: Town) -> None:
    add(town, "swiss", currency="CHF")
    message = "'{}' has {} and is paid for by '{}', which has {}"
    with pytest.raises(BusinessLogicError, match=message.format("ada", "EUR", "swiss", "CHF")):
        become(town, "ada", parent="swiss", payer="parent")
    with pytest.raises(BusinessLogicError, match=message.format("new", "EUR", "swiss", "CHF")):
        add(town, "new", parent="swiss", payer="parent")
    become(town, "ada", parent="swiss")
    with pytest.raises(BusinessLogicError, match="currency: customer 'ada' has EUR"):
        become(town, "ada", payer="parent")
    add(town, "group")
    become(town, "ada", parent="group", payer="parent")
    with pytest.raises(BusinessLogicError, match="'group' has CHF and pays for 'ada', which has"):
        become(town, "group", currency="CHF")
    become(town, "ada", payer="self")
    assert become(town, "group", currency="CHF").currency.code == "CHF"
