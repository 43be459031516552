"""`tollbook customers`, from creation to deletion."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import build_app
from core.clock import SystemClock
from core.errors import ConflictError, NotFoundError, TollbookError, ValidationError
from db.postgres import Database
from identity.tenants import ensure_tenant
from tests.plugins.database import database, database_url

__all__ = ["database", "database_url"]

Run = Callable[..., Result]


@pytest.fixture
def run(database: Database, database_url: str) -> Run:
    """`customers` and its arguments, in an installation with the tenant acme."""
    with database.transaction() as conn:
        ensure_tenant(conn, SystemClock(), "acme", "Acme")
    environ = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "CLICKHOUSE_URL": "http://127.0.0.1:9/x",
        "DATABASE_URL": database_url,
    }

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(build_app(), ["customers", *arguments], env=environ)

    return invoke


def test_a_customer_is_created_shown_changed_and_deleted(run: Run, tmp_path: Path) -> None:
    buyer = tmp_path / "buyer.toml"
    buyer.write_text('email = "a@b.example"\npostal_address = { country = "DE" }\n')
    made = run("create", "contoso", "--currency", "EUR", "--billing-info", str(buyer), "--json")
    assert made.exit_code == 0, made.output
    customer = json.loads(made.stdout)
    assert (customer["name"], customer["billing_info"]["postal_address"]) == (
        "contoso", {"country": "DE"},
    )  # fmt: skip
    child = ("labs", "--currency", "EUR", "--parent", "contoso", "--payer", "parent")
    assert run("create", *child, "--metadata", "tier=1").stdout == "created customer labs\n"
    assert "contoso" in run("list").stdout
    (listed,) = json.loads(run("list", "--parent", customer["id"], "--json").stdout)
    assert (listed["slug"], listed["metadata"]) == ("labs", {"tier": "1"})

    before = listed["revision"]
    changed = run("change", "labs", "--name", "Labs", "--no-parent")
    assert changed.stdout == f"customer labs is at revision {before + 1}\n", changed.output
    shown = json.loads(run("show", "labs").stdout)
    assert (shown["name"], shown["parent"], shown["payer"]) == ("Labs", None, "self")
    assert (shown["subjects"], shown["payment_methods"]) == ([], [])

    assert run("change", "contoso", "--invoices", "apart").exit_code == 0
    assert json.loads(run("show", "contoso").stdout)["invoices"] == "apart"

    gone = run("delete", "contoso").stdout
    assert gone == f"deleted customer contoso; its id is {customer['id']}\n"
    assert isinstance(run("show", "contoso").exception, NotFoundError)
    assert json.loads(run("show", customer["id"]).stdout)["deleted_at"] is not None
    (left,) = json.loads(run("list", "--deleted", "--json").stdout)
    assert left["id"] == customer["id"]


def test_a_subject_is_linked_moved_and_unlinked(run: Run) -> None:
    for slug in ("a", "b"):
        assert run("create", slug, "--currency", "EUR").exit_code == 0
    assert run("link", "a", "chat").exit_code == 0
    refused = run("link", "b", "chat", "--from", "2026-03-01T00:00Z")
    assert isinstance(refused.exception, ConflictError)
    moved = run("link", "b", "chat", "--from", "2026-03-01T00:00Z", "--move", "--json")
    assert json.loads(moved.stdout)["valid_from"] == "2026-03-01T00:00:00+00:00"
    ended = run("unlink", "b", "chat", "--at", "2026-04-01T00:00Z")
    assert ended.stdout == "b pays for chat until 2026-04-01 00:00:00+00:00\n", ended.output
    spans = [
        (link["valid_from"][:10], link["valid_to"][:10])
        for slug in ("a", "b")
        for link in json.loads(run("show", slug).stdout)["subjects"]
    ]
    assert spans == [("1970-01-01", "2026-03-01"), ("2026-03-01", "2026-04-01")]
    (paying,) = json.loads(run("list", "--subject", "chat", "--json").stdout)[1:]
    assert paying["slug"] == "b"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("create", "x", "--currency", "EURO"), "currency: "),
        (("create", "x", "--currency", "EUR", "--user", "me"), "user_id: "),
        (("create", "x", "--currency", "EUR", "--metadata", "x"), "--metadata: "),
        (("create", "x", "--currency", "EUR", "--billing-info", "nowhere.toml"), "nowhere.toml"),
        (("link", "nobody", "chat"), "customer: "),
        (("unlink", "nobody", "chat", "--at", "soon"), "--at: "),
        (("show", "nobody", "--known-at", "2026-01-01"), "--known-at: "),
    ],
)
def test_a_mistake_is_named(run: Run, arguments: tuple[str, ...], message: str) -> None:
    error = run(*arguments).exception
    assert isinstance(error, TollbookError)
    assert isinstance(error, ValidationError | NotFoundError)
    assert error.message.startswith(message)
