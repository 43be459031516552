"""A town where stories happen: plans with round prices, events in ClickHouse, months that close.

April 2024 has 30 days, so that a day of a fee of 30.00 is 1.00. Everybody lives in UTC
unless the story says otherwise.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from catalog.meters import list_meters
from core.acting import Acting
from core.clock import ManualClock
from core.endpoints import Endpoints
from core.ids import TenantId
from db.postgres import Connection, Database
from invoicing.billing_run import BillingRunner
from invoicing.model import Invoice
from invoicing.tenants import billing_tenants
from subscriptions.commands import Command
from subscriptions.life.advance import advance
from subscriptions.life.subscription import Subscription
from subscriptions.setup import apply_catalog
from tests.subscriptions.operating import Desk
from tests.usage.written_log import Log, Stored, write
from usage.reader import UsageReader

Content = list[dict[str, Any]] | Mapping[str, Any]
"""The lines of a plan in euros, or all that it says."""

Line = tuple[str, str, int]
"""Key, days it is for as `04-01..04-11`, and amount in cents."""


def on(month: int, day: int, hour: int = 0) -> datetime:
    """An instant of 2024."""
    return datetime(2024, month, day, hour, tzinfo=UTC)


def card(key: str, price: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"key": key, "name": key.title(), "price": dict(price), **more}


def fee(amount: str) -> dict[str, Any]:
    return card("fee", {"model": "flat", "amount": amount})


def tokens(amount: str) -> dict[str, Any]:
    return card("tokens", {"model": "per_unit", "amount": amount}, meter="tokens")


TIERS = {
    "model": "graduated",
    "tiers": [{"up_to": "100", "unit_amount": "0.10"}, {"unit_amount": "0.01"}],
}
PLANS: dict[str, list[dict[str, Any]]] = {
    "basic": [fee("30.00"), tokens("0.01")],
    "pro": [fee("90.00"), card("tokens", TIERS, meter="tokens")],
    "team": [fee("30.00"), card("seats", {"model": "per_unit", "amount": "15.00"}, quantity="1")],
}


def _content(cards: Content) -> dict[str, Any]:
    return {"currency": "EUR"} | ({"rate_cards": cards} if isinstance(cards, list) else dict(cards))


def set_up(
    plans: Mapping[str, Content], addons: Mapping[str, Content], zone: str = "UTC"
) -> dict[str, Any]:
    read = {"event_type": "use", "aggregation": "sum", "value": "n"}
    return {
        "tenant": {
            "slug": "town",
            "name": "Town",
            "invoicing": {"seller": {"name": "Town GmbH", "address": ["Berlin"]}},
        },
        "meters": [
            {"slug": "tokens", "name": "Tokens", **read},
            {"slug": "level", "name": "Level", **read, "aggregation": "latest"},
        ],
        "plans": [
            {"slug": slug, "name": slug.title(), **_content(cards)} for slug, cards in plans.items()
        ]
        + [
            {"slug": slug, "kind": "addon", "name": slug.title(), **_content(cards)}
            for slug, cards in addons.items()
        ],
        "customers": [
            {
                "slug": slug,
                "name": slug.title(),
                "currency": "EUR",
                "time_zone": zone,
                "subjects": [f"{slug}-app"],
            }
            for slug in ("ada", "bob")
        ],
    }


@dataclass
class Town:
    """One tenant; its clock goes where the story goes."""

    endpoints: Endpoints
    database: Database
    tenant_id: TenantId
    rng: random.Random
    uses: list[tuple[str, datetime, str]] = field(default_factory=list)
    written: bool = False

    @classmethod
    def build(
        cls,
        endpoints: Endpoints,
        database: Database,
        rng: random.Random,
        plans: Mapping[str, Content] = PLANS,
        addons: Mapping[str, Content] = MappingProxyType({}),
        zone: str = "UTC",
    ) -> Town:
        """The town as it is on 1 March."""
        applied = apply_catalog(database, ManualClock(on(3, 1)), set_up(plans, addons, zone))
        return cls(endpoints, database, applied.tenant_id, rng)

    def desk(self, at: datetime) -> Desk:
        return Desk(self.database, ManualClock(at), self.tenant_id)

    def subscribe(
        self, at: datetime, plan: str, payer: str = "ada", slug: str = "sub", **changes: Any
    ) -> Subscription:
        return self.desk(at).subscribe(slug, plan=plan, payer=payer, **changes)

    def do(self, at: datetime, command: Command, slug: str = "sub") -> Subscription:
        return self.desk(at).do(command, slug)

    def call(self, at: datetime, call: Callable[[Connection, ManualClock], Any]) -> Any:
        """Anything else, on the town's behalf."""
        with self.database.transaction(Acting(self.tenant_id, "story")) as conn:
            return call(conn, ManualClock(at))

    def use(self, subject: str, at: datetime, quantity: str) -> None:
        """Something is used; all of it is written before the first month closes."""
        assert not self.written
        self.uses.append((subject, at, quantity))

    def close(self, as_of: datetime) -> list[Invoice]:
        """What a billing run makes, by number."""
        if not self.written:
            self._write()
        with closing(UsageReader(self.endpoints.clickhouse)) as reader:
            clock = ManualClock(as_of)
            advance(self.database, clock, self.tenant_id, as_of)
            with self.database.transaction() as conn:
                [tenant] = billing_tenants(conn)
            runner = BillingRunner(self.database, reader, clock)
            runs = runner.close(tenant, as_of)
        assert not [each for run in runs for each in run.parked]
        return [invoice for run in runs for invoice in run.invoices]

    def _write(self) -> None:
        events = [
            Stored(
                1, 0, place, 0, 1, place + 1, str(self.tenant_id), "use", subject, at,
                json.dumps({"n": quantity}),
            )
            for place, (subject, at, quantity) in enumerate(self.uses)
        ]  # fmt: skip
        with self.database.transaction(Acting(self.tenant_id)) as conn:
            meters = list_meters(conn, self.tenant_id)
        log = Log({(1, 0): max(len(events), 1)}, {1: 16}, events)
        write(self.endpoints.clickhouse, log, meters, self.rng)
        self.written = True


def lines_of(invoice: Invoice) -> list[Line]:
    """What an invoice says, short."""
    return [
        (
            line.line_key,
            f"{line.service.start:%m-%d}..{line.service.end:%m-%d}",
            line.amount_minor,
        )
        for line in invoice.lines
    ]
