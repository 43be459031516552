"""Prices of plan versions beside those of their rate cards: in other currencies, and in phases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import sql
from catalog.price_store import price_of_row, shown_price
from core.ids import MeterId, TenantId
from core.money import Currency
from db.postgres import Connection
from rating.prices import Price


@dataclass(frozen=True, slots=True)
class LinePrice:
    """A price that a line has; `phase` is the key of the one that it is for, None: in all."""

    key: str
    phase: str | None
    price: Price
    version: int


@dataclass(frozen=True, slots=True)
class StoredPhase:
    """What a phase says beside prices. `free_slugs` are the names of its free meters."""

    key: str
    name: str
    lasts: str | None
    trial: bool
    free_meters: frozenset[MeterId]
    free_slugs: tuple[str, ...]
    quantities: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class OtherPrices:
    """What one plan version says beside its rate cards."""

    phases: Mapping[str, StoredPhase] = field(default_factory=dict)
    prices: Mapping[tuple[str, str | None, str], LinePrice] = field(default_factory=dict)
    """By line, phase and currency."""

    def price(self, key: str, phase: str | None, currency: str) -> LinePrice | None:
        """What a line costs in a phase and a currency; None: what its rate card says."""
        in_phase = None if phase is None else self.prices.get((key, phase, currency))
        return in_phase or self.prices.get((key, None, currency))

    def shown_prices(self, key: str, phase: str | None) -> dict[str, dict[str, Any]]:
        """The prices of a line that are said in a phase, by currency, as they are shown."""
        return {
            currency: shown_price(each.price, each.version)
            for (line, at, currency), each in self.prices.items()
            if (line, at) == (key, phase)
        }

    def shown_phases(self, currency: Currency) -> list[dict[str, Any]]:
        """The phases, in their order, as people write them."""
        return [
            {
                "key": phase.key,
                "name": phase.name,
                "lasts": phase.lasts,
                "trial": phase.trial,
                "free_meters": list(phase.free_slugs),
                "prices": self._shown(phase.key, currency),
                "quantities": {key: f"{each:f}" for key, each in phase.quantities.items()},
            }
            for phase in self.phases.values()
        ]

    def _shown(self, phase: str, currency: Currency) -> list[dict[str, Any]]:
        found = []
        for key in dict.fromkeys(line for line, at, _ in self.prices if at == phase):
            prices = self.shown_prices(key, phase)
            found.append({"key": key, "price": prices.pop(currency.code), "prices": prices})
        return found


NO_OTHERS: Final = OtherPrices()


def other_prices(
    conn: Connection, tenant_id: TenantId, version_ids: Iterable[UUID]
) -> defaultdict[UUID, OtherPrices]:
    """What these plan versions say beside their rate cards, by their ids."""
    values = {"tenant_id": tenant_id, "plan_version_ids": sorted(set(version_ids))}
    phases: defaultdict[UUID, dict[str, StoredPhase]] = defaultdict(dict)
    for row in conn.execute(sql.load("postgres/queries/select_plan_phases"), values):
        phases[row["plan_version_id"]][row["key"]] = _phase(row)
    prices: defaultdict[UUID, dict[tuple[str, str | None, str], LinePrice]] = defaultdict(dict)
    for row in conn.execute(sql.load("postgres/queries/select_plan_prices"), values):
        found = LinePrice(row["key"], row["phase"], price_of_row(row), row["price_version"])
        prices[row["plan_version_id"]][found.key, found.phase, row["currency"]] = found
    both: defaultdict[UUID, OtherPrices] = defaultdict(OtherPrices)
    for version_id in {*phases, *prices}:
        both[version_id] = OtherPrices(phases[version_id], prices[version_id])
    return both


def _phase(row: Mapping[str, Any]) -> StoredPhase:
    return StoredPhase(
        row["key"],
        row["name"],
        row["lasts"],
        row["trial"],
        frozenset(MeterId(each) for each in row["free_meters"]),
        tuple(row["free_slugs"]),
        {key: Decimal(text) for key, text in row["quantities"].items()},
    )
