"""Every route with another tenant's id: nothing is shown, nothing is changed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from psycopg import sql as compose
from psycopg.types.json import Jsonb

from api.management import ManagementSettings
from api.management_app import create_management_app
from catalog.features import find_feature
from core.acting import Acting
from core.clock import SystemClock
from core.ids import format_id, new_uuid
from db.postgres import Database, Role
from entitlements.holds import insert_hold
from identity.api_keys import SCOPES, insert_api_key
from subscriptions.customers.customer import read_customer
from tests.api.management import NOWHERE, Party, add_party, management
from tests.plugins.database import do
from tests.plugins.logins import plain_login

METER = {"slug": "theirs", "event_type": "marker-type", "aggregation": "count"}
PERIOD = "?start=2026-01-01T00:00:00Z&end=2026-02-01T00:00:00Z"
DRAFT = {
    "currency": "USD",
    "rate_cards": [{"key": "a", "name": "marker-type", "price": {"model": "flat", "amount": "1"}}],
    "entitlements": [{"feature": "theirs"}],
}
CATALOG = {"plans": [{"slug": "mine", "name": "mine", **DRAFT}]}
OPEN = {"/livez", "/readyz", "/metrics"}
"""They say nothing of any tenant, and ask for no key."""

REQUESTS: dict[tuple[str, str], tuple[Any, int]] = {
    ("get", "/v1/meters"): (None, 200),
    ("post", "/v1/meters"): ({"slug": "mine", "event_type": "t", "aggregation": "count"}, 201),
    ("get", "/v1/meters/{slug}"): (None, 404),
    ("patch", "/v1/meters/{slug}"): ({"name": "mine now"}, 404),
    ("post", "/v1/meters/{slug}/archive"): ({}, 404),
    ("post", "/v1/meters/dry-run"): (None, 400),
    ("get", "/v1/changes"): (None, 200),
    ("get", "/v1/features"): (None, 200),
    ("post", "/v1/features"): ({"slug": "mine", "kind": "boolean"}, 201),
    ("get", "/v1/features/{slug}"): (None, 404),
    ("patch", "/v1/features/{slug}"): ({"name": "mine now"}, 404),
    ("post", "/v1/features/{slug}/archive"): (None, 404),
    ("get", "/v1/features/{slug}/usage" + PERIOD): (None, 404),
    ("get", "/v1/plans"): (None, 200),
    ("post", "/v1/plans"): ({"slug": "mine", "draft": DRAFT}, 404),  # it gives their feature
    ("get", "/v1/plans/{slug}"): (None, 404),
    ("patch", "/v1/plans/{slug}"): ({"name": "mine now"}, 404),
    ("get", "/v1/plans/{slug}/draft"): (None, 404),
    ("put", "/v1/plans/{slug}/draft"): (DRAFT, 404),
    ("post", "/v1/plans/{slug}/activate"): (None, 404),
    ("post", "/v1/plans/{slug}/archive"): (None, 404),
    ("get", "/v1/plans/{slug}/versions/{number}"): (None, 404),
    ("get", "/v1/public/{tenant}/plans"): (None, 200),
    ("get", "/v1/catalog"): (None, 200),
    ("post", "/v1/catalog/diff"): (CATALOG, 200),
    ("post", "/v1/catalog/apply"): (CATALOG, 404),  # it gives their feature
    ("get", "/v1/customers"): (None, 200),
    ("post", "/v1/customers"): ({"slug": "mine", "currency": "EUR", "parent": "theirs"}, 404),
    ("get", "/v1/customers/{customer}"): (None, 404),
    ("patch", "/v1/customers/{customer}"): ({"name": "mine now"}, 404),
    ("delete", "/v1/customers/{customer}"): (None, 404),
    ("get", "/v1/customers/{customer}/subjects"): (None, 404),
    ("post", "/v1/customers/{customer}/subjects"): ({"subject": "theirs", "move": True}, 404),
    ("post", "/v1/customers/{customer}/subjects/{subject}/end"): ({}, 404),
    ("get", "/v1/customers/{customer}/entitlements"): (None, 404),
    ("get", "/v1/customers/{customer}/entitlements/{feature}"): (None, 404),
    ("get", "/v1/customers/{customer}/overrides"): (None, 404),
    ("post", "/v1/customers/{customer}/overrides"): ({"feature": "theirs"}, 404),
    ("post", "/v1/customers/{customer}/overrides/{override}/end"): ({}, 404),
    ("get", "/v1/customers/{customer}/grants"): (None, 404),
    ("post", "/v1/customers/{customer}/grants"): (
        {"feature": "theirs", "quantity": "1", "end": "2030-01-01T00:00:00Z"},
        404,
    ),
    ("post", "/v1/customers/{customer}/grants/{grant}/end"): ({}, 404),
    ("post", "/v1/usage/track"): ({"subject": "theirs", "feature": "theirs"}, 404),
    ("post", "/v1/usage/holds"): (
        {"customer": "theirs", "feature": "theirs", "quantity": "1"},
        404,
    ),
    ("get", "/v1/usage/holds/{hold}"): (None, 404),
    ("post", "/v1/usage/holds/{hold}/commit"): ({"subject": "theirs", "feature": "theirs"}, 404),
    ("post", "/v1/usage/holds/{hold}/release"): (None, 404),
    ("get", "/v1/customers/{customer}/payment-methods"): (None, 404),
    ("post", "/v1/customers/{customer}/payment-methods"): (
        {"provider": "stripe", "reference": "mine"},
        404,
    ),
    ("post", "/v1/customers/{customer}/payment-methods/{method}/default"): (None, 404),
    ("delete", "/v1/customers/{customer}/payment-methods/{method}"): (None, 404),
    ("get", "/v1/subscriptions"): (None, 200),
    ("post", "/v1/subscriptions"): (
        {"slug": "mine", "customer": "theirs", "plan": "theirs"},
        404,
    ),
    ("get", "/v1/subscriptions/{subscription}"): (None, 404),
    ("get", "/v1/subscriptions/{subscription}/bought"): (None, 404),
    ("get", "/v1/subscriptions/{subscription}/changes"): (None, 404),
    ("post", "/v1/subscriptions/{subscription}/activate"): ({}, 404),
    ("post", "/v1/subscriptions/{subscription}/cancel"): ({}, 404),
    ("post", "/v1/subscriptions/{subscription}/change"): ({"quantities": {"seats": "1"}}, 404),
    ("post", "/v1/subscriptions/{subscription}/extend"): ({"until": None}, 404),
    ("post", "/v1/subscriptions/{subscription}/pause"): ({}, 404),
    ("post", "/v1/subscriptions/{subscription}/payment"): ({"succeeded": True}, 404),
    ("post", "/v1/subscriptions/{subscription}/reactivate"): ({}, 404),
    ("post", "/v1/subscriptions/{subscription}/resume"): ({}, 404),
    ("post", "/v1/subscriptions/{subscription}/start-trial"): (
        {"until": "2030-01-01T00:00:00Z"},
        404,
    ),
    ("post", "/v1/subscriptions/{subscription}/uncancel"): ({}, 404),
    ("post", "/v1/subscriptions/{subscription}/preview"): ({}, 404),
    ("post", "/v1/plans/{slug}/migrate"): ({"at": "now"}, 404),
    ("get", "/v1/settings"): (None, 200),
    ("patch", "/v1/settings"): ({"dunning": {"grace_days": 3}}, 200),
    ("get", "/v1/sandbox"): (None, 422),
    ("post", "/v1/sandbox/advance"): ({"to": "2030-01-01T00:00:00Z"}, 422),
    ("get", "/v1/contracts"): (None, 200),
    ("post", "/v1/contracts"): ({"slug": "mine", "customer": "theirs"}, 404),
    ("get", "/v1/contracts/{contract}"): (None, 404),
    ("post", "/v1/contracts/{contract}/end"): ({}, 404),
    ("get", "/v1/invoices"): (None, 200),
    ("get", "/v1/invoices/{invoice}"): (None, 404),
}
"""What is sent as a body, and the answer's status: for each route that there is."""


