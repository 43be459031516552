"""A user's own token: what is theirs is shown, what is not is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from core.acting import Acting
from core.ids import format_id
from db.postgres import Database, Role
from identity.api_keys import SCOPES
from identity.tenants import find_tenant
from subscriptions.commands import PauseCommand
from tests.api.test_token_gate import bearer, taking_tokens
from tests.identity.signer import token
from tests.invoicing import world
from tests.subscriptions.operating import Desk, open_desk

ALICE, BOB = UUID(int=0xA), UUID(int=0xB)
SCOPE = " ".join(sorted(SCOPES))
OWNED = (
    "subscriptions.subscription_terms",
    "subscriptions.subscription_pauses",
    "subscriptions.subscription_changes",
)


def own(user: UUID, tenant: str) -> dict[str, str]:
    return bearer(token(sub=str(user), tenant=tenant, scope=f"self {SCOPE}"))


def give(database: Database, tenant: str, slug: str, user: UUID) -> None:
    """Let a customer be a user's."""
    with database.transaction() as conn:
        conn.execute(
            "UPDATE subscriptions.customers SET user_id = %s, recorded_from = recorded_from"
            " + interval '1 second' WHERE slug = %s AND tenant_id ="
            " (SELECT id FROM identity.tenants WHERE slug = %s)",
            (user, slug, tenant),
        )


@pytest.fixture
def desk(database: Database) -> Desk:
    """Alice's customer has a subscription that pauses; Bob's has another one."""
    desk = open_desk(database)
    desk.subscribe("hers")
    desk.do(PauseCommand(True, True, None), "hers")
    desk.subscribe("his", payer="fabrikam", plan="pictures")
    for slug, user in (("contoso", ALICE), ("fabrikam", BOB)):
        give(database, "acme", slug, user)
    return desk


