"""Plans and their versions. A version is final: other lines or prices make the next version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

import sql
from catalog.features import refuse_archived
from catalog.meters import check_slug
from catalog.phases import Phase
from catalog.plan_terms import PlanEntitlement, PlanKind, PlanTerms
from catalog.plan_view import tell_plan
from catalog.price_store import LinePrices
from catalog.prices import PriceTerms
from core.clock import Clock
from core.errors import ConflictError
from core.ids import PlanId, TenantId, format_id, new_uuid
from core.money import Currency
from db.outbox import Change, append
from db.postgres import Connection


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """A version of a plan as a subscription refers to it."""

    id: UUID
    plan_id: PlanId
    number: int
    currency: Currency
    sold: bool = True


def ensure_plan_version(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    *,
    slug: str,
    name: str,
    terms: PlanTerms,
    limits: Mapping[str, Any] | None = None,
    kind: PlanKind = "plan",
) -> tuple[PlanVersion, bool]:
    """The version of the plan `slug` that is sold, made if these terms differ from it.

    Returns it, and whether it is new. The one before is archived; subscriptions keep the version
    that they were made with. Raises `ValidationError` naming the field.
    """
    terms.check_kind(kind)
    labels = {"name": name, "prices": terms.advertised(), "limits": dict(limits or {})}
    plan_id = _ensure_plan(conn, clock, tenant_id, check_slug(slug), kind, labels)
    newest, currency = _newest_version(conn, tenant_id, plan_id), terms.currency
    digest = terms.content_hash
    sold = newest is not None and newest["archived_at"] is None
    if newest is not None and sold and newest["content_hash"] == digest:
        return _version_of_row(newest), False
    refuse_archived(conn, tenant_id, [each.feature_id for each in terms.entitlements])
    if newest is not None:
        archive_versions(conn, clock, tenant_id, plan_id)
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
    _insert_rate_cards(conn, clock, tenant_id, version, terms)
    _insert_entitlements(conn, clock, tenant_id, version, terms.entitlements)
    shown = format_id("plv", version.id)
    facts = {"id": shown, "plan": slug, "number": version.number, "currency": currency.code}
    append(conn, clock, tenant_id, Change("plan_version.created", shown, facts))
    return version, True


def _ensure_plan(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    slug: str,
    kind: PlanKind,
    facts: Mapping[str, Any],
) -> PlanId:
    """The plan's id; its row is locked until commit, so that version numbers have no gaps."""
    row = {
        "id": new_uuid(clock),
        "tenant_id": tenant_id,
        "slug": slug,
        "kind": kind,
        "name": facts["name"],
        "description": "",
        "public": False,
        "prices": Jsonb(facts["prices"]),
        "limits": Jsonb(facts["limits"]),
        "metadata": Jsonb({}),
        "now": clock.now(),
    }
    made = conn.execute(sql.load("postgres/queries/insert_plan"), row).rowcount
    what = "created" if made else ""
    known = conn.execute(
        sql.load("postgres/queries/lock_plan"), {"tenant_id": tenant_id, "slug": slug}
    ).fetchone()
    assert known is not None
    if known["archived_at"] is not None:
        raise ConflictError(
            f"slug: the plan {slug!r} is archived; create another one", field="slug"
        )
    if known["kind"] != kind:
        raise ConflictError(
            f"kind: {slug!r} is final and a {known['kind']}; create another one", field="kind"
        )
    if any(known[field] != value for field, value in facts.items()):
        conn.execute(sql.load("postgres/queries/update_plan"), row | {"id": known["id"]})
        what = "updated"
    if what:
        tell_plan(conn, clock, tenant_id, slug, what)
    return PlanId(known["id"])


def _newest_version(
    conn: Connection, tenant_id: TenantId, plan_id: PlanId
) -> dict[str, Any] | None:
    return conn.execute(
        sql.load("postgres/queries/select_newest_plan_version"),
        {"tenant_id": tenant_id, "plan_id": plan_id},
    ).fetchone()