@pytest.fixture
def login(database_url: str) -> Iterator[str]:
    with plain_login(database_url, Role.API, Role.SNAPSHOT) as url:
        yield url


@pytest.fixture
def parties(database_url: str) -> tuple[Party, Party]:
    return add_party(database_url, "acme"), add_party(database_url, "zeta")


@pytest.fixture
def client(parties: tuple[Party, Party], login: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """A server whose login is nothing but a member of its two roles."""
    assert parties
    with management(login, tmp_path) as opened:
        yield opened


def routes() -> dict[tuple[str, str], dict[str, Any]]:
    app = create_management_app(ManagementSettings(NOWHERE, Path("none")))
    paths = app.openapi()["paths"]
    return {(method, path): told for path, all_ in paths.items() for method, told in all_.items()}


@pytest.mark.req("SEC-01")
def test_every_route_is_in_the_matrix() -> None:
    held = {(method, path.partition("?")[0]) for method, path in REQUESTS}
    assert {route for route in routes() if route[1] not in OPEN} == held


@pytest.mark.req("SEC-01")
def test_no_route_shows_or_changes_what_is_another_tenants(
    client: httpx.Client, parties: tuple[Party, Party], database: Database
) -> None:
    acme, zeta = parties
    theirs = client.post("/v1/meters", json=METER, headers=zeta.writer)
    assert theirs.status_code == 201, theirs.text
    everything = key_of(client, database, zeta)
    feature = {"slug": "theirs", "kind": "boolean"}
    assert client.post("/v1/features", json=feature, headers=everything).status_code == 201
    plan = {"slug": "theirs", "draft": DRAFT}
    assert client.post("/v1/plans", json=plan, headers=everything).status_code == 201
    sold = client.post("/v1/plans/theirs/activate", headers=everything)
    assert sold.json()["active_version"] == 1, sold.text
    customer = {"slug": "theirs", "currency": "USD", "name": "marker-type"}
    paying = client.post("/v1/customers", json=customer, headers=everything).json()["id"]
    below = f"/v1/customers/{paying}"
    link = {"subject": "theirs"}
    assert client.post(f"{below}/subjects", json=link, headers=everything).status_code == 201
    method = client.post(
        f"{below}/payment-methods",
        json={"provider": "stripe", "reference": "theirs"},
        headers=everything,
    ).json()["id"]
    wanted = {"slug": "theirs", "customer": "theirs", "plan": "theirs"}
    subscribed = client.post("/v1/subscriptions", json=wanted, headers=everything)
    assert subscribed.status_code == 201, subscribed.text
    subscription = subscribed.json()["id"]
    agreed = {"slug": "theirs", "customer": "theirs", "subscription": "theirs", "minimum": "1"}
    deal = client.post("/v1/contracts", json=agreed, headers=everything)
    assert deal.status_code == 201, deal.text
    contract = deal.json()["id"]
    given = client.post(f"{below}/overrides", json={"feature": "theirs"}, headers=everything)
    assert given.status_code == 201, given.text
    override = given.json()["id"]
    hold = held_of(database, zeta)
    before = rows_of(database, zeta)
    may_everything = key_of(client, database, acme)
    for (method_name, path), (body, status) in REQUESTS.items():
        for slug in ("theirs", theirs.json()["id"], paying, subscription, contract):
            url = path.replace("{slug}", slug).replace("{number}", "1").replace("{tenant}", "acme")
            url = url.replace("{customer}", slug).replace("{subject}", "theirs")
            url = url.replace("{method}", method).replace("{subscription}", slug)
            url = url.replace("{contract}", slug).replace("{invoice}", slug)
            url = url.replace("{feature}", "theirs")
            url = url.replace("{override}", override).replace("{grant}", override)
            url = url.replace("{hold}", hold)
            found = client.request(method_name, url, json=body, headers=may_everything)
            assert found.status_code in {status, 409 if status == 201 else status}, (
                url,
                found.text,
            )
            markers = {"marker-type", "theirs", theirs.json()["id"], paying, method, subscription}
            markers |= {contract, override, hold}
            asked = url + json.dumps(body)  # a refusal may repeat what was asked for
            assert not [each for each in markers if each not in asked and each in found.text]
    assert rows_of(database, zeta) == before
    assert "theirs" in client.get("/v1/meters", headers=zeta.reader).text


def held_of(database: Database, party: Party) -> str:
    """A hold of whatever the customer and the feature called `theirs` are."""
    hold = new_uuid(SystemClock())
    with database.transaction(Acting(party.tenant_id)) as conn:
        feature = find_feature(conn, party.tenant_id, "theirs")
        row = {
            "id": hold,
            "tenant_id": party.tenant_id,
            "customer_id": read_customer(conn, party.tenant_id, "theirs").id,
            "feature_id": feature.id,
            "usage_type": feature.slug,
            "quantity": 1,
            "held_at": SystemClock().now(),
            "expires_at": SystemClock().now() + timedelta(hours=1),
            "created_at": SystemClock().now(),
            "metadata": Jsonb({}),
        }
        insert_hold(conn, SystemClock(), row)
    return format_id("hld", hold)


def key_of(client: httpx.Client, database: Database, party: Party) -> dict[str, str]:
    """The headers of a key that may do everything; it is known within about a second."""
    key = do(database, insert_api_key, SystemClock(), party.tenant_id, "all", tuple(SCOPES))
    headers = {"Authorization": f"Bearer {key}"}
    for _ in range(100):
        if client.get("/v1/meters", headers=headers).status_code == 200:
            return headers
        time.sleep(0.1)
    raise AssertionError("a new key was not known after 10 seconds")


def test_the_matrix_finds_a_leak_when_the_guards_are_off(
    client: httpx.Client, parties: tuple[Party, Party], database: Database
) -> None:
    """The statement forgets its WHERE, and then the table its policy."""
    acme, zeta = parties
    assert client.post("/v1/meters", json=METER, headers=zeta.writer).status_code == 201
    with Database(database._url, Role.API) as api:
        for guarded in (True, False):
            if not guarded:
                with database.transaction() as owner:
                    owner.execute("ALTER TABLE catalog.meters DISABLE ROW LEVEL SECURITY")
            with api.transaction() as conn:
                conn.execute("SELECT tenancy.act(%s, NULL, 'x', '', '')", (acme.tenant_id,))
                rows = conn.execute("SELECT slug FROM catalog.meters").fetchall()
            assert ("theirs" in {row["slug"] for row in rows}) is not guarded


def rows_of(database: Database, party: Party) -> str:
    """All that is kept of a tenant, as one text."""
    with database.transaction() as conn:
        tables = conn.execute(
            "SELECT table_schema, table_name FROM information_schema.columns"
            " JOIN information_schema.tables USING (table_schema, table_name)"
            " WHERE column_name = 'tenant_id' AND table_type = 'BASE TABLE' ORDER BY 1, 2"
        ).fetchall()
        statement = compose.SQL(
            "SELECT to_jsonb(one)::text AS text FROM {} AS one WHERE tenant_id = %s ORDER BY 1"
        )
        found = {
            f"{row['table_schema']}.{row['table_name']}": conn.execute(
                statement.format(compose.Identifier(row["table_schema"], row["table_name"])),
                (party.tenant_id,),
            ).fetchall()
            for row in tables
        }
    return json.dumps(found)
