"""What is previewed and bought in a sandbox is priced from where its own clock stands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.endpoints import Endpoints
from db.postgres import Database, Role
from identity.tenants import find_tenant
from tests.api.management import management
from tests.api.routes.test_sandbox import command
from tests.invoicing.test_sandbox_walk import walk
from tests.plugins.logins import plain_login

SEATS = {"model": "per_unit", "amount": "15.00"}
PLANS: dict[str, dict[str, Any]] = {
    "team": {
        "kind": "plan",
        "rate_cards": [
            {"key": "fee", "name": "Fee", "price": {"model": "flat", "amount": "30.00"}},
            {"key": "seats", "name": "Seats", "quantity": "1", "price": SEATS},
        ],
    },
    "extra": {
        "kind": "addon",
        "rate_cards": [
            {"key": "extra", "name": "Extra", "quantity": "1", "price": SEATS | {"amount": "60.00"}}
        ],
    },
}
LINES = [
    ("extra", "40.00"),  # 60.00 x 20/30
    ("fee", "30.00"),
    ("seats", "20.00"),  # 2 x 15.00 x 20/30
    ("seats", "5.00"),  # 1 x 15.00 x 10/30
]
WANTED = {"quantities": {"seats": "2"}, "addons": {"extra": "1"}}


@pytest.fixture
def client(installation: Endpoints, tmp_path: Path) -> Iterator[httpx.Client]:
    made = command(
        installation.postgres, "sandbox", "create", "trial", "--at", "2024-04-01T00:00:00Z"
    )
    roles = (Role.API, Role.SNAPSHOT, Role.BILLING)
    with (
        plain_login(installation.postgres, *roles) as login,
        management(login, tmp_path, installation.clickhouse) as opened,
    ):
        opened.headers["Authorization"] = f"Bearer {made['api_key']}"
        yield opened


def done(client: httpx.Client, path: str, body: Any = None) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code in {200, 201}, (path, answer.text)
    return answer.json()


def lines_of(invoice: Any) -> list[tuple[str, str]]:
    return sorted((line["key"], line["amount"]["amount"]) for line in invoice["lines"])


def test_a_change_is_previewed_and_bought_at_the_sandboxs_instant(
    client: httpx.Client, installation: Endpoints
) -> None:
    done(client, "/v1/customers", {"slug": "ada", "currency": "EUR", "name": "Ada"})
    for slug, content in PLANS.items():
        draft = {"currency": "EUR", "rate_cards": content["rate_cards"]}
        done(client, "/v1/plans", {"slug": slug, "kind": content["kind"], "draft": draft})
        done(client, f"/v1/plans/{slug}/activate")
    done(client, "/v1/subscriptions", {"slug": "sub", "customer": "ada", "plan": "team"})
    done(client, "/v1/sandbox/advance", {"to": "2024-04-11T00:00:00Z"})

    before = client.get("/v1/subscriptions/sub").json()
    found = done(client, "/v1/subscriptions/sub/preview", {"command": "change", **WANTED})
    assert [lines_of(each) for each in found["invoices"]] == [LINES]
    assert client.get("/v1/subscriptions/sub").json() == before

    done(client, "/v1/subscriptions/sub/change", WANTED)
    shown = client.get("/v1/subscriptions/sub/bought").json()
    assert (shown["at"], shown["served"]) == ("2024-04-11T00:00:00+00:00", True)
    assert [each["rate_cards"][0]["quantity"] for each in shown["addons"]] == ["1"]
    last = client.get("/v1/subscriptions/sub/changes").json()["data"][-1]
    assert last["created_at"] == "2024-04-11T00:00:00+00:00"

    # A walk over HTTP would ask Kafka whether all that was sent is counted; nothing was sent.
    with Database(installation.postgres) as database:
        with database.transaction() as conn:
            tenant_id = find_tenant(conn, "trial").id
        assert walk(database, tenant_id, datetime(2024, 5, 1, tzinfo=UTC)).reached
    [invoice] = client.get("/v1/invoices").json()["data"]
    assert lines_of(invoice) == LINES
    assert invoice["total"] == {"amount": "95.00", "currency": "EUR"}
