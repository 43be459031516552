"""`tollbook serve subscriptions`: a process of its own, which writes a schema of its own."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from psycopg import sql as compose
from typer.testing import CliRunner

from api.management import ManagementSettings
from api.management_app import create_management_app
from api.problems import PROBLEM_TYPE
from cli.main import build_app
from core.acting import OPERATOR
from core.clock import SystemClock
from core.endpoints import Endpoints
from db.postgres import Database, Role
from identity.api_keys import (
    CUSTOMERS_READ,
    CUSTOMERS_WRITE,
    SUBSCRIPTIONS_READ,
    SUBSCRIPTIONS_WRITE,
)
from identity.settings import change_settings
from infra.local.child import Child
from tests.api.management import NOWHERE
from tests.api.routes.conftest import Headers, key
from tests.plugins.logins import plain_login
from tests.subscriptions.operating import Desk, open_desk

Json = dict[str, Any]

OWN: Final = {
    "customers",
    "subjects",
    "payment_methods",
    "subscriptions",
    "subscription_terms",
    "subscription_changes",
    "contracts",
    "enterprise_pricing",
}
BESIDE: Final = {
    "catalog.prices": "a contract's own prices are final rows among all prices",
    "identity.idempotency_keys": "answers to requests that may come again",
    "outbox.billing_events": "what changed",
    "outbox.positions": "where in the order",
}
"""What a service may write beside its own schema, and why."""

LOCKED: Final = "identity.tenants"
"""Its row is locked, and left as it is, where a tenant may have so many subscriptions."""

_WRITES: Final = "INSERT, UPDATE, DELETE, TRUNCATE"


def tables(database: Database) -> list[tuple[str, str]]:
    with database.transaction() as conn:
        rows = conn.execute(
            "SELECT schemaname, tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"
        ).fetchall()
    return [(row["schemaname"], row["tablename"]) for row in rows]


def _kept(schema: str, table: str) -> str:
    """The name of a table; stretches of the outbox are one."""
    return f"{schema}.{re.sub(r'_[0-9]+$', '', table)}"


def narrow(database: Database) -> None:
    """Take all writes away from the API's role but those that this service may do."""
    with database.transaction() as owner:
        for schema, table in tables(database):
            if schema == "subscriptions" or _kept(schema, table) in {*BESIDE, LOCKED}:
                continue
            revoke = compose.SQL(f"REVOKE {_WRITES} ON {{}} FROM tollbook_api, tollbook_snapshot")
            owner.execute(revoke.format(compose.Identifier(schema, table)))


def writable(database: Database) -> set[str]:
    """The tables of which the API's role may write some column."""
    with database.transaction() as owner:
        rows = owner.execute(
            "SELECT schemaname, tablename FROM pg_tables, unnest(ARRAY['INSERT', 'UPDATE']) AS may"
            " WHERE has_any_column_privilege("
            "   'tollbook_api', format('%I.%I', schemaname, tablename), may"
            " ) OR has_table_privilege("
            "   'tollbook_api', format('%I.%I', schemaname, tablename), 'DELETE, TRUNCATE'"
            " )"
        ).fetchall()
    return {_kept(row["schemaname"], row["tablename"]) for row in rows}


def contents(database: Database) -> dict[str, list[str]]:
    """A digest of each table's rows."""
    digest = compose.SQL(
        "SELECT coalesce(md5(string_agg(one::text, ' ' ORDER BY one::text)), '') AS rows"
        " FROM {} AS one"
    )
    found: dict[str, list[str]] = {}
    for schema, table in tables(database):
        with database.transaction() as owner:
            [row] = owner.execute(digest.format(compose.Identifier(schema, table)))
        found.setdefault(_kept(schema, table), []).append(row["rows"])
    return found


@pytest.fixture
def database(installation: Endpoints) -> Iterator[Database]:
    with Database(installation.postgres) as opened:
        yield opened


@pytest.fixture
def desk(database: Database) -> Desk:
    return open_desk(database)


@pytest.fixture
def headers(desk: Desk) -> Headers:
    scopes = (CUSTOMERS_READ, CUSTOMERS_WRITE, SUBSCRIPTIONS_READ, SUBSCRIPTIONS_WRITE)
    return key(desk.database, desk.tenant_id, *scopes)


@pytest.fixture
def process(
    installation: Endpoints, headers: Headers, database: Database, tmp_path: Path
) -> Iterator[Child]:
    """Whose login may write nothing but what is the service's, and stands with no Kafka."""
    assert headers
    narrow(database)
    with plain_login(installation.postgres, Role.API, Role.SNAPSHOT) as login:
        endpoints = replace(installation, kafka=NOWHERE.kafka, postgres=login)
        arguments = ["serve", "subscriptions", "--port", "0", "--state-dir", str(tmp_path / "s")]
        child = Child("subscriptions", arguments, endpoints, tmp_path, os.environ)
        child.start()
        yield child
        child.end()


@pytest.fixture
def client(process: Child, headers: Headers) -> Iterator[httpx.Client]:
    url = process.wait_for(r"listening on (http://\S+)")[1]
    with httpx.Client(base_url=url, headers=headers, timeout=60) as opened:
        yield opened


def post(client: httpx.Client, path: str, body: Json, **more: str) -> Json:
    answer = client.post(path, json=body, headers=more)
    assert answer.status_code in {200, 201}, (path, answer.text)
    found: Json = answer.json()
    return found


