"""`tollbook entitlements`, from an override to its end."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from catalog.features import create_feature
from cli.main import build_app
from core.clock import SystemClock
from core.errors import ConflictError, DependencyDownError, ValidationError
from db.outbox import changes_after
from db.postgres import Database
from entitlements.errors import OverrideNotFoundError
from tests.plugins.database import database, database_url
from tests.subscriptions.world import apply, document

__all__ = ["database", "database_url"]

Run = Callable[..., Result]


@pytest.fixture
def run(database: Database, database_url: str) -> Run:
    """`entitlements` and its arguments, in an installation with a customer and features."""
    tenant = apply(database, document()).tenant_id
    with database.transaction() as conn:
        for slug, kind, meter in (("sso", "boolean", None), ("calls", "metered", "tokens")):
            create_feature(
                conn, SystemClock(), tenant, slug=slug, name=slug, kind=kind, meter=meter
            )
    environ = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "CLICKHOUSE_URL": "http://127.0.0.1:9/x",
        "DATABASE_URL": database_url,
    }

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(build_app(), ["entitlements", *arguments], env=environ)

    return invoke


def test_overrides_and_grants_are_made_ended_and_told(run: Run, database: Database) -> None:
    assert run("check", "contoso", "sso").exit_code == 3
    made = json.loads(run("override", "contoso", "sso", "--json").stdout)
    assert run("check", "contoso", "sso").stdout == "sso: allowed\n"
    listed = json.loads(run("list", "contoso", "--json").stdout)
    assert [(each["feature"], each["allowed"]) for each in listed] == [("sso", True)]
    assert isinstance(run("override", "contoso", "sso", "--nothing").exception, ConflictError)
    assert "ends at" in run("end", "contoso", made["id"]).stdout
    assert run("check", "contoso", "sso").exit_code == 3
    again = run("end", "contoso", made["id"].replace("ovr_", "ovr_f")[:36])
    assert isinstance(again.exception, OverrideNotFoundError)

    grant = ("grant", "contoso", "calls", "10.5", "--end", "2100-01-01T00:00:00Z")
    assert isinstance(run(*grant).exception, ValidationError)  # that lasts too long
    start = ("--start", "2099-06-01T00:00:00Z", "--priority", "1", "--json")
    given = json.loads(run(*grant, *start).stdout)
    assert (given["quantity"], given["priority"]) == ("10.5", 1)
    # Before it began: it has never held.
    assert run("end", "contoso", given["id"]).stdout == f"{given['id']} has never held\n"
    with database.transaction() as conn:
        [tenant] = conn.execute("SELECT id FROM identity.tenants").fetchall()
        told = changes_after(conn, tenant["id"], 0, 1_000).events
    assert [each.subject for each in told if each.subject.startswith("entitlement.")] == [
        "entitlement.override.created",
        "entitlement.override.ended",
        "entitlement.grant.created",
        "entitlement.grant.ended",
    ]


def test_what_is_wrong_names_its_field(run: Run) -> None:
    for words, field in (
        (("override", "contoso", "sso", "--limit", "5"), "limit"),
        (("override", "contoso", "calls", "--limit", "-5"), "limit"),
        (("override", "contoso", "calls", "--nothing", "--limit", "5"), "given"),
        (("override", "contoso", "calls", "--limit", "5", "--reset", "often"), "reset"),
        (("grant", "contoso", "calls", "0", "--end", "2100-01-01T00:00:00Z"), "quantity"),
    ):
        error = run(*words).exception
        assert isinstance(error, ValidationError), (words, error)
        assert error.message.startswith(field), words
    assert run("override", "contoso", "calls", "--limit", "5", "--hard").exit_code == 0
    # What is counted cannot be told while ClickHouse is away.
    assert isinstance(run("check", "contoso", "calls").exception, DependencyDownError)
