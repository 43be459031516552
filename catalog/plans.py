"""Plans and their versions. A version is final: other lines or prices make the next version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

import sql
from catalog.meters import check_slug
from catalog.prices import PriceTerms, content_hash
from core.calendar.intervals import MONTHLY, Interval
from core.clock import Clock
from core.errors import NotFoundError, ValidationError
from core.ids import MeterId, PlanId, PriceId, TenantId, format_id, new_uuid
from core.money import Currency
from db.outbox import Change, append
from db.postgres import Connection

RATE_CARDS_MAX: Final = 500
"""Lines of one plan version."""

_FLAT: Final = "flat"


@dataclass(frozen=True, slots=True)
class RateCard:
    """One line of a plan: a price, and the meter it is for (none for a flat fee).

    `key` names the line for ever, across versions; `name` is what the invoice says. Billed in
    arrears, for each period of the subscriptions whose billing cycle is its `cadence`; of all where
    it has none.
    """

    key: str
    name: str
    price: PriceTerms
    meter_id: MeterId | None = None
    cadence: Interval | None = None
    timing: str = "in_arrears"

    def __post_init__(self) -> None:
        check_slug(self.key, "key")
        if self.price.metered != (self.meter_id is not None):
            need = "needs a meter" if self.price.metered else "must not have a meter"
            raise ValidationError(
                f"meter: the price model {self.price.model} of line {self.key!r} {need}",
                field="meter",
            )


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """A version of a plan as a subscription refers to it."""

    id: UUID
    plan_id: PlanId
    number: int
    currency: Currency


def ensure_plan_version(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    *,
    slug: str,
    name: str,
    currency: Currency,
    rate_cards: Sequence[RateCard],
    limits: Mapping[str, Any] | None = None,
) -> tuple[PlanVersion, bool]:
    """The newest version of the plan `slug`, made if these lines differ from the one before.

    Returns it, and whether it is new. Subscriptions keep the version that they were made with.
    Raises `ValidationError` naming the field.
    """
    _check_lines(currency, rate_cards)
    plan_id = _ensure_plan(
        conn, clock, tenant_id, check_slug(slug), name, _advertised(currency, rate_cards), limits
    )
    newest = _newest_version(conn, tenant_id, plan_id)
    digest = _lines_hash(currency, rate_cards)
    if newest is not None and newest["content_hash"] == digest:
        return _version_of_row(newest), False
    version = PlanVersion(
        new_uuid(clock), plan_id, 1 if newest is None else newest["number"] + 1, currency
    )
    conn.execute(
        sql.load("postgres/queries/insert_plan_version"),
        {
            "id": version.id,
            "tenant_id": tenant_id,
            "plan_id": plan_id,
            "number": version.number,
            "currency": currency.code,
            "content_hash": digest,
            "now": clock.now(),
        },
    )
    _insert_rate_cards(conn, clock, tenant_id, version, rate_cards)
    shown = format_id("plv", version.id)
    facts = {"id": shown, "plan": slug, "number": version.number, "currency": currency.code}
    append(conn, clock, tenant_id, Change("plan_version.created", shown, facts))
    return version, True


def find_plan_version(conn: Connection, tenant_id: TenantId, slug: str) -> PlanVersion:
    """The newest version of the plan called `slug`. Raises `NotFoundError`."""
    plan = conn.execute(
        sql.load("postgres/queries/lock_plan"), {"tenant_id": tenant_id, "slug": slug}
    ).fetchone()
    row = None if plan is None else _newest_version(conn, tenant_id, PlanId(plan["id"]))
    if row is None:
        raise NotFoundError(f"plan: there is none called {slug!r}", slug=slug)
    return _version_of_row(row)


def _check_lines(currency: Currency, rate_cards: Sequence[RateCard]) -> None:
    if not 1 <= len(rate_cards) <= RATE_CARDS_MAX:
        raise ValidationError(
            f"rate_cards: a plan has 1 to {RATE_CARDS_MAX} of them", field="rate_cards"
        )
    for field in ("key", "meter_id"):
        seen: set[object] = set()
        for card in rate_cards:
            value = getattr(card, field)
            if value is not None and value in seen:
                raise ValidationError(
                    f"rate_cards: two lines have the {field} of {card.key!r}; a plan prices a meter"
                    " once, and a key names one line",
                    field=field,
                )
            seen.add(value)
    for card in rate_cards:
        if card.price.currency != currency:
            raise ValidationError(
                f"currency: line {card.key!r} is in {card.price.currency}, the plan in {currency}",
                field="currency",
            )


def _advertised(currency: Currency, rate_cards: Sequence[RateCard]) -> dict[str, Any]:
    """What a period costs before any use, by billing cycle: the sum of its flat fees."""
    cadences = {card.cadence for card in rate_cards}
    cycles = {cadence for cadence in cadences if cadence is not None} or {MONTHLY}
    prices = {}
    for cycle in sorted(cycles, key=str):
        amount = sum(
            (
                Decimal(card.price.parameters["amount"])
                for card in rate_cards
                if card.price.model == _FLAT and card.cadence in {None, cycle}
            ),
            Decimal(0),
        )
        prices[str(cycle)] = {"amount": f"{amount:f}", "currency": currency.code}
    return prices


def _lines_hash(currency: Currency, rate_cards: Sequence[RateCard]) -> str:
    lines = [
        {
            "key": card.key,
            "name": card.name,
            "meter_id": None if card.meter_id is None else str(card.meter_id),
            "price": card.price.content_hash,
            "cadence": card.cadence and str(card.cadence),
            "timing": card.timing,
        }
        for card in rate_cards
    ]
    return content_hash({"currency": currency.code, "lines": lines})


def _ensure_plan(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    slug: str,
    name: str,
    prices: dict[str, Any],
    limits: Mapping[str, Any] | None,
) -> PlanId:
    """The plan's id; its row is locked until commit, so that version numbers have no gaps."""
    facts = {"name": name, "prices": prices, "limits": dict(limits or {})}
    row = {
        "id": new_uuid(clock),
        "tenant_id": tenant_id,
        "slug": slug,
        "name": name,
        "prices": Jsonb(facts["prices"]),
        "limits": Jsonb(facts["limits"]),
        "now": clock.now(),
    }
    made = conn.execute(sql.load("postgres/queries/insert_plan"), row).rowcount
    known = conn.execute(
        sql.load("postgres/queries/lock_plan"), {"tenant_id": tenant_id, "slug": slug}
    ).fetchone()
    assert known is not None
    if any(known[field] != value for field, value in facts.items()):
        conn.execute(sql.load("postgres/queries/update_plan"), row | {"id": known["id"]})
        made = 1
    if made:
        shown = format_id("pln", known["id"])
        told = {"id": shown, "slug": slug, **facts}
        append(conn, clock, tenant_id, Change("plan.updated", shown, told))
    return PlanId(known["id"])


