"""Plans as they are shown: what they are called, what is sold of them, what their versions say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sql
from catalog.line_prices import OtherPrices, other_prices
from catalog.meter_definition import is_slug
from catalog.plan_terms import PlanKind
from catalog.price_store import price_of_row, shown_price
from core.clock import Clock
from core.errors import NotFoundError
from core.ids import PlanId, TenantId, format_id
from core.money import Currency
from db.outbox import Change, append
from db.postgres import Connection
from rating.explain import plain


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan; `sold` is the number of the version that can be bought, `draft` what is next."""

    id: PlanId
    slug: str
    kind: PlanKind
    name: str
    description: str
    public: bool
    prices: dict[str, Any]
    limits: dict[str, Any]
    metadata: dict[str, str]
    archived_at: datetime | None
    sold: int | None
    draft: dict[str, Any] | None
    draft_revision: int

    def as_resource(self) -> dict[str, Any]:
        """The form that API and CLI show."""
        return {
            "id": format_id("pln", self.id),
            "slug": self.slug,
            "kind": self.kind,
            "name": self.name,
            "description": self.description,
            "public": self.public,
            "prices": self.prices,
            "limits": self.limits,
            "metadata": self.metadata,
            "archived_at": self.archived_at and self.archived_at.isoformat(),
            "active_version": self.sold,
            "draft": self.draft,
            "draft_revision": self.draft_revision,
        }


def find_plan(conn: Connection, tenant_id: TenantId, slug: str) -> Plan:
    """The plan called `slug`. Raises `NotFoundError`."""
    found = page_of_plans(conn, tenant_id, slug=slug, limit=1) if is_slug(slug) else []
    if not found:
        raise NotFoundError(f"plan: there is none called {slug!r}", slug=slug)
    return found[0]


def page_of_plans(
    conn: Connection,
    tenant_id: TenantId,
    *,
    slug: str | None = None,
    after: str = "",
    limit: int = 100,
    archived: bool | None = None,
    public: bool | None = None,
) -> list[Plan]:
    """At most `limit` plans whose slug comes after `after`, by slug.

    `archived` and `public` pick those that are, or are not; None: both.
    """
    rows = conn.execute(
        sql.load("postgres/queries/select_plan_page"),
        {
            "tenant_id": tenant_id,
            "slug": slug,
            "after": after,
            "limit": limit,
            "archived": archived,
            "public": public,
        },
    )
    return [Plan(**row) for row in rows]


def tell_plan(conn: Connection, clock: Clock, tenant_id: TenantId, slug: str, what: str) -> Plan:
    """The plan as it is now, after it was written down what became of it."""
    found = find_plan(conn, tenant_id, slug)
    shown = found.as_resource()
    append(conn, clock, tenant_id, Change(f"plan.{what}", shown["id"], shown))
    return found


def find_version(conn: Connection, tenant_id: TenantId, slug: str, number: int) -> dict[str, Any]:
    """A version of a plan, as it is shown: what it sells and gives. Raises `NotFoundError`."""
    plan = find_plan(conn, tenant_id, slug)
    values = {"tenant_id": tenant_id, "plan_id": plan.id, "number": number}
    row = conn.execute(sql.load("postgres/queries/select_plan_version"), values).fetchone()
    if row is None:
        raise NotFoundError(f"version: plan {slug!r} has none with the number {number}")
    return _shown(conn, tenant_id, [row])[row["id"]]


def sold_versions(
    conn: Connection, tenant_id: TenantId, plans: Sequence[Plan]
) -> dict[str, dict[str, Any]]:
    """The versions of these plans that are sold, as they are shown, by the plan's slug."""
    rows = conn.execute(
        sql.load("postgres/queries/select_sold_versions"),
        {"tenant_id": tenant_id, "plan_ids": [plan.id for plan in plans]},
    ).fetchall()
    return {version["plan"]: version for version in _shown(conn, tenant_id, rows).values()}


def shown_versions(
    conn: Connection, tenant_id: TenantId, version_ids: Sequence[UUID]
) -> dict[UUID, dict[str, Any]]:
    """These versions as they are shown, by id."""
    rows = conn.execute(
        sql.load("postgres/queries/select_plan_versions"),
        {"tenant_id": tenant_id, "plan_version_ids": list(version_ids)},
    ).fetchall()
    return _shown(conn, tenant_id, rows)


def _shown(
    conn: Connection, tenant_id: TenantId, rows: Sequence[Mapping[str, Any]]
) -> dict[UUID, dict[str, Any]]:
    """Rows of versions as they are shown, by id."""
    values = {"tenant_id": tenant_id, "plan_version_ids": [row["id"] for row in rows]}
    cards: defaultdict[UUID, list[Mapping[str, Any]]] = defaultdict(list)
    for card in conn.execute(sql.load("postgres/queries/select_plan_lines"), values):
        cards[card["plan_version_id"]].append(card)
    given: defaultdict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for each in conn.execute(sql.load("postgres/queries/select_plan_entitlements"), values):
        given[each.pop("plan_version_id")].append(each)
    others = other_prices(conn, tenant_id, [row["id"] for row in rows])
    return {
        row["id"]: {
            "id": format_id("plv", row["id"]),
            "plan": row["plan"],
            "number": row["number"],
            "status": "active" if row["archived_at"] is None else "archived",
            "currency": row["currency"],
            "currencies": _currencies(row, others[row["id"]]),
            "content_hash": row["content_hash"],
            "activated_at": row["valid_from"].isoformat(),
            "archived_at": row["archived_at"] and row["archived_at"].isoformat(),
            "rate_cards": [_shown_card(card, others[row["id"]]) for card in cards[row["id"]]],
            "phases": others[row["id"]].shown_phases(Currency(row["currency"])),
            "entitlements": given[row["id"]],
        }
        for row in rows
    }


def _currencies(row: Mapping[str, Any], others: OtherPrices) -> list[str]:
    """All that the version is sold in; the plan's first."""
    main = row["currency"]
    return [main, *sorted({currency for _, _, currency in others.prices} - {main})]


def _shown_card(card: Mapping[str, Any], others: OtherPrices) -> dict[str, Any]:
    agreed = card["quantity"]
    return {
        "key": card["key"],
        "name": card["name"],
        "meter": card["meter_slug"],
        "cadence": card["cadence"],
        "every": card["every"],
        "timing": card["timing"],
        "quantity": None if agreed is None else plain(agreed),
        "price": shown_price(price_of_row(card), card["price_version"]),
        "prices": others.shown_prices(card["key"], None),
    }
