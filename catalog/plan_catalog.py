"""Plans as people manage them: written as drafts, activated, shown, and not sold any more.

A plan has at most one draft and at most one version that is sold. Activating the draft makes the
next version and archives the one before, which goes on for those who bought it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

import sql
from catalog.features import features_by_slug
from catalog.meter_definition import check_label, check_slug, is_slug
from catalog.meter_register import check_metadata
from catalog.meters import list_meters
from catalog.plan_document import parse_content, terms_of
from catalog.plan_terms import PlanTerms
from catalog.plans import archive_versions, ensure_plan_version
from core.clock import Clock
from core.errors import ConflictError, NotFoundError, PreconditionError
from core.ids import PlanId, TenantId, format_id, new_uuid
from db.outbox import Change, append
from db.postgres import Connection


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan; `sold` is the number of the version that can be bought, `draft` what is next."""

    id: PlanId
    slug: str
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


@dataclass(frozen=True, slots=True)
class PlanLabels:
    """What may change about a plan at any time; None leaves one as it is."""

    name: str | None = None
    description: str | None = None
    public: bool | None = None
    metadata: Mapping[str, str] | None = None

    def check(self) -> None:
        """Raise `ValidationError` for a label that is none."""
        check_label("name", self.name or "")
        check_label("description", self.description or "")
        check_metadata(self.metadata)


def create_plan(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    slug: str,
    labels: PlanLabels,
    content: Mapping[str, Any] | None = None,
) -> Plan:
    """Create a plan, with its first draft if `content` says what it sells.

    Raises `ConflictError` for a slug in use, and what `write_draft` raises.
    """
    labels.check()
    row = {
        "id": new_uuid(clock),
        "tenant_id": tenant_id,
        "slug": check_slug(slug),
        "name": labels.name or slug,
        "description": labels.description or "",
        "public": labels.public or False,
        "prices": Jsonb({}),
        "limits": Jsonb({}),
        "metadata": Jsonb(check_metadata(labels.metadata)),
        "now": clock.now(),
    }
    if not conn.execute(sql.load("postgres/queries/insert_plan"), row).rowcount:
        raise ConflictError(f"slug: the plan {slug!r} exists already", field="slug")
    made = _told(conn, clock, tenant_id, slug, "created")
    return made if content is None else write_draft(conn, clock, tenant_id, slug, content)


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


def change_plan(
    conn: Connection, clock: Clock, tenant_id: TenantId, slug: str, labels: PlanLabels
) -> Plan:
    """Change labels; what is sold stays. Raises `NotFoundError`, `ValidationError`."""
    labels.check()
    known = _locked(conn, tenant_id, slug)
    metadata = known.metadata if labels.metadata is None else check_metadata(labels.metadata)
    changed = {
        "name": known.name if labels.name is None else labels.name,
        "description": (known.description if labels.description is None else labels.description),
        "public": known.public if labels.public is None else labels.public,
    }
    before = {name: getattr(known, name) for name in changed}
    if changed == before and metadata == known.metadata:
        return known
    _update(conn, clock, tenant_id, known, changed, metadata, known.archived_at)
    return _told(conn, clock, tenant_id, slug, "updated")


def write_draft(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    slug: str,
    content: Mapping[str, Any],
    revision: int | None = None,
) -> Plan:
    """Replace the plan's draft, or begin one. Nothing is sold by it.

    `revision` is that of the draft which is replaced (0: there is none). Raises
    `PreconditionError` when it is another one by now, `ValidationError`, `NotFoundError` naming
    the path in the content, `ConflictError` for a plan that is archived.
    """
    known = _locked(conn, tenant_id, slug)
    if known.archived_at is not None:
        raise ConflictError(f"plan: {slug!r} is archived; create another one", field="slug")
    _check_revision(known, revision)
    document = parse_content(content).model_dump(exclude_none=True, exclude_defaults=True)
    _resolve(conn, tenant_id, document)
    conn.execute(
        sql.load("postgres/queries/upsert_plan_draft"),
        {
            "id": new_uuid(clock),
            "tenant_id": tenant_id,
            "plan_id": known.id,
            "document": Jsonb(document),
            "now": clock.now(),
        },
    )
    return _told(conn, clock, tenant_id, slug, "draft.written")


