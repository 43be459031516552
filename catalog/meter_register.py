"""Meters as people manage them: by slug, with their labels, a page at a time.

A meter's document is `slug`, maybe `name`, `unit` and `metadata`, and the words of its definition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

import sql
from catalog.meter_definition import is_slug
from catalog.meters import (
    MeterDefinition,
    archive_meter,
    create_meter,
    find_meter_by_id,
    stored_meter_of_row,
    update_meter,
)
from catalog.stored_meter import StoredMeter
from core.clock import Clock
from core.errors import NotFoundError, ValidationError
from core.ids import MeterId, TenantId, new_uuid
from core.texts import check_text
from db.postgres import Connection

__all__ = [
    "StoredMeter",
    "check_metadata",
    "draft_meter",
    "find_meter",
    "find_meter_by_id",
    "page_of_meters",
    "register_meter",
    "relabel_meter",
    "retire_meter",
]

METADATA_KEYS_MAX: Final = 50
METADATA_CHARACTERS_MAX: Final = 500

_LABELS: Final = ("slug", "name", "metadata")
_GIVEN_LATER: Final = {"id", "tenant_id", "catalog_version", "archived_at"}


def draft_meter(clock: Clock, tenant_id: TenantId, document: Mapping[str, Any]) -> MeterDefinition:
    """A meter that is not stored: to be created, or tried out. Raises `ValidationError`."""
    slug, name = document.get("slug"), document.get("name")
    if not isinstance(slug, str):
        raise ValidationError('slug: missing; write slug = "tokens"', field="slug")
    if name is not None and not isinstance(name, str):
        raise ValidationError("name: give a text", field="name")
    check_metadata(document.get("metadata"))
    return MeterDefinition.from_document(
        {word: value for word, value in document.items() if word not in _LABELS},
        meter_id=MeterId(new_uuid(clock)),
        tenant_id=tenant_id,
        slug=slug,
        name=name or slug,
        catalog_version=1,
    )


def register_meter(
    conn: Connection, clock: Clock, tenant_id: TenantId, document: Mapping[str, Any]
) -> StoredMeter:
    """Create the meter of a document. Raises `ValidationError`, `ConflictError` for a slug in use.

    It counts from its first matching event on, however long ago that was.
    """
    draft = draft_meter(clock, tenant_id, document)
    words = {
        each.name: getattr(draft, each.name)
        for each in fields(draft)
        if each.name not in _GIVEN_LATER
    }
    created = create_meter(conn, clock, tenant_id, **words)
    if document.get("metadata"):
        update_meter(
            conn, clock, tenant_id, created.id, metadata=check_metadata(document["metadata"])
        )
    return find_meter(conn, tenant_id, created.slug)


def find_meter(conn: Connection, tenant_id: TenantId, slug: str) -> StoredMeter:
    """The meter called `slug`. Raises `NotFoundError`."""
    row = None
    if is_slug(slug):
        row = conn.execute(
            sql.load("postgres/queries/select_meter"), {"tenant_id": tenant_id, "slug": slug}
        ).fetchone()
    if row is None:
        raise NotFoundError(f"meter: there is none called {slug!r}", slug=slug)
    return stored_meter_of_row(row)


def page_of_meters(
    conn: Connection,
    tenant_id: TenantId,
    *,
    after: int = 0,
    limit: int = 100,
    archived: bool | None = None,
) -> list[StoredMeter]:
    """At most `limit` meters with a catalog version over `after`, oldest first.

    `archived` picks those that are, or are not; None: both.
    """
    rows = conn.execute(
        sql.load("postgres/queries/select_meter_page"),
        {"tenant_id": tenant_id, "after": after, "limit": limit, "archived": archived},
    )
    return [stored_meter_of_row(row) for row in rows]


def relabel_meter(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    slug: str,
    *,
    name: str | None = None,
    unit: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> StoredMeter:
    """Change labels; None leaves one as it is. Raises `NotFoundError`, `ValidationError`."""
    known = find_meter(conn, tenant_id, slug)
    checked = None if metadata is None else check_metadata(metadata)
    update_meter(
        conn, clock, tenant_id, known.definition.id, name=name, unit=unit, metadata=checked
    )
    return find_meter(conn, tenant_id, slug)


def retire_meter(
    conn: Connection, clock: Clock, tenant_id: TenantId, slug: str, at: datetime | None = None
) -> StoredMeter:
    """Let events at or after `at` (now) not count any more; the first instant stays for ever.

    Raises `NotFoundError`, `ValidationError` for an instant in the past.
    """
    known = find_meter(conn, tenant_id, slug)
    archive_meter(conn, clock, tenant_id, known.definition.id, at)
    return find_meter(conn, tenant_id, slug)


def check_metadata(metadata: object) -> dict[str, str]:
    """`metadata` itself, `{}` for None. Raises `ValidationError` unless it is short texts."""
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping) or len(metadata) > METADATA_KEYS_MAX:
        raise ValidationError(
            f"metadata: give at most {METADATA_KEYS_MAX} pairs of texts", field="metadata"
        )
    for key, value in metadata.items():
        for text in (key, value):
            if len(check_text(text, "metadata")) > METADATA_CHARACTERS_MAX:
                raise ValidationError(
                    f"metadata: {key!r}: give texts of at most {METADATA_CHARACTERS_MAX}"
                    " characters",
                    field="metadata",
                )
    return dict(metadata)