def _newest_version(
    conn: Connection, tenant_id: TenantId, plan_id: PlanId
) -> dict[str, Any] | None:
    return conn.execute(
        sql.load("postgres/queries/select_newest_plan_version"),
        {"tenant_id": tenant_id, "plan_id": plan_id},
    ).fetchone()


def _version_of_row(row: dict[str, Any]) -> PlanVersion:
    return PlanVersion(row["id"], PlanId(row["plan_id"]), row["number"], Currency(row["currency"]))


def _insert_rate_cards(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    version: PlanVersion,
    rate_cards: Sequence[RateCard],
) -> None:
    known = {
        row["key"]: row
        for row in conn.execute(
            sql.load("postgres/queries/select_newest_prices"),
            {"tenant_id": tenant_id, "plan_id": version.plan_id},
        )
    }
    for position, card in enumerate(rate_cards, start=1):
        conn.execute(
            sql.load("postgres/queries/insert_rate_card"),
            {
                "id": new_uuid(clock),
                "tenant_id": tenant_id,
                "plan_version_id": version.id,
                "position": position,
                "key": card.key,
                "name": card.name,
                "meter_id": card.meter_id,
                "price_id": _ensure_price(conn, clock, tenant_id, card.price, known.get(card.key)),
                "cadence": card.cadence and str(card.cadence),
                "timing": card.timing,
                "now": clock.now(),
            },
        )


def _ensure_price(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    price: PriceTerms,
    newest: dict[str, Any] | None,
) -> PriceId:
    """The line's price: the one it had, if the terms are the same, else a new one."""
    if newest is not None and newest["content_hash"] == price.content_hash:
        return PriceId(newest["price_id"])
    price_id = PriceId(new_uuid(clock))
    conn.execute(
        sql.load("postgres/queries/insert_price"),
        {
            "id": price_id,
            "tenant_id": tenant_id,
            "model": price.model,
            "currency": price.currency.code,
            "parameters": Jsonb(dict(price.parameters)),
            "rounding": price.rounding,
            "content_hash": price.content_hash,
            "version": 1 if newest is None else newest["version"] + 1,
            "now": clock.now(),
        },
    )
    return price_id