def activate_draft(
    conn: Connection, clock: Clock, tenant_id: TenantId, slug: str, revision: int | None = None
) -> Plan:
    """Sell what the draft says from now on, as the next version. Raises as `write_draft`.

    A draft that says what is sold already goes away, and makes no version.
    """
    known = _locked(conn, tenant_id, slug)
    _check_revision(known, revision)
    if known.draft is None:
        raise ConflictError(
            f"plan: {slug!r} has no draft that could be activated; write one first", field="slug"
        )
    terms = _resolve(conn, tenant_id, known.draft)
    conn.execute(
        sql.load("postgres/queries/delete_plan_draft"),
        {"tenant_id": tenant_id, "plan_id": known.id},
    )
    ensure_plan_version(
        conn, clock, tenant_id, slug=slug, name=known.name, terms=terms, limits=known.limits
    )
    return find_plan(conn, tenant_id, slug)


def archive_plan(conn: Connection, clock: Clock, tenant_id: TenantId, slug: str) -> Plan:
    """Sell the plan no more; subscriptions go on. Again changes nothing. Raises `NotFoundError`."""
    known = _locked(conn, tenant_id, slug)
    if known.archived_at is not None:
        return known
    archive_versions(conn, clock, tenant_id, known.id)
    labels = {"name": known.name, "description": known.description, "public": known.public}
    _update(conn, clock, tenant_id, known, labels, known.metadata, clock.now())
    return _told(conn, clock, tenant_id, slug, "archived")


def find_version(conn: Connection, tenant_id: TenantId, slug: str, number: int) -> dict[str, Any]:
    """A version of a plan, as it is shown: what it sells and gives. Raises `NotFoundError`."""
    plan = find_plan(conn, tenant_id, slug)
    values = {"tenant_id": tenant_id, "plan_id": plan.id, "number": number}
    row = conn.execute(sql.load("postgres/queries/select_plan_version"), values).fetchone()
    if row is None:
        raise NotFoundError(f"version: plan {slug!r} has none with the number {number}")
    cards = conn.execute(
        sql.load("postgres/queries/select_plan_lines"),
        {"tenant_id": tenant_id, "plan_version_ids": [row["id"]]},
    )
    given = conn.execute(
        sql.load("postgres/queries/select_plan_entitlements"),
        {"tenant_id": tenant_id, "plan_version_id": row["id"]},
    )
    return {
        "id": format_id("plv", row["id"]),
        "plan": slug,
        "number": number,
        "status": "active" if row["archived_at"] is None else "archived",
        "currency": row["currency"],
        "content_hash": row["content_hash"],
        "activated_at": row["valid_from"].isoformat(),
        "archived_at": row["archived_at"] and row["archived_at"].isoformat(),
        "rate_cards": [_shown_card(card) for card in cards],
        "entitlements": [dict(each) for each in given],
    }


def _shown_card(card: Mapping[str, Any]) -> dict[str, Any]:
    price_id: UUID = card["price_id"]
    return {
        "key": card["key"],
        "name": card["name"],
        "meter": card["meter_slug"],
        "cadence": card["cadence"],
        "price": {
            "id": format_id("prc", price_id),
            "version": card["price_version"],
            "model": card["model"],
            "rounding": card["rounding"],
            **card["parameters"],
        },
    }


def _locked(conn: Connection, tenant_id: TenantId, slug: str) -> Plan:
    """The plan, its row locked until commit: changes of one plan come one after the other."""
    conn.execute(sql.load("postgres/queries/lock_plan"), {"tenant_id": tenant_id, "slug": slug})
    return find_plan(conn, tenant_id, slug)


def _check_revision(known: Plan, revision: int | None) -> None:
    if revision is not None and revision != known.draft_revision:
        raise PreconditionError(
            f"If-Match: the draft of {known.slug!r} is at revision {known.draft_revision} by now,"
            f" not {revision}; read it again and decide",
            field="If-Match",
        )


def _resolve(conn: Connection, tenant_id: TenantId, document: Mapping[str, Any]) -> PlanTerms:
    meters = {meter.slug: meter for meter in list_meters(conn, tenant_id)}
    return terms_of(parse_content(document), meters, features_by_slug(conn, tenant_id))


def _update(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    known: Plan,
    labels: Mapping[str, Any],
    metadata: Mapping[str, str],
    archived_at: datetime | None,
) -> None:
    conn.execute(
        sql.load("postgres/queries/relabel_plan"),
        {
            "tenant_id": tenant_id,
            "id": known.id,
            **labels,
            "metadata": Jsonb(dict(metadata)),
            "archived_at": archived_at,
            "now": clock.now(),
        },
    )


def _told(conn: Connection, clock: Clock, tenant_id: TenantId, slug: str, what: str) -> Plan:
    """The plan as it is now, after it was written down what became of it."""
    found = find_plan(conn, tenant_id, slug)
    shown = found.as_resource()
    append(conn, clock, tenant_id, Change(f"plan.{what}", shown["id"], shown))
    return found
