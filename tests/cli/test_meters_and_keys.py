from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import build_app
from core.clock import SystemClock
from core.errors import ConflictError, NotFoundError, ValidationError
from db.postgres import Database
from identity.tenants import ensure_tenant
from tests.plugins.database import database, database_url

__all__ = ["database", "database_url"]

_TOKENS = """
slug = "tokens"
name = "Tokens"
event_types = ["llm.request", "llm.batch"]
aggregation = "sum"
value = "usage.input + 3 * usage.output"
filter = { path = "model", in = ["large"] }
unit = "tokens"
metadata = { team = "gateway" }
"""
Run = Callable[..., Result]


@pytest.fixture
def run(database: Database, database_url: str) -> Run:
    """A command in an installation with the tenant acme."""
    with database.transaction() as conn:
        ensure_tenant(conn, SystemClock(), "acme", "Acme")
    environ = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "CLICKHOUSE_URL": "http://127.0.0.1:9/x",
        "DATABASE_URL": database_url,
    }

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(build_app(), list(arguments), env=environ)

    return invoke


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "tokens.toml"
    path.write_text(_TOKENS)
    return str(path)


def test_a_meter_is_created_listed_shown_relabelled_and_archived(run: Run, file: str) -> None:
    created = run("meters", "create", file, "--json")
    assert created.exit_code == 0, created.output
    meter = json.loads(created.stdout)
    assert meter["event_types"] == ["llm.batch", "llm.request"]
    assert json.loads(run("meters", "show", "tokens").stdout) == meter

    arguments = ("--name", "Tokens used", "--metadata", "team=billing", "--metadata", "tier=1")
    assert run("meters", "update", "tokens", *arguments).stdout == "updated meter tokens\n"
    assert run("meters", "archive", "tokens").stdout == "archived meter tokens\n"
    (listed,) = json.loads(run("meters", "list", "--json").stdout)
    assert (listed["name"], listed["metadata"]) == ("Tokens used", {"team": "billing", "tier": "1"})
    assert listed["archived_at"] is not None
    assert "archived" in run("meters", "list").stdout


def test_a_file_may_be_json_and_a_mistake_names_it(run: Run, tmp_path: Path, file: str) -> None:
    path = tmp_path / "calls.json"
    path.write_text(json.dumps({"slug": "calls", "event_type": "call", "aggregation": "count"}))
    assert run("meters", "create", str(path)).stdout == "created meter calls\n"
    assert isinstance(run("meters", "create", str(path)).exception, ConflictError)
    for text, word in (("[1]", "expected a table of fields"), ("{", "not JSON")):
        path.write_text(text)
        refused = run("meters", "create", str(path))
        assert isinstance(refused.exception, ValidationError)
        assert word in refused.exception.message
    assert isinstance(run("meters", "create", "nowhere.toml").exception, ValidationError)
    assert isinstance(run("meters", "show", "none").exception, NotFoundError)
    assert isinstance(
        run("meters", "update", "calls", "--metadata", "x").exception, ValidationError
    )


def test_a_tenant_is_named_where_there_are_several(run: Run, database: Database, file: str) -> None:
    with database.transaction() as conn:
        ensure_tenant(conn, SystemClock(), "other", "Other")
    refused = run("meters", "create", file)
    assert isinstance(refused.exception, ValidationError)
    assert "acme, other" in refused.exception.message
    assert run("meters", "create", file, "--tenant", "other").exit_code == 0
    assert json.loads(run("meters", "list", "--tenant", "acme", "--json").stdout) == []


def test_a_key_is_shown_once_listed_and_revoked(run: Run) -> None:
    created = run("keys", "create", "board", "--scope", "meters:read", "--scope", "meters:write")
    text = created.stdout.strip()
    assert text.startswith("tb_live_")
    listed = run("keys", "list", "--json")
    (key,) = json.loads(listed.stdout)
    assert (key["name"], key["scopes"]) == ("board", ["meters:read", "meters:write"])
    assert text not in listed.stdout
    assert key["prefix"] in text
    assert run("keys", "revoke", key["id"]).stdout == f"revoked {key['id']}\n"
    assert "revoked" in run("keys", "list").stdout
    assert isinstance(run("keys", "create", "x", "--scope", "all").exception, ValidationError)
    assert isinstance(run("keys", "revoke", "cus_1").exception, ValidationError)


def test_a_key_is_rotated_and_limited_and_so_is_its_tenant(run: Run) -> None:
    text = run("keys", "create", "gate", "--scope", "events:write", "--events", "5").stdout.strip()
    prefix = text.rpartition("_")[0]
    turned = json.loads(run("keys", "rotate", prefix, "--json").stdout)
    old, new = json.loads(run("keys", "list", "--json").stdout)
    assert (turned["replaces"], turned["id"]) == (old["id"], new["id"])
    assert (old["replaced_by"], new["expires_at"]) == (new["id"], None)
    assert new["limits"] == {"events": {"per_second": 5, "burst": 10_000}, "bytes": None}
    assert new["prefix"] in turned["api_key"]
    assert "replaced, live until" in " ".join(run("keys", "list").stdout.split())
    past = run("keys", "rotate", new["id"], "--old-until", "2020-01-01T00:00Z")
    assert isinstance(past.exception, ValidationError)

    said = run("keys", "limit", new["id"], "--events", "default", "--bytes", "9:600000")
    assert said.stdout == f"{new['prefix']}: events default, bytes 9:600000\n"
    limited = run("tenants", "limit", "acme", "--events", "7:8", "--json")
    assert json.loads(limited.stdout) == {"events": {"per_second": 7, "burst": 8}, "bytes": None}
    (tenant,) = json.loads(run("tenants", "list", "--json").stdout)
    assert (tenant["slug"], tenant["limits"]["events"]["burst"]) == ("acme", 8)
    assert "7:8" in run("tenants", "list").stdout
    assert run("tenants", "limit", "acme", "--bytes", "1").stdout.startswith("acme: events 7:8,")
    assert isinstance(run("tenants", "limit", "acme", "--bytes", "1:1").exception, ValidationError)
    assert json.loads(run("keys", "revoke", prefix, "--json").stdout) == {"revoked": old["id"]}
