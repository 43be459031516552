"""A sandbox over HTTP and by commands: its time shown, moved on, and told by everything in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from cli.main import build_app
from core.errors import BusinessLogicError, ConflictError
from db.postgres import Database, Role
from tests.api.management import add_party, management
from tests.plugins.logins import plain_login

FREE = {
    "currency": "EUR",
    "rate_cards": [{"key": "fee", "name": "Fee", "price": {"model": "flat", "amount": "0"}}],
}


def command(database_url: str, *arguments: str) -> Any:
    """What `tollbook ARGUMENTS --json` answers; no server but Postgres is there."""
    environ = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "CLICKHOUSE_URL": "http://127.0.0.1:9/x",
        "DATABASE_URL": database_url,
    }
    found = CliRunner().invoke(build_app(), [*arguments, "--json"], env=environ)
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


@pytest.fixture
def sandbox(database_url: str, database: Database) -> dict[str, str]:
    assert database
    made = command(database_url, "sandbox", "create", "trial", "--at", "2024-01-31T00:00:00Z")
    assert made["clock_at"] == "2024-01-31T00:00:00+00:00"
    return {"Authorization": f"Bearer {made['api_key']}"}


@pytest.fixture
def client(sandbox: dict[str, str], database_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    roles = (Role.API, Role.SNAPSHOT, Role.BILLING)
    with (
        plain_login(database_url, *roles) as login,
        management(login, tmp_path) as opened,
    ):
        opened.headers.update(sandbox)
        yield opened


def test_everything_in_a_sandbox_has_its_time(client: httpx.Client, database_url: str) -> None:
    assert client.get("/v1/sandbox").json()["clock_at"] == "2024-01-31T00:00:00+00:00"
    customer = {"slug": "ada", "currency": "EUR", "name": "Before"}
    assert client.post("/v1/customers", json=customer).status_code == 201
    plan = {"slug": "free", "draft": FREE}
    assert client.post("/v1/plans", json=plan).status_code == 201
    assert client.post("/v1/plans/free/activate").status_code == 200
    wanted = {"slug": "sub", "customer": "ada", "plan": "free", "trial_days": 14}
    made = client.post("/v1/subscriptions", json=wanted)
    assert made.status_code == 201, made.text
    assert made.json()["start"] == "2024-01-31T00:00:00+00:00"

    too_soon = {"at": "period_end", "as_of": "2024-02-01T00:00:00Z"}
    refused = client.post("/v1/subscriptions/sub/cancel", json=too_soon)
    assert refused.status_code == 400
    assert "lies in the future" in refused.json()["error"]["message"]

    moved = client.post("/v1/sandbox/advance", json={"to": "2024-02-20T00:00:00Z"})
    assert moved.status_code == 200, moved.text
    assert moved.json()["reached"] is True
    assert [
        (each["at"], each["what"], each["new_status"]) for each in moved.json()["happened"]
    ] == [("2024-02-14T00:00:00+00:00", "subscription", "ACTIVE")]
    # What was known when is told by the sandbox's time.
    assert client.patch("/v1/customers/ada", json={"name": "After"}).status_code == 200
    for known_at, name in (("2024-02-19T23:59:59Z", "Before"), ("2024-02-20T00:00:00Z", "After")):
        shown = client.get("/v1/customers/ada", params={"known_at": known_at})
        assert shown.json()["name"] == name
    changes = client.get("/v1/subscriptions/sub/changes").json()["data"]
    assert [each["created_at"][:10] for each in changes] == ["2024-01-31", "2024-02-14"]

    shown = command(database_url, "sandbox", "show", "--tenant", "trial")
    assert shown == client.get("/v1/sandbox").json()
    moved = command(
        database_url, "subscriptions", "cancel", "sub", "--at", "now", "--tenant", "trial"
    )
    assert moved["ended_at"] == "2024-02-20T00:00:00+00:00"


def test_back_and_badly_said_is_refused(client: httpx.Client) -> None:
    for body, status, message in (
        ({"to": "2024-01-30T00:00:00Z"}, 422, "never goes back"),
        ({"to": "2024-02-01T00:00:00"}, 400, "to"),
        ({"to": "2024-02-01T00:00:00Z", "step": "P1M"}, 400, "such as P1D or PT6H"),
        ({"to": "9024-02-01T00:00:00Z"}, 400, "1970 to 2199"),
    ):
        found = client.post("/v1/sandbox/advance", json=body)
        assert found.status_code == status, found.text
        assert message in found.text


def test_a_tenant_for_production_has_no_such_clock(
    client: httpx.Client, database_url: str, database: Database
) -> None:
    assert database
    party = add_party(database_url, "real")
    with pytest.raises(ConflictError, match="exists already, for production"):
        command(database_url, "sandbox", "create", "real", "--at", "2024-01-01T00:00:00Z")
    refused = client.get("/v1/sandbox", headers=party.reader)
    assert refused.status_code in {401, 403}, "a new key is known within a second"
    for arguments in (("show",), ("advance", "--to", "2030-01-01T00:00:00Z")):
        with pytest.raises(Exception, match="real: is for production"):
            command(database_url, "sandbox", *arguments, "--tenant", "real")


def test_a_sandbox_has_no_owner(client: httpx.Client, database_url: str) -> None:
    assert client
    for said in (("--owner", "Acme Holding"), ("--none",)):
        with pytest.raises(BusinessLogicError, match="owner: a sandbox has none"):
            command(database_url, "tenants", "owner", "trial", *said)
    assert command(database_url, "tenants", "owner", "trial") == {"slug": "trial", "owner": None}
