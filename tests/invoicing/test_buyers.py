"""The buyer on an invoice: lines of an address, and what stays when the customer is deleted."""

from __future__ import annotations

from typing import Any

import pytest

import sql
from core.clock import ManualClock
from core.endpoints import Endpoints
from core.errors import ConflictError
from core.ids import format_id
from db.postgres import Connection
from invoicing.document import invoice_document
from invoicing.settings import party
from invoicing.store import select_invoices
from subscriptions.customers.customer import read_customer
from subscriptions.customers.facts import CustomerFacts, NewCustomer, facts_of
from subscriptions.customers.register import change_customer, create_customer, delete_customer
from tests.invoicing import world

PARTS = {
    "line1": "Allee 1",
    "line2": "Hof 2",
    "postal_code": "10115",
    "city": "Berlin",
    "region": "BE",
    "country": "DE",
}
TAX_IDS = [{"type": "eu_vat", "value": "DE1"}, {"type": "de_stn", "value": "27/1"}]


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({}, {}),
        ({"address": ["a", "b"], "tax_id": "DE1"}, {"address": ["a", "b"], "tax_id": "DE1"}),
        (
            {"postal_address": PARTS, "tax_ids": TAX_IDS, "email": "a@b.example", "name": "B GmbH"},
            {
                "address": ["Allee 1", "Hof 2", "10115 Berlin", "BE", "DE"],
                "tax_id": "DE1, 27/1",
                "email": "a@b.example",
                "name": "B GmbH",
            },
        ),
        ({"postal_address": {"country": "DE"}}, {"address": ["DE"]}),
        ({"postal_address": {"city": "Berlin", "country": "DE"}}, {"address": ["Berlin", "DE"]}),
        ({"postal_address": {"postal_code": "1", "country": "DE"}}, {"address": ["1", "DE"]}),
    ],
)
def test_an_address_in_parts_is_printed_as_lines(
    installation: Endpoints, info: dict[str, Any], expected: dict[str, Any]
) -> None:
    world.found_tenant(installation.postgres, "one", 1)
    with world.tenant_of(installation.postgres, "one") as (db, tenant), db.transaction() as conn:
        facts = facts_of(CustomerFacts, {"billing_info": info})
        clock = ManualClock(world.DECEMBER)
        customer = change_customer(conn, clock, tenant.tenant_id, "c0", facts)
        values = {"tenant_id": tenant.tenant_id, "customer_ids": [customer.id]}
        row = conn.execute(sql.load("postgres/queries/select_buyers"), values).fetchone()
    assert row is not None
    nothing: dict[str, Any] = {"name": "c0", "address": [], "email": None, "tax_id": None}
    assert party(row["billing_info"], "billing_info", row["name"]) == nothing | expected


@pytest.mark.req("ENT-05")
def test_invoices_of_a_deleted_customer_say_what_they_said(installation: Endpoints) -> None:
    url = installation.postgres
    world.found_tenant(url, "one", 1)
    clock = ManualClock(world.DECEMBER)
    with world.tenant_of(url, "one") as (db, tenant):
        with db.transaction() as conn:
            facts = facts_of(CustomerFacts, {"billing_info": {"address": ["Allee 1"]}})
            customer = change_customer(conn, clock, tenant.tenant_id, "c0", facts)
        world.close(url, "one")
        with db.transaction() as conn:
            before = documents(conn)
        assert "Allee 1" in str(before)
        with pytest.raises(ConflictError, match="ACTIVE"), db.transaction() as conn:
            delete_customer(conn, clock, tenant.tenant_id, "c0")
        with db.transaction() as conn:
            conn.execute(
                "UPDATE subscriptions.subscriptions SET status = 'CANCELED',"
                " ended_at = period_start, recorded_from = recorded_from + interval '1 day'",
                (),
            )
            delete_customer(conn, clock, tenant.tenant_id, "c0")
            again = create_customer(
                conn,
                clock,
                tenant.tenant_id,
                NewCustomer(slug="c0", currency="USD", name="Another"),
            )
            assert documents(conn) == before
            owners = {each.customer_id for each in select_invoices(conn)}
            assert owners == {customer.id}
            assert again.id not in owners
            shown = read_customer(conn, tenant.tenant_id, format_id("cus", customer.id))
            assert (shown.deleted_at is not None, shown.billing_info) == (True, {})


def documents(conn: Connection) -> list[dict[str, Any]]:
    return [invoice_document(invoice) for invoice in select_invoices(conn)]
