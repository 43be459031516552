"""Plans as people manage them: written as drafts, activated, shown, and not sold any more.

A plan has at most one draft and at most one version that is sold. Activating the draft makes the
next version and archives the one before, which goes on for those who bought it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

import sql
from catalog.features import features_by_slug, refuse_archived
from catalog.meter_definition import check_label, check_name, check_slug, is_slug
from catalog.meter_register import check_metadata
from catalog.meters import list_meters
from catalog.plan_document import parse_content, terms_of
from catalog.plan_terms import PlanKind, PlanTerms
from catalog.plan_view import Plan, find_plan, tell_plan
from catalog.plans import archive_versions, ensure_plan_version
from core.clock import Clock
from core.errors import ConflictError, PreconditionError
from core.ids import TenantId, new_uuid
from db.postgres import Connection


@dataclass(frozen=True, slots=True)
class PlanLabels:
    """What may change about a plan at any time; None leaves one as it is."""

    name: str | None = None
    description: str | None = None
    public: bool | None = None
    metadata: Mapping[str, str] | None = None
    limits: Mapping[str, Any] | None = None

    def check(self) -> None:
        """Raise `ValidationError` for a label that is none."""
        check_name(self.name)
        check_label("description", self.description or "")
        check_metadata(self.metadata)


def create_plan(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    slug: str,
    labels: PlanLabels,
    content: Mapping[str, Any] | None = None,
    kind: PlanKind = "plan",
) -> Plan:
    """Create a plan, with its first draft if `content` says what it sells.

    An `addon` is bought beside a plan, so many times.

    Raises `ConflictError` for a slug in use, and what `write_draft` raises.
    """
    labels.check()
    row = {
        "id": new_uuid(clock),
        "tenant_id": tenant_id,
        "slug": check_slug(slug),
        "kind": kind,
        "name": labels.name or slug,
        "description": labels.description or "",
        "public": labels.public or False,
        "prices": Jsonb({}),
        "limits": Jsonb(dict(labels.limits or {})),
        "metadata": Jsonb(check_metadata(labels.metadata)),
        "now": clock.now(),
    }
    if not conn.execute(sql.load("postgres/queries/insert_plan"), row).rowcount:
        raise ConflictError(f"slug: the plan {slug!r} exists already", field="slug")
    made = tell_plan(conn, clock, tenant_id, slug, "created")
    return made if content is None else write_draft(conn, clock, tenant_id, slug, content)


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
        "limits": known.limits if labels.limits is None else dict(labels.limits),
    }
    before = {name: getattr(known, name) for name in changed}
    if changed == before and metadata == known.metadata:
        return known
    _update(conn, clock, tenant_id, known, changed, metadata, known.archived_at)
    return tell_plan(conn, clock, tenant_id, slug, "updated")


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
    terms = _resolve(conn, tenant_id, document)
    terms.check_kind(known.kind)
    refuse_archived(conn, tenant_id, [each.feature_id for each in terms.entitlements])
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
    return tell_plan(conn, clock, tenant_id, slug, "draft.written")


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
    _clear_draft(conn, clock, tenant_id, known)
    ensure_plan_version(
        conn,
        clock,
        tenant_id,
        slug=slug,
        name=known.name,
        terms=terms,
        limits=known.limits,
        kind=known.kind,
    )
    return tell_plan(conn, clock, tenant_id, slug, "activated")


def archive_plan(conn: Connection, clock: Clock, tenant_id: TenantId, slug: str) -> Plan:
    """Sell the plan no more; subscriptions go on. Again changes nothing. Raises `NotFoundError`."""
    known = _locked(conn, tenant_id, slug)
    if known.archived_at is not None:
        return known
    archive_versions(conn, clock, tenant_id, known.id)
    _clear_draft(conn, clock, tenant_id, known)
    labels = {name: getattr(known, name) for name in ("name", "description", "public", "limits")}
    _update(conn, clock, tenant_id, known, labels, known.metadata, clock.now())
    return tell_plan(conn, clock, tenant_id, slug, "archived")


def _locked(conn: Connection, tenant_id: TenantId, slug: str) -> Plan:
    """The plan, its row locked until commit: changes of one plan come one after the other."""
    if is_slug(slug):
        conn.execute(sql.load("postgres/queries/lock_plan"), {"tenant_id": tenant_id, "slug": slug})
    return find_plan(conn, tenant_id, slug)


def _clear_draft(conn: Connection, clock: Clock, tenant_id: TenantId, known: Plan) -> None:
    conn.execute(
        sql.load("postgres/queries/clear_plan_draft"),
        {"tenant_id": tenant_id, "plan_id": known.id, "now": clock.now()},
    )


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
            "limits": Jsonb(labels["limits"]),
            "metadata": Jsonb(dict(metadata)),
            "archived_at": archived_at,
            "now": clock.now(),
        },
    )