def archive_versions(conn: Connection, clock: Clock, tenant_id: TenantId, plan_id: PlanId) -> None:
    """Let the plan's version that is sold not be sold any more; who bought it keeps it."""
    rows = conn.execute(
        sql.load("postgres/queries/archive_plan_versions"),
        {"tenant_id": tenant_id, "plan_id": plan_id, "now": clock.now()},
    ).fetchall()
    for row in rows:
        shown = format_id("plv", row["id"])
        facts = {"id": shown, "plan": row["slug"], "number": row["number"]}
        append(conn, clock, tenant_id, Change("plan_version.archived", shown, facts))


def _version_of_row(row: dict[str, Any]) -> PlanVersion:
    return PlanVersion(
        row["id"],
        PlanId(row["plan_id"]),
        row["number"],
        Currency(row["currency"]),
        row["archived_at"] is None,
    )


def _insert_rate_cards(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    version: PlanVersion,
    terms: PlanTerms,
) -> None:
    prices = LinePrices(conn, clock, tenant_id, version.plan_id)
    ids = {card.key: new_uuid(clock) for card in terms.rate_cards}
    for position, card in enumerate(terms.rate_cards, start=1):
        conn.execute(
            sql.load("postgres/queries/insert_rate_card"),
            {
                "id": ids[card.key],
                "tenant_id": tenant_id,
                "plan_version_id": version.id,
                "position": position,
                "key": card.key,
                "name": card.name,
                "meter_id": card.meter_id,
                "price_id": prices.ensure(card.key, card.price),
                "cadence": card.cadence and str(card.cadence),
                "every": card.every and str(card.every),
                "timing": card.timing,
                "quantity": card.quantity,
                "now": clock.now(),
            },
        )
    others = {card.key: card.others for card in terms.rate_cards}
    _insert_prices(conn, clock, tenant_id, prices, ids, others)
    for position, phase in enumerate(terms.phases, start=1):
        phase_id = _insert_phase(conn, clock, tenant_id, version, position, phase)
        _insert_prices(conn, clock, tenant_id, prices, ids, phase.prices, phase_id)


def _insert_phase(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    version: PlanVersion,
    position: int,
    phase: Phase,
) -> UUID:
    phase_id = new_uuid(clock)
    conn.execute(
        sql.load("postgres/queries/insert_plan_phase"),
        {
            "id": phase_id,
            "tenant_id": tenant_id,
            "plan_version_id": version.id,
            "position": position,
            "key": phase.key,
            "name": phase.name,
            "lasts": phase.lasts and phase.lasts.duration,
            "trial": phase.trial,
            "free_meters": sorted(phase.free_meters),
            "quantities": Jsonb({key: f"{each:f}" for key, each in phase.quantities.items()}),
            "now": clock.now(),
        },
    )
    return phase_id


def _insert_prices(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    known: LinePrices,
    card_ids: Mapping[str, UUID],
    prices: Mapping[str, Sequence[PriceTerms]],
    phase_id: UUID | None = None,
) -> None:
    """Prices of lines beside those of their rate cards: in other currencies, or of a phase."""
    for key, some in prices.items():
        for price in some:
            conn.execute(
                sql.load("postgres/queries/insert_rate_card_price"),
                {
                    "id": new_uuid(clock),
                    "tenant_id": tenant_id,
                    "rate_card_id": card_ids[key],
                    "phase_id": phase_id,
                    "currency": price.currency.code,
                    "price_id": known.ensure(key, price),
                    "now": clock.now(),
                },
            )


def _insert_entitlements(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    version: PlanVersion,
    entitlements: Sequence[PlanEntitlement],
) -> None:
    for entitlement in entitlements:
        conn.execute(
            sql.load("postgres/queries/insert_plan_entitlement"),
            {
                "id": new_uuid(clock),
                "tenant_id": tenant_id,
                "plan_version_id": version.id,
                "feature_id": entitlement.feature_id,
                "limit_quantity": entitlement.limit,
                "hard": entitlement.hard,
                "reset": entitlement.reset and str(entitlement.reset),
                "value": entitlement.value,
                "now": clock.now(),
            },
        )
