"""`tollbook payers` and `tollbook tenants owner`: both sides say so, and take it back."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from cli.main import build_app
from core.errors import BusinessLogicError, NotFoundError, ValidationError
from tests.invoicing import world
from tests.plugins.database import database, database_url

__all__ = ["database", "database_url"]

Run = Callable[..., Result]


@pytest.fixture
def run(database: object, database_url: str) -> Run:
    """A command, in an installation with the tenants member and home."""
    for slug in ("member", "home"):
        world.found_tenant(database_url, slug, 1)
    environ = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "CLICKHOUSE_URL": "http://127.0.0.1:9/x",
        "DATABASE_URL": database_url,
    }

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(build_app(), list(arguments), env=environ)

    return invoke


def test_a_payer_is_offered_taken_listed_and_taken_back(run: Run) -> None:
    offer = ("payers", "offer", "c0", "--to", "home", "--tenant", "member")
    assert isinstance(run(*offer).exception, BusinessLogicError)
    for slug in ("member", "home"):
        told = run("tenants", "owner", slug, "--owner", "Acme Holding").stdout
        assert told == f"{slug}: owned by Acme Holding\n"
    shown = run("tenants", "owner", "home", "--json").stdout
    assert json.loads(shown) == {"slug": "home", "owner": "Acme Holding"}

    offered = json.loads(run(*offer, "--json").stdout)
    assert (offered["side"], offered["accepted_at"]) == ("gives", None)
    given = offered["customer"]
    accept = ("payers", "accept", "c0", "--from", "member", "--for", given, "--tenant", "home")
    assert run(*accept).stdout == f"c0 pays for {given} of member, from the next close on\n"
    (mine,) = json.loads(run("payers", "list", "--tenant", "member", "--json").stdout)
    (theirs,) = json.loads(run("payers", "list", "--tenant", "home", "--json").stdout)
    assert (mine["other_customer"], theirs["other_customer"]) == (theirs["customer"], given)
    assert mine["accepted_at"] is not None
    assert "gives" in run("payers", "list", "--tenant", "member").stdout

    end = ("payers", "end", "c0", "--tenant", "member")
    assert run(*end).stdout == "c0: 1 agreement(s) ended\n"
    assert isinstance(run(*end).exception, NotFoundError)
    for slug in ("member", "home"):
        assert json.loads(run("payers", "list", "--tenant", slug, "--json").stdout) == []


def test_an_owner_is_a_name(run: Run) -> None:
    for name in ("", " x", "a\nb", "x" * 101):
        assert isinstance(
            run("tenants", "owner", "home", "--owner", name).exception, ValidationError
        )
    both = run("tenants", "owner", "home", "--owner", "x", "--none").exception
    assert isinstance(both, ValidationError)
    assert run("tenants", "owner", "home", "--none").stdout == "home: owned by nobody named\n"
