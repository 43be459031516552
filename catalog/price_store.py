"""Prices in Postgres: final once written, each with its content hash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

import sql
from catalog.prices import PriceTerms
from core.clock import Clock
from core.ids import PriceId, TenantId, format_id, new_uuid
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
    return PriceTerms(
        row["model"],
        Currency(row["currency"]),
        row["parameters"],
        parse_rounding_mode(row["rounding"]),
        row["adjustments"],
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
