"""Prices in Postgres: final once written, each with its content hash."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

import sql
from catalog.prices import PriceTerms
from core.clock import Clock
from core.ids import PlanId, PriceId, TenantId, format_id, new_uuid
from core.money import Currency
from db.postgres import Connection
from rating.prices import Price
from rating.rounding import parse_rounding_mode


def insert_price(
    conn: Connection, clock: Clock, tenant_id: TenantId, price: PriceTerms, version: int
) -> PriceId:
    """Write a price down; `version` counts those that its line has had."""
    price_id = PriceId(new_uuid(clock))
    conn.execute(
        sql.load("postgres/queries/insert_price"),
        {
            "id": price_id,
            "tenant_id": tenant_id,
            "model": price.model,
            "currency": price.currency.code,
            "parameters": Jsonb(dict(price.parameters)),
            "adjustments": Jsonb(dict(price.adjustments)),
            "rounding": price.rounding,
            "content_hash": price.content_hash,
            "version": version,
            "now": clock.now(),
        },
    )
    return price_id


class LinePrices:
    """The prices of a plan's lines on their way into its next version.

    Terms that a line has in the newest version, or has got by now, are one price, whatever the
    currency or the phase; others make the line's next one.
    """

    def __init__(
        self, conn: Connection, clock: Clock, tenant_id: TenantId, plan_id: PlanId
    ) -> None:
        self._conn, self._clock, self._tenant_id = conn, clock, tenant_id
        self._known: dict[tuple[str, str], PriceId] = {}
        self._versions: defaultdict[str, int] = defaultdict(int)
        for row in conn.execute(
            sql.load("postgres/queries/select_line_prices"),
            {"tenant_id": tenant_id, "plan_id": plan_id},
        ):
            key = row["key"]
            self._versions[key] = max(self._versions[key], row["version"])
            if row["newest"]:
                self._known[key, row["content_hash"]] = PriceId(row["price_id"])

    def ensure(self, key: str, price: PriceTerms) -> PriceId:
        """The price of a line with these terms."""
        found = self._known.get((key, price.content_hash))
        if found is None:
            self._versions[key] += 1
            found = insert_price(
                self._conn, self._clock, self._tenant_id, price, self._versions[key]
            )
            self._known[key, price.content_hash] = found
        return found


def price_of_row(row: Mapping[str, Any]) -> Price:
    """The price that a row has, as rating takes it."""
    return Price(
        price_id=str(row["price_id"]),
        content_hash=row["content_hash"],
        model=row["model"],
        parameters=row["parameters"],
        currency=Currency(row["currency"]),
        rounding_mode=parse_rounding_mode(row["rounding"]),
        adjustments=row["adjustments"],
    )


def terms_of_row(row: Mapping[str, Any]) -> PriceTerms:
    """The same, as it is sold."""
    return terms_of(price_of_row(row))


def terms_of(price: Price) -> PriceTerms:
    """What a stored price says."""
    assert isinstance(price.currency, Currency), "what is sold is priced in money"
    return PriceTerms(
        price.model, price.currency, price.parameters, price.rounding_mode, price.adjustments
    )


def shown_price(price: Price, version: int) -> dict[str, Any]:
    """A stored price as it is shown: as people write it, with id and version."""
    return {
        "id": format_id("prc", UUID(price.price_id)),
        "version": version,
        "model": price.model,
        "rounding": price.rounding_mode,
        **price.parameters,
        **({"adjustments": price.adjustments} if price.adjustments else {}),
    }