@pytest.fixture
def client(database_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    with taking_tokens(database_url, tmp_path) as opened:
        yield opened


@pytest.mark.req("SEC-06")
def test_another_customers_invoice_is_refused_and_ones_own_is_shown(
    client: httpx.Client, database: Database, database_url: str
) -> None:
    world.found_tenant(database_url, "nord", 3)
    [closed] = world.close(database_url, "nord")
    for slug, user in (("c1", ALICE), ("c2", BOB)):
        give(database, "nord", slug, user)
    ids = {each.buyer["name"]: format_id("inv", each.invoice_id) for each in closed.invoices}
    alice, bob, staff = own(ALICE, "nord"), own(BOB, "nord"), bearer(
        token(tenant="nord", scope=SCOPE)
    )  # fmt: skip

    shown = client.get(f"/v1/invoices/{ids['c1']}", headers=alice)
    assert shown.status_code == 200, shown.text
    assert shown.json() == client.get(f"/v1/invoices/{ids['c1']}", headers=staff).json()
    assert (shown.json()["buyer"]["name"], shown.json()["status"]) == ("c1", "open")
    assert shown.json()["lines"]

    refusals = set()
    there_is_none = f"inv_{'0' * 32}"
    for name in (ids["c1"], shown.json()["number"], there_is_none, "INV-999999"):
        refused = client.get(f"/v1/invoices/{name}", headers=bob)
        assert (refused.status_code, refused.json()["error"]["code"]) == (
            403,
            "authorization_error",
        )
        refusals.add(refused.json()["error"]["message"])
    assert len(refusals) == 1, "what there is not sounds as what is another one's"
    assert client.get(f"/v1/invoices/{there_is_none}", headers=staff).status_code == 404

    listed = client.get("/v1/invoices", headers=bob).json()["data"]
    assert {each["buyer"]["name"] for each in listed} == {"c2"}
    assert client.get("/v1/invoices?customer=c1", headers=bob).status_code == 403
    everything = client.get("/v1/invoices", headers=staff).json()["data"]
    assert {each["id"] for each in everything} == {
        format_id("inv", each.invoice_id) for each in closed.invoices
    }
    assert client.get("/v1/invoices", headers=own(UUID(int=0xC), "nord")).json()["data"] == []


def test_a_draft_is_shown_to_the_staff_alone(
    client: httpx.Client, database: Database, database_url: str
) -> None:
    world.found_tenant(database_url, "nord", 2)
    world.close(database_url, "nord")
    with database.transaction() as conn:
        give(database, "nord", "c1", ALICE)
        conn.execute("ALTER TABLE invoicing.invoices DISABLE TRIGGER invoices_stay_final")
        conn.execute(
            "UPDATE invoicing.invoices SET status = 'draft', number = NULL, number_text = NULL,"
            " finalised_at = NULL"
        )
    staff = bearer(token(tenant="nord", scope=SCOPE))
    drafts = client.get("/v1/invoices", headers=staff).json()["data"]
    assert drafts
    assert {each["status"] for each in drafts} == {"draft"}
    assert client.get("/v1/invoices", headers=own(ALICE, "nord")).json()["data"] == []


@pytest.mark.req("SEC-06")
def test_a_user_sees_their_customer_with_all_that_is_its_own(
    client: httpx.Client, desk: Desk
) -> None:
    alice, staff = own(ALICE, "acme"), bearer(token(scope=SCOPE))
    for path in (
        "/v1/customers/contoso",
        "/v1/customers/contoso/subjects",
        "/v1/customers/contoso/payment-methods",
        "/v1/subscriptions/hers",
        "/v1/subscriptions/hers/changes",
    ):
        mine, theirs = client.get(path, headers=alice), client.get(path, headers=staff)
        assert (mine.status_code, mine.json()) == (200, theirs.json()), path
    assert client.get("/v1/subscriptions/hers", headers=alice).json()["pause"] is not None
    assert client.get("/v1/subscriptions/hers/changes", headers=alice).json()["data"]
    for path, slugs in (("/v1/customers", {"contoso"}), ("/v1/subscriptions", {"hers"})):
        listed = client.get(path, headers=alice).json()["data"]
        assert {each["slug"] for each in listed} == slugs
    for path in (
        "/v1/customers/fabrikam",
        "/v1/customers/fabrikam/subjects",
        "/v1/customers/fabrikam/payment-methods",
        "/v1/customers?parent=fabrikam",
        "/v1/subscriptions/his",
        "/v1/subscriptions/his/changes",
        "/v1/subscriptions?customer=fabrikam",
        "/v1/subscriptions/nobodys",
    ):
        assert client.get(path, headers=alice).status_code == 403, path


def test_a_user_changes_nothing_and_asks_for_nothing_else(client: httpx.Client, desk: Desk) -> None:
    alice = own(ALICE, "acme")
    for method, path in (
        ("post", "/v1/subscriptions/hers/resume"),
        ("patch", "/v1/customers/contoso"),
        ("delete", "/v1/customers/contoso"),
        ("get", "/v1/subscriptions/hers/bought"),
        ("get", "/v1/contracts"),
        ("get", "/v1/changes"),
        ("get", "/v1/plans"),
    ):
        body: dict[str, str] | None = None if method in {"get", "delete"} else {}
        assert client.request(method, path, json=body, headers=alice).status_code == 403, path


def test_a_user_sees_the_same_in_sql(desk: Desk, database: Database, database_url: str) -> None:
    """Row by row, whatever a statement forgets; and no row can be changed."""
    with database.transaction() as conn:
        tenant = find_tenant(conn, "acme").id
    with (
        Database(database_url, Role.API) as api,
        api.transaction(Acting(tenant, user_id=ALICE)) as conn,
    ):
        [hers] = conn.execute("SELECT id FROM subscriptions.subscriptions").fetchall()
        for table in OWNED:
            rows = conn.execute(f"SELECT subscription_id FROM {table}".encode()).fetchall()
            assert {row["subscription_id"] for row in rows} == {hers["id"]}, table
            assert rows
            changed = f"UPDATE {table} SET recorded_to = recorded_to"
            if "changes" not in table:
                assert conn.execute(changed.encode()).rowcount == 0
        plans = conn.execute("SELECT slug FROM catalog.pricing_plans").fetchall()
        assert [row["slug"] for row in plans] == ["standard"]
        assert conn.execute("SELECT FROM catalog.rate_cards").rowcount == 0
