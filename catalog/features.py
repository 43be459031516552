"""Features: what a plan gives beside its prices. What a feature is stays; its labels may change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from psycopg.types.json import Jsonb

import sql
from catalog.meter_definition import check_name, check_slug, is_slug
from catalog.meter_register import check_metadata, find_meter
from core.clock import Clock
from core.errors import ConflictError, NotFoundError, ValidationError
from core.ids import FeatureId, MeterId, TenantId, format_id, new_uuid
from db.outbox import Change, append
from db.postgres import Connection

FeatureKind = Literal["metered", "boolean", "static"]
"""What there is so much of, what one has or not, and what has a text for each plan."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature; only a metered one has a meter, whose usage is what is used of it."""

    id: FeatureId
    tenant_id: TenantId
    slug: str
    name: str
    kind: FeatureKind
    meter_id: MeterId | None
    meter: str | None
    archived_at: datetime | None
    metadata: dict[str, str]

    def as_resource(self) -> dict[str, Any]:
        """The form that API and CLI show."""
        return {
            "id": format_id("fea", self.id),
            "slug": self.slug,
            "name": self.name,
            "kind": self.kind,
            "meter": self.meter,
            "archived_at": self.archived_at and self.archived_at.isoformat(),
            "metadata": self.metadata,
        }


def create_feature(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    *,
    slug: str,
    name: str,
    kind: str,
    meter: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Feature:
    """Create a feature; `meter` is the slug of what a metered one counts.

    Raises `ValidationError`, `NotFoundError` for a meter that there is not, `ConflictError` for a
    slug in use.
    """
    check_name(name)
    if kind not in get_args(FeatureKind):
        known = ", ".join(get_args(FeatureKind))
        raise ValidationError(f"kind: {kind!r} is none of {known}", field="kind")
    if (kind == "metered") != (meter is not None):
        need = "needs a meter" if kind == "metered" else "must not have a meter"
        raise ValidationError(f"meter: a {kind} feature {need}", field="meter")
    row = {
        "id": new_uuid(clock),
        "tenant_id": tenant_id,
        "slug": check_slug(slug),
        "name": name,
        "kind": kind,
        "meter_id": None if meter is None else find_meter(conn, tenant_id, meter).definition.id,
        "metadata": Jsonb(check_metadata(metadata)),
        "now": clock.now(),
    }
    if not conn.execute(sql.load("postgres/queries/insert_feature"), row).rowcount:
        raise ConflictError(f"slug: the feature {slug!r} exists already", field="slug")
    return _told(conn, clock, tenant_id, slug, "created")


def find_feature(
    conn: Connection, tenant_id: TenantId, slug: str, *, lock: bool = False
) -> Feature:
    """The feature called `slug`; `lock` holds it until commit. Raises `NotFoundError`."""
    row = None
    if is_slug(slug):
        query = "lock_feature" if lock else "select_feature"
        row = conn.execute(
            sql.load(f"postgres/queries/{query}"), {"tenant_id": tenant_id, "slug": slug}
        ).fetchone()
    if row is None:
        raise NotFoundError(f"feature: there is none called {slug!r}", slug=slug)
    return _of_row(row)


def page_of_features(
    conn: Connection,
    tenant_id: TenantId,
    *,
    after: str = "",
    limit: int = 100,
    archived: bool | None = None,
) -> list[Feature]:
    """At most `limit` features whose slug comes after `after`, by slug.

    `archived` picks those that are, or are not; None: both.
    """
    rows = conn.execute(
        sql.load("postgres/queries/select_feature_page"),
        {"tenant_id": tenant_id, "after": after, "limit": limit, "archived": archived},
    )
    return [_of_row(row) for row in rows]


def features_by_slug(conn: Connection, tenant_id: TenantId) -> dict[str, Feature]:
    """All features of a tenant, archived ones too."""
    found: dict[str, Feature] = {}
    last = ""
    while page := page_of_features(conn, tenant_id, after=last, limit=1_000):
        found |= {feature.slug: feature for feature in page}
        last = page[-1].slug
    return found


def refuse_archived(
    conn: Connection, tenant_id: TenantId, feature_ids: Sequence[FeatureId]
) -> None:
    """Raise `ValidationError` where one of the features is archived; none is until commit."""
    rows = conn.execute(
        sql.load("postgres/queries/share_features"),
        {"tenant_id": tenant_id, "ids": list(feature_ids)},
    )
    archived = {row["id"]: row["slug"] for row in rows if row["archived_at"] is not None}
    for index, feature_id in enumerate(feature_ids):
        if feature_id in archived:
            raise ValidationError(
                f"entitlements[{index}].feature: {archived[feature_id]!r} is archived; new versions"
                " cannot give it",
                field=f"entitlements[{index}].feature",
            )


def change_feature(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    slug: str,
    *,
    name: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Feature:
    """Change labels; None leaves one as it is. Raises `NotFoundError`, `ValidationError`."""
    known = find_feature(conn, tenant_id, slug, lock=True)
    check_name(name)
    new_name = known.name if name is None else name
    labels = known.metadata if metadata is None else check_metadata(metadata)
    if (new_name, labels) == (known.name, known.metadata):
        return known
    _update(conn, clock, known, new_name, labels, known.archived_at)
    return _told(conn, clock, tenant_id, slug, "updated")


def archive_feature(conn: Connection, clock: Clock, tenant_id: TenantId, slug: str) -> Feature:
    """Let no new plan version give the feature; those that do go on. Again changes nothing."""
    known = find_feature(conn, tenant_id, slug, lock=True)
    if known.archived_at is not None:
        return known
    _update(conn, clock, known, known.name, known.metadata, clock.now())
    return _told(conn, clock, tenant_id, slug, "archived")


def _update(
    conn: Connection,
    clock: Clock,
    known: Feature,
    name: str,
    metadata: dict[str, str],
    archived_at: datetime | None,
) -> None:
    conn.execute(
        sql.load("postgres/queries/update_feature"),
        {
            "tenant_id": known.tenant_id,
            "id": known.id,
            "name": name,
            "metadata": Jsonb(metadata),
            "archived_at": archived_at,
            "now": clock.now(),
        },
    )


def _told(conn: Connection, clock: Clock, tenant_id: TenantId, slug: str, what: str) -> Feature:
    """The feature as it is now, after it was written down what became of it."""
    found = find_feature(conn, tenant_id, slug)
    shown = found.as_resource()
    append(conn, clock, tenant_id, Change(f"feature.{what}", shown["id"], shown))
    return found


def _of_row(row: Mapping[str, Any]) -> Feature:
    return Feature(
        id=FeatureId(row["id"]),
        tenant_id=TenantId(row["tenant_id"]),
        slug=row["slug"],
        name=row["name"],
        kind=row["kind"],
        meter_id=None if row["meter_id"] is None else MeterId(row["meter_id"]),
        meter=row["meter"],
        archived_at=row["archived_at"],
        metadata=row["metadata"],
    )
