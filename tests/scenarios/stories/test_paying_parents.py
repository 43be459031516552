"""A parent pays for its children: who gets which invoice, in which order, in whose currency."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest

from core.clock import ManualClock
from core.errors import BusinessLogicError
from core.ids import format_id
from db.postgres import Connection
from documents.pdf import invoice_pdf
from documents.view import invoice_view
from invoicing.document import document_bytes, invoice_document
from invoicing.model import Invoice, PaidFor
from invoicing.proof import canonical_json
from invoicing.store import find_invoice, select_invoices
from subscriptions.customers.customer import Customer, read_customer
from subscriptions.customers.facts import CustomerFacts, NewCustomer, facts_of
from subscriptions.customers.register import change_customer, create_customer
from subscriptions.customers.subjects import SINCE_EVER, link_subject
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


def link(town: Town, slug: str) -> None:
    def linked(conn: Connection, clock: ManualClock) -> None:
        customer = read_customer(conn, town.tenant_id, slug)
        link_subject(conn, clock, customer, f"{slug}-app", SINCE_EVER, None)

    town.call(on(3, 2), linked)


def test_a_parent_gets_one_invoice_with_a_group_for_each_child(town: Town) -> None:
    """30.00 each, and 500 tokens of Ada at 0.01: 30.00 + 35.00 + 30.00 = 95.00."""
    group = add(town, "group", **ADDRESS)
    town.use("ada-app", on(4, 5), "500")
    for child in ("ada", "bob"):
        become(town, child, parent="group", payer="parent")
        town.subscribe(on(4, 1), "basic", payer=child, slug=child)
    town.subscribe(on(4, 1), "basic", payer="group", slug="own", subjects=["group-app"])
    [found] = town.close(MAY)
    assert (found.number, found.customer_id) == ("INV-000001", group.id)
    assert (found.buyer["name"], found.total_minor) == ("Group SE", 95_00)
    assert [each.paid_for and each.paid_for.name for each in found.groups] == [None, "Ada", "Bob"]
    assert {(each.status, each.number) for each in found.groups} == {("part", None)}
    assert lines_of(found.groups[1]) == [
        ("fee", "04-01..05-01", 30_00),
        ("tokens", "04-01..05-01", 5_00),
    ]
    ada = town.call(MAY, lambda conn, _: read_customer(conn, town.tenant_id, "ada"))
    assert found.groups[1].paid_for == PaidFor(ada.id, "Ada")
    document = invoice_document(found)
    assert document["format"] == "tollbook.invoice.2"
    assert document["buyer"]["id"] == format_id("cus", group.id)
    own, first, _ = document["groups"]
    assert "for" not in own
    assert first["for"] == {"customer": format_id("cus", ada.id), "name": "Ada"}
    rows = invoice_view(document)["rows"]
    heads = [row["description"] for row in rows if row["part"] == "head"]
    assert heads == ["Group SE", "Ada", "Bob"]
    assert [row["amount"] for row in rows if row["part"] == "sum"] == ["30.00", "35.00", "30.00"]
    assert invoice_pdf(document).startswith(b"%PDF")


def test_a_group_can_be_checked_by_itself(town: Town) -> None:
    """It is the draft that it was: its own document, with the hash that the invoice says."""
    add(town, "group")
    for child in ("ada", "bob"):
        become(town, child, parent="group", payer="parent")
        town.subscribe(on(4, 1), "basic", payer=child, slug=child)
    [found] = town.close(MAY)
    told = invoice_document(found)
    for each in told["groups"]:
        part = invoice_document(found_again(town, each["id"]))
        assert (part["status"], part["number"], part["part_of"]) == ("part", None, told["id"])
        assert part["content_hash"] == each["content_hash"]
        stated = part.pop("content_hash")
        del part["number"], part["status"], part["part_of"]
        assert hashlib.sha256(canonical_json(part)).hexdigest() == stated
    listed = town.call(MAY, lambda conn, _: select_invoices(conn, tenant_id=town.tenant_id))
    assert [document_bytes(each) for each in listed] == [document_bytes(found)]


def found_again(town: Town, name: str) -> Invoice:
    found = town.call(MAY, lambda conn, _: find_invoice(conn, name))
    assert isinstance(found, Invoice)
    return found


def test_who_wants_them_apart_gets_one_for_each(town: Town) -> None:
    add(town, "group", invoices="apart")
    add(town, "zoe")
    become(town, "ada", parent="group", payer="parent")
    become(town, "bob", parent="group", payer="parent")
    for payer in ("ada", "bob", "group", "zoe"):
        town.subscribe(on(4, 1), "basic", payer=payer, slug=payer)
    found = town.close(MAY)
    assert [each.number for each in found] == [f"INV-00000{number}" for number in (1, 2, 3, 4)]
    names = [str(each.buyer["name"]) for each in found]
    first = names.index("group")
    assert names[first : first + 3] == ["group"] * 3, "numbers of one payer are side by side"
    become(town, "group", invoices="together")
    names = [str(each.buyer["name"]) for each in town.close(on(6, 1))]
    assert sorted(names) == ["group", "zoe"]
    again = town.call(MAY, lambda conn, _: select_invoices(conn, tenant_id=town.tenant_id))
    assert again[:4] == found, "what was issued stays as it is"


def test_children_have_zones_and_periods_of_their_own(town: Town) -> None:
    """Closed on 1 May, 05:00 UTC. Each basic plan is 30.00 a month; a token is 0.01.

    own      1 April to 1 May in UTC:                                        30.00
    Kyoto    1 April to 1 May in Tokyo, which is 31 March 15:00 UTC to
             30 April 15:00; 100 tokens at 14:59 are in it, 7 at 15:00 not:  31.00
    Lima     1 April 05:00 UTC to 1 May 05:00; 250 tokens at 04:59:          32.50
    Mid      from 16 April, every 16th: nothing is due before 16 May
                                                                             93.50
    """
    add(town, "group")
    for child, zone in (("kyoto", "Asia/Tokyo"), ("lima", "America/Lima"), ("mid", "UTC")):
        add(town, child, name=child.title(), parent="group", payer="parent", time_zone=zone)
        link(town, child)
    town.use("kyoto-app", on(4, 30, 14) + timedelta(minutes=59), "100")
    town.use("kyoto-app", on(4, 30, 15), "7")
    town.use("lima-app", on(5, 1, 4) + timedelta(minutes=59), "250")
    start = {"group": on(4, 1), "kyoto": on(3, 31, 15), "lima": on(4, 1, 5), "mid": on(4, 16)}
    for payer, at in start.items():
        town.subscribe(at, "basic", payer=payer, slug=payer, subjects=[f"{payer}-app"])
    [found] = town.close(on(5, 1, 5))
    told = invoice_document(found)
    assert [
        (each.get("for", {"name": "own"})["name"], each["period"], each["total"]["amount"])
        for each in told["groups"]
    ] == [
        ("own", period("2024-04-01T00", "2024-05-01T00", "UTC"), "30.00"),
        ("Kyoto", period("2024-03-31T15", "2024-04-30T15", "Asia/Tokyo"), "31.00"),
        ("Lima", period("2024-04-01T05", "2024-05-01T05", "America/Lima"), "32.50"),
    ]
    assert told["total"] == {"amount": "93.50", "currency": "EUR"}
    assert told["period"] == period("2024-03-31T15", "2024-05-01T05", "UTC")
    notes = [row["note"] for row in invoice_view(told)["rows"] if row["part"] == "head"]
    day = "1 April 2024 \N{EN DASH} 30 April 2024"
    zones = ("UTC", "Asia/Tokyo", "America/Lima")
    assert notes == [f"Basic \N{MIDDLE DOT} {day} ({zone})" for zone in zones]
    [later] = town.close(on(5, 16))
    assert later.paid_for is not None
    assert (later.paid_for.name, later.total_minor) == ("Mid", 30_00)


def test_two_subscriptions_of_one_that_pays_for_nobody_stay_apart(town: Town) -> None:
    for slug in ("one", "two"):
        town.subscribe(on(4, 1), "team", payer="ada", slug=slug)
    assert [each.groups for each in town.close(MAY)] == [(), ()]


def period(start: str, end: str, zone: str) -> dict[str, str]:
    return {"start": f"{start}:00:00Z", "end": f"{end}:00:00Z", "time_zone": zone}


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
