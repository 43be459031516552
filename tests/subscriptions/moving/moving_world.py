"""A tenant that somebody moves into, and folders of rows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.acting import Acting
from core.clock import ManualClock
from core.ids import TenantId
from db.postgres import Database
from subscriptions.customers.customer import Customer, read_customer
from subscriptions.life.subscription import Subscription, find_subscription
from subscriptions.moving.move_in import RowReport, Totals, move_in, tables_of
from tests.subscriptions.world import apply, document

MOVE = datetime(2026, 3, 17, 9, tzinfo=UTC)
EXAMPLE = Path(__file__).parents[3] / "docs" / "reference" / "move-in"


def team(currency: str = "EUR") -> list[dict[str, Any]]:
    """A plan with a fee, seats and tokens, and an add-on beside it."""
    unit = {"model": "per_unit", "amount": "2.00"}
    return [
        {
            "slug": "team",
            "name": "Team",
            "currency": currency,
            "rate_cards": [
                {"key": "fee", "name": "Fee", "price": {"model": "flat", "amount": "31.00"}},
                {"key": "seats", "name": "Seats", "price": unit, "quantity": "1"},
                {"key": "tokens", "name": "T", "meter": "tokens", "price": unit},
            ],
        },
        {
            "slug": "extra",
            "name": "Extra",
            "kind": "addon",
            "currency": currency,
            "rate_cards": [{"key": "extra", "name": "Extra", "price": unit, "quantity": "1"}],
        },
    ]


@dataclass
class House:
    """A tenant with plans and nobody in it."""

    database: Database
    folder: Path
    tenant_id: TenantId
    now: datetime = MOVE
    reports: list[RowReport] = field(default_factory=list)

    @classmethod
    def build(cls, database: Database, folder: Path) -> House:
        content = document(plans=team(), customers=[], subscriptions=[])
        return cls(database, folder, apply(database, content, MOVE).tenant_id)

    def write(self, **tables: str | list[dict[str, Any]]) -> None:
        """Texts are CSV files, lists NDJSON files."""
        for old in self.folder.iterdir():
            old.unlink()
        for name, rows in tables.items():
            if isinstance(rows, str):
                (self.folder / f"{name}.csv").write_text(rows)
            else:
                text = "".join(json.dumps(row) + "\n" for row in rows)
                (self.folder / f"{name}.ndjson").write_text(text)

    def move(self, folder: Path | None = None, **how: bool) -> Totals:
        self.reports.clear()
        return move_in(
            self.database,
            ManualClock(self.now),
            Acting(self.tenant_id, "mover"),
            tables_of(folder or self.folder),
            self.reports.append,
            **how,
        )

    def told(self) -> list[str]:
        return [
            " ".join((f"{each.kind}:{each.line}", each.outcome, *each.fields))
            for each in self.reports
        ]

    def customer(self, slug: str) -> Customer:
        with self.database.transaction(Acting(self.tenant_id)) as conn:
            return read_customer(conn, self.tenant_id, slug)

    def subscription(self, slug: str) -> Subscription:
        with self.database.transaction(Acting(self.tenant_id)) as conn:
            return find_subscription(conn, self.tenant_id, slug)

    def rows(self) -> dict[str, int]:
        """How many rows each table has."""
        with self.database.transaction() as conn:
            tables = ("customers", "subjects", "subscriptions", "subscription_changes")
            found = {}
            for table in tables:
                row = conn.execute(
                    f"SELECT count(*) AS n FROM subscriptions.{table}".encode()
                ).fetchone()
                assert row is not None
                found[table] = row["n"]
            return found