def sell(client: httpx.Client) -> Json:
    """A customer that buys and agrees on something; the subscription that comes of it."""
    post(client, "/v1/customers", {"slug": "nord", "currency": "USD"})
    post(client, "/v1/customers/nord/subjects", {"subject": "nord-chat"})
    method = {"provider": "stripe", "reference": "pm_1"}
    post(client, "/v1/customers/nord/payment-methods", method)
    wanted = {"slug": "main", "customer": "nord", "plan": "standard"}
    made = post(client, "/v1/subscriptions", wanted, **{"Idempotency-Key": "k1"})
    again = post(client, "/v1/subscriptions", wanted, **{"Idempotency-Key": "k1"})
    assert again == made
    own_price = {"key": "platform", "price": {"model": "flat", "amount": "9.00"}}
    deal = {"slug": "deal", "customer": "nord", "subscription": "main", "prices": [own_price]}
    post(client, "/v1/contracts", deal)
    return made


@pytest.mark.req("SUB-01")
def test_it_serves_subscriptions_on_its_port_and_writes_its_schema_alone(
    client: httpx.Client, database: Database, desk: Desk
) -> None:
    """Postgres refuses it all other writes, and no row of anybody else's is another one."""
    elsewhere = {each for each in writable(database) if not each.startswith("subscriptions.")}
    assert elsewhere == {*BESIDE, LOCKED}
    with database.transaction() as conn:
        limits = {"limits": {"subscriptions": 5}}
        change_settings(conn, SystemClock(), desk.tenant_id, limits, actor=OPERATOR)
    before = contents(database)
    made = sell(client)
    shown = client.get("/v1/subscriptions/main")
    assert (shown.status_code, shown.json()["id"]) == (200, made["id"])
    assert [each["slug"] for each in client.get("/v1/subscriptions").json()["data"]] == ["main"]
    preview = post(client, "/v1/subscriptions/main/preview", {})
    assert [each["lines"][0]["amount"] for each in preview["invoices"]]
    post(client, "/v1/subscriptions/main/change", {"quantities": {"seats": "3"}})
    moved = post(client, "/v1/plans/standard/migrate", {"at": "now"})
    assert moved["next_cursor"] is None
    post(client, "/v1/contracts/deal/end", {})
    post(client, "/v1/subscriptions/main/cancel", {})
    post(client, "/v1/customers", {"slug": "sud", "currency": "USD"})
    assert client.delete("/v1/customers/sud").status_code == 200

    after = contents(database)
    changed = {name for name in after if after[name] != before[name]}
    own = {name for name in changed if name.startswith("subscriptions.")}
    assert {name.partition(".")[2] for name in own} >= OWN
    assert changed - own == BESIDE.keys()


@pytest.mark.req("SUB-01")
def test_its_routes_are_those_of_the_management_api_and_no_others(client: httpx.Client) -> None:
    told = client.get("/openapi.json").json()["paths"]
    app = create_management_app(ManagementSettings(NOWHERE, Path("none")))
    all_: Mapping[str, Json] = app.openapi()["paths"]
    everywhere = {"/livez", "/readyz", "/metrics"}
    assert told.keys() > everywhere
    assert {path: all_[path] for path in told} == told, "the same routes, told alike"
    others = all_.keys() - told.keys()
    assert {"/v1/plans", "/v1/invoices", "/v1/changes", "/v1/meters", "/v1/settings"} <= others
    assert not {path for path in others if re.match(r"/v1/(subscriptions|contracts)\b", path)}
    for path in others:
        for method in all_[path]:
            url = re.sub(r"\{\w+\}", "x", path)
            answer = client.request(method, url)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found"), url


@pytest.mark.req("SUB-01")
def test_it_behaves_as_every_process_of_the_api_does(
    client: httpx.Client, process: Child, headers: Headers, desk: Desk
) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}
    client.get("/v1/customers/nobody")
    assert 'route="/v1/customers/{customer}"' in client.get("/metrics").text

    nobody = {"Authorization": "Bearer tb_live_wrong", "Accept": PROBLEM_TYPE}
    refused = client.get("/v1/subscriptions", headers=nobody)
    assert (refused.status_code, refused.headers["content-type"]) == (401, PROBLEM_TYPE)
    assert client.get("/v1/contracts", headers={"Authorization": ""}).status_code == 401
    missing = client.post("/v1/subscriptions", json={"slug": "one"})
    assert (missing.status_code, missing.json()["success"]) == (400, False)
    key_twice = {"Idempotency-Key": "k"}
    first = {"slug": "one", "currency": "USD"}
    assert client.post("/v1/customers", json=first, headers=key_twice).status_code == 201
    other = client.post("/v1/customers", json=first | {"name": "x"}, headers=key_twice)
    assert other.status_code == 422

    process.signal(signal.SIGTERM)
    assert "Application shutdown complete" in process.read_log()


@pytest.mark.req("SUB-01")
def test_its_port_is_8081_unless_told_otherwise() -> None:
    shown = CliRunner().invoke(build_app(), ["serve", "subscriptions", "--help"])
    assert shown.exit_code == 0
    assert re.search(r"--port\b.*?\[default:\s*8081\]", shown.stdout, re.DOTALL)
