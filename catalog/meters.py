"""Meters in Postgres: created, listed, relabelled, archived. What they are: meter_definition.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import errors
from psycopg.types.json import Jsonb

import sql
from catalog.meter_definition import (
    Aggregation,
    MeterDefinition,
    Per,
    check_label,
    check_slug,
    counted_period,
)
from catalog.metering.conversion import Conversion
from catalog.metering.filters import Filter
from catalog.stored_meter import StoredMeter
from core.clock import Clock, epoch_micros
from core.errors import ConflictError, NotFoundError, ValidationError
from core.events import TIME_MAX_MICROS
from core.ids import MeterId, TenantId, new_uuid
from db.outbox import Change, append
from db.postgres import Connection

__all__ = [
    "Aggregation",
    "MeterDefinition",
    "Per",
    "archive_meter",
    "check_slug",
    "counted_period",
    "create_meter",
    "list_meters",
    "meter_of_row",
    "update_meter",
]

_NO_ID = MeterId(UUID(int=0))


def create_meter(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    *,
    slug: str,
    name: str,
    event_type: str | None = None,
    event_types: Sequence[str] = (),
    aggregation: Aggregation,
    value: str | None = None,
    filter: Filter | None = None,  # noqa: A002 - the word of the set-up file
    dimensions: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    unit: str = "",
    conversion: Conversion | None = None,
    per: Per | None = None,
    percentile: Decimal | None = None,
) -> MeterDefinition:
    """Create a meter with the next catalog version; meters of other tenants wait until commit.

    Raises `ValidationError` for a definition that is none, `ConflictError` for a slug in use.
    """
    pairs = dimensions.items() if isinstance(dimensions, Mapping) else dimensions
    draft = MeterDefinition(
        id=_NO_ID,
        tenant_id=tenant_id,
        slug=slug,
        name=name,
        event_types=(*((event_type,) if event_type is not None else ()), *event_types),
        aggregation=aggregation,
        value=value,
        catalog_version=0,
        filter=filter,
        dimensions=tuple(pairs),
        unit=unit,
        conversion=conversion,
        per=per,
        percentile=percentile,
    )
    return _insert(conn, clock, draft)


def _insert(conn: Connection, clock: Clock, draft: MeterDefinition) -> MeterDefinition:
    version = conn.execute(sql.load("postgres/queries/next_catalog_version")).fetchone()
    assert version is not None
    # Made of what is stored: a definition that could not be read back would stop every reader.
    meter = MeterDefinition.from_document(
        draft.as_document(),
        meter_id=MeterId(new_uuid(clock)),
        tenant_id=draft.tenant_id,
        slug=draft.slug,
        name=draft.name,
        catalog_version=version["version"],
        unit=draft.unit,
    )
    row = {
        "id": meter.id,
        "tenant_id": meter.tenant_id,
        "slug": meter.slug,
        "name": meter.name,
        "event_types": list(meter.event_types),
        "definition": Jsonb(meter.as_document()),
        "unit": meter.unit,
        "catalog_version": meter.catalog_version,
        "now": clock.now(),
    }
    try:
        conn.execute(sql.load("postgres/queries/insert_meter"), row)
    except errors.UniqueViolation as error:
        raise ConflictError(
            f"slug: the meter {meter.slug!r} exists already", field="slug"
        ) from error
    _tell(conn, clock, meter.tenant_id, meter.id, "created")
    return meter


def list_meters(conn: Connection, tenant_id: TenantId) -> list[MeterDefinition]:
    """All meters of a tenant, archived ones too, oldest first."""
    rows = conn.execute(sql.load("postgres/queries/select_meters"), {"tenant_id": tenant_id})
    return [meter_of_row(row) for row in rows]


def update_meter(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    meter_id: MeterId,
    *,
    name: str | None = None,
    unit: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Change labels; None leaves one as it is. Raises `NotFoundError`, `ValidationError`."""
    for label, text in (("name", name), ("unit", unit)):
        check_label(label, text or "")
    known = find_meter_by_id(conn, tenant_id, meter_id)
    changed = {"name": name, "unit": unit, "metadata": metadata}
    before = known.as_resource()
    if all(value is None or value == before[label] for label, value in changed.items()):
        return
    found = conn.execute(
        sql.load("postgres/queries/update_meter"),
        {
            "tenant_id": tenant_id,
            "id": meter_id,
            "name": name,
            "unit": unit,
            "metadata": None if metadata is None else Jsonb(dict(metadata)),
        },
    ).fetchone()
    if found is None:
        raise NotFoundError(f"meter: this tenant has none with the id {meter_id}")
    _tell(conn, clock, tenant_id, meter_id, "updated")


def archive_meter(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    meter_id: MeterId,
    at: datetime | None = None,
) -> None:
    """Stop a meter at an instant of event time, now unless given; the first instant stays for ever.

    Raises `ValidationError` for an instant in the past, whose usage may have been invoiced, or
    after all events, and `NotFoundError`.
    """
    now = clock.now()
    if at is not None and at < now:
        raise ValidationError(
            "archived_at: lies in the past; give a later instant, or none", field="archived_at"
        )
    if at is not None and epoch_micros(at) >= TIME_MAX_MICROS:
        raise ValidationError(
            "archived_at: lies after all events, which end with 2099", field="archived_at"
        )
    if find_meter_by_id(conn, tenant_id, meter_id).definition.archived_at is not None:
        return
    found = conn.execute(
        sql.load("postgres/queries/archive_meter"),
        {"tenant_id": tenant_id, "id": meter_id, "at": at or now},
    ).fetchone()
    if found is None:
        raise NotFoundError(f"meter: this tenant has none with the id {meter_id}")
    _tell(conn, clock, tenant_id, meter_id, "archived")


def find_meter_by_id(conn: Connection, tenant_id: TenantId, meter_id: MeterId) -> StoredMeter:
    """The meter with an id. Raises `NotFoundError`."""
    row = conn.execute(
        sql.load("postgres/queries/select_meter_by_id"), {"tenant_id": tenant_id, "id": meter_id}
    ).fetchone()
    if row is None:
        raise NotFoundError(f"meter: there is none with the id {meter_id}")
    return stored_meter_of_row(row)


def stored_meter_of_row(row: Mapping[str, Any]) -> StoredMeter:
    """A meter with its labels from a row of `select_meter` and its like."""
    return StoredMeter(meter_of_row(row), row["metadata"], row["created_at"])


def _tell(
    conn: Connection, clock: Clock, tenant_id: TenantId, meter_id: MeterId, what: str
) -> None:
    """Write down what became of a meter."""
    meter = find_meter_by_id(conn, tenant_id, meter_id).as_resource()
    append(conn, clock, tenant_id, Change(f"meter.{what}", meter["id"], meter))


def meter_of_row(row: Mapping[str, Any]) -> MeterDefinition:
    """A meter from a row of `select_meters` or `select_snapshot_meters`."""
    return MeterDefinition.from_document(
        row["definition"],
        meter_id=MeterId(row["id"]),
        tenant_id=TenantId(row["tenant_id"]),
        slug=row["slug"],
        name=row["name"],
        catalog_version=row["catalog_version"],
        unit=row["unit"],
        archived_at=row["archived_at"],
    )
