"""The lines of plan versions, read back: what a price of a customer's own takes the place of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sql
from catalog.line_prices import NO_OTHERS, OtherPrices, other_prices
from catalog.meter_definition import MeterDefinition
from catalog.plan_terms import RateCard, check_priced_lines
from catalog.price_store import terms_of, terms_of_row
from catalog.priced_meters import check_meter
from catalog.prices import PriceTerms
from core.calendar.intervals import Interval
from core.errors import InternalError
from core.ids import MeterId, PlanId, TenantId
from core.money import Currency
from db.postgres import Connection


@dataclass(frozen=True, slots=True)
class SoldLines:
    """What a version of a plan sells."""

    plan_id: PlanId
    plan: str
    cards: tuple[RateCard, ...]
    meters: Mapping[MeterId, MeterDefinition]
    others: OtherPrices = NO_OTHERS

    def check_prices(
        self, prices: Mapping[str, PriceTerms], phase: str | None, currency: Currency
    ) -> None:
        """Raise `ValidationError` where lines cannot have these prices, by key, all at a time.

        The others cost what they do in a phase and a currency.
        """
        cards = []
        for card in self.cards:
            listed = self.others.price(card.key, phase, currency.code)
            if card.key in prices:
                cards.append(self._repriced(card, prices[card.key]))
            else:
                cards.append(card if listed is None else card.priced(terms_of(listed.price)))
        check_priced_lines(cards)

    def _repriced(self, card: RateCard, price: PriceTerms) -> RateCard:
        repriced = card.priced(price)
        if card.meter_id is not None:
            check_meter(price, self.meters[card.meter_id])
        return repriced


def sold_lines(
    conn: Connection, tenant_id: TenantId, version_ids: Iterable[UUID]
) -> dict[UUID, SoldLines]:
    """What these plan versions sell, by their ids."""
    rows: defaultdict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for row in conn.execute(
        sql.load("postgres/queries/select_plan_lines"),
        {"tenant_id": tenant_id, "plan_version_ids": sorted(set(version_ids))},
    ):
        rows[row["plan_version_id"]].append(row)
    others = other_prices(conn, tenant_id, rows)
    return {
        version_id: SoldLines(
            PlanId(lines[0]["plan_id"]),
            lines[0]["plan"],
            tuple(_card(row) for row in lines),
            {
                MeterId(row["meter_id"]): meter_of_row(tenant_id, row)
                for row in lines
                if row["meter_id"]
            },
            others[version_id],
        )
        for version_id, lines in rows.items()
    }


def _card(row: Mapping[str, Any]) -> RateCard:
    return RateCard(
        row["key"],
        row["name"],
        terms_of_row(row),
        MeterId(row["meter_id"]) if row["meter_id"] else None,
        None if row["cadence"] is None else Interval.parse(row["cadence"]),
        row["timing"],
        row["quantity"],
        None if row["every"] is None else Interval.parse(row["every"]),
    )


def meter_of_row(tenant_id: TenantId, row: Mapping[str, Any]) -> MeterDefinition:
    """The meter of a line that has one."""
    if row["catalog_version"] is None:
        raise InternalError(f"rate card {row['key']}: its meter {row['meter_id']} is gone")
    return MeterDefinition.from_document(
        row["definition"],
        meter_id=MeterId(row["meter_id"]),
        tenant_id=tenant_id,
        slug=row["meter_slug"],
        name=row["meter_name"],
        catalog_version=row["catalog_version"],
        unit=row["unit"],
        archived_at=row["archived_at"],
    )
