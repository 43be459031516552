"""`tollbook changes prune` forgets old answers to repeated requests, too."""

from __future__ import annotations

import json
from datetime import timedelta

from typer.testing import CliRunner

from cli.main import build_app
from core.clock import ManualClock, SystemClock
from db.idempotency import Request, answer_once
from db.postgres import Database
from identity.tenants import ensure_tenant
from tests.plugins.database import database, database_url, do

__all__ = ["database", "database_url"]


def test_answers_are_kept_for_thirty_days_unless_told(
    database: Database, database_url: str
) -> None:
    now = SystemClock().now()
    tenant = do(database, ensure_tenant, ManualClock(now), "acme", "Acme")[0].id
    for age_days in (1, 10, 31):
        at = ManualClock(now - timedelta(days=age_days))
        request = Request(tenant, f"k{age_days}", "0" * 64)
        do(database, answer_once, at, request, lambda: {"told": True})
    environ = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "CLICKHOUSE_URL": "http://127.0.0.1:9/x",
        "DATABASE_URL": database_url,
    }

    def prune(*arguments: str) -> str:
        words = ["changes", "prune", *arguments]
        return CliRunner().invoke(build_app(), words, env=environ).stdout

    assert prune() == "0 stretches of four weeks emptied, 1 answers and 0 holds forgotten\n"
    assert json.loads(prune("--answers-days", "5", "--json")) == {
        "emptied": [],
        "answers": 1,
        "holds": 0,
    }
