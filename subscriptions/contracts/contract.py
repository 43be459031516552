"""Contracts as they are kept and shown, found by id or slug."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sql
from catalog.meter_definition import is_slug
from catalog.price_store import price_of_row, shown_price
from core.errors import ValidationError
from core.ids import ContractId, CustomerId, SubscriptionId, TenantId, format_id, parse_id
from core.money import Currency
from db.postgres import Connection
from subscriptions.errors import ContractNotFoundError


@dataclass(frozen=True, slots=True)
class Contract:
    """What was agreed with a customer for `[start, end)`; `ended_at` where that was cut short.

    `customer` and `subscription` are slugs. `prices` are as they are shown.
    """

    id: ContractId
    tenant_id: TenantId
    slug: str
    name: str
    customer_id: CustomerId
    customer: str
    subscription_id: SubscriptionId | None
    subscription: str | None
    start: datetime
    end: datetime | None
    ended_at: datetime | None
    expires: bool
    minimum: str | None
    currency: Currency | None
    """That of the minimum."""
    prices: tuple[dict[str, Any], ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def as_resource(self) -> dict[str, Any]:
        """The form that is shown outside."""
        minimum = None
        if self.minimum is not None and self.currency is not None:
            minimum = {"amount": self.minimum, "currency": self.currency.code}
        return {
            "id": format_id("ctr", self.id),
            "slug": self.slug,
            "name": self.name,
            "customer": self.customer,
            "customer_id": format_id("cus", self.customer_id),
            "subscription": self.subscription,
            "start": self.start.isoformat(),
            "end": self.end and self.end.isoformat(),
            "ended_at": self.ended_at and self.ended_at.isoformat(),
            "expires": self.expires,
            "minimum": minimum,
            "prices": list(self.prices),
            "metadata": dict(self.metadata),
        }


def find_contract(conn: Connection, tenant_id: TenantId, text: str) -> Contract:
    """The contract with this id or slug. Raises `ContractNotFoundError`."""
    found = []
    try:
        if text.startswith("ctr_"):
            found = page_of_contracts(conn, tenant_id, id=parse_id("ctr", text), limit=1)
    except ValidationError:
        pass
    if not found and is_slug(text):
        found = page_of_contracts(conn, tenant_id, slug=text, limit=1)
    if not found:
        raise ContractNotFoundError(f"contract: there is none called {text!r}", contract=text)
    return found[0]


def page_of_contracts(
    conn: Connection,
    tenant_id: TenantId,
    *,
    id: UUID | None = None,  # noqa: A002 - the word of the query
    slug: str | None = None,
    customer_id: UUID | None = None,
    after: str = "",
    limit: int = 100,
) -> list[Contract]:
    """At most `limit` contracts whose slug comes after `after`, by slug."""
    values = {"tenant_id": tenant_id, "customer_ids": None}
    rows = conn.execute(
        sql.load("postgres/queries/select_contract_page"),
        values
        | {"id": id, "slug": slug, "customer_id": customer_id, "after": after, "limit": limit},
    ).fetchall()
    prices: defaultdict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for row in conn.execute(
        sql.load("postgres/queries/select_enterprise_pricing"),
        values | {"contract_ids": [row["id"] for row in rows]},
    ):
        prices[row["contract_id"]].append(_shown_price(row))
    return [_contract(row, tuple(prices[row["id"]])) for row in rows]


def _shown_price(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "key": row["line_key"],
        "plan": row["plan"],
        "start": row["valid_from"].isoformat(),
        "end": row["valid_to"] and row["valid_to"].isoformat(),
        "price": shown_price(price_of_row(row), row["price_version"]),
    }


def _contract(row: Mapping[str, Any], prices: tuple[dict[str, Any], ...]) -> Contract:
    currency = row["minimum_currency"]
    return Contract(
        id=ContractId(row["id"]),
        tenant_id=TenantId(row["tenant_id"]),
        slug=row["slug"],
        name=row["name"],
        customer_id=CustomerId(row["customer_id"]),
        customer=row["customer"],
        subscription_id=row["subscription_id"],
        subscription=row["subscription"],
        start=row["valid_from"],
        end=row["valid_to"],
        ended_at=row["ended_at"],
        expires=row["expires"],
        minimum=row["minimum"],
        currency=None if currency is None else Currency(currency),
        prices=prices,
        metadata=row["metadata"],
    )
