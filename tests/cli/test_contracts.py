"""`tollbook contracts`, from a file to the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import build_app
from core.errors import NotFoundError, ValidationError
from db.postgres import Database
from tests.plugins.database import database, database_url
from tests.subscriptions.operating import open_desk

__all__ = ["database", "database_url"]

Run = Callable[..., Result]
DEAL = """
slug = "deal"
customer = "contoso"
subscription = "sub"
start = 2024-01-01T00:00:00Z
minimum = "250.00"

[[prices]]
key = "platform"
price = { model = "flat", amount = "49.00" }
"""


@pytest.fixture
def run(database: Database, database_url: str) -> Run:
    """`contracts` and its arguments, in an installation with a subscription."""
    open_desk(database).subscribe()
    environ = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "CLICKHOUSE_URL": "http://127.0.0.1:9/x",
        "DATABASE_URL": database_url,
    }

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(build_app(), ["contracts", *arguments], env=environ)

    return invoke


def test_a_contract_is_created_listed_shown_and_ended(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "deal.toml"
    file.write_text(DEAL)
    made = run("create", str(file))
    assert made.stdout == "contract deal of contoso holds from 2024-01-01T00:00:00+00:00\n", made
    shown = json.loads(run("show", "deal").stdout)
    assert shown["minimum"] == {"amount": "250", "currency": "USD"}
    assert json.loads(run("list", "--customer", "contoso", "--json").stdout) == [shown]
    assert "250 USD" in run("list").stdout
    ended = run("end", "deal", "--at", "2024-02-01T00:00:00Z")
    assert ended.stdout == "contract deal ends at 2024-02-01T00:00:00+00:00\n"
    assert json.loads(run("show", "deal").stdout)["prices"][0]["end"] == "2024-02-01T00:00:00+00:00"


def test_errors_name_what_is_wrong(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "deal.toml"
    file.write_text(DEAL.replace("49.00", "dear"))
    refused = run("create", str(file)).exception
    assert isinstance(refused, ValidationError)
    assert refused.message.startswith("prices[0].price.amount"), refused.message
    assert isinstance(run("end", "none").exception, NotFoundError)
