"""Meters: which events count, and what about them. Final once created; archiving is a label."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from psycopg import errors

import sql
from core.clock import Clock
from core.errors import ConflictError, NotFoundError, ValidationError
from core.events import TEXT_BYTES_MAX
from core.ids import MeterId, TenantId, new_uuid
from db.postgres import Connection

Aggregation = Literal["count", "sum"]

PATH_STEPS_MAX: Final = 8
STEP_BYTES_MAX: Final = 128
_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class MeterDefinition:
    """One meter.

    `value_path` leads into an event's `data` object, one key per step; a `sum` needs it, a `count`
    has none. `catalog_version` numbers the meters of all tenants 1..n in the order of creation.
    """

    id: MeterId
    tenant_id: TenantId
    slug: str
    name: str
    event_type: str
    aggregation: Aggregation
    value_path: tuple[str, ...] | None
    catalog_version: int
    archived: bool = False

    def __post_init__(self) -> None:
        check_slug(self.slug)
        if not 1 <= len(self.event_type.encode()) <= TEXT_BYTES_MAX["type"]:
            raise ValidationError(
                f"event_type: give 1 to {TEXT_BYTES_MAX['type']} bytes", field="event_type"
            )
        if (self.aggregation == "sum") != (self.value_path is not None):
            raise ValidationError(
                f"value: a sum needs the path of the value it adds, a count must not have one;"
                f" {self.slug} is a {self.aggregation}",
                field="value",
            )


def check_slug(slug: str, field: str = "slug") -> str:
    """`slug` itself. Raises `ValidationError` unless it is a short name in plain characters."""
    if not _SLUG.fullmatch(slug):
        raise ValidationError(
            f"{field}: {slug!r} is not 1 to 64 of a-z, 0-9, _ and -, beginning and ending with a"
            " letter or digit",
            field=field,
        )
    return slug


def parse_value_path(text: str) -> tuple[str, ...]:
    """`usage.tokens` → `("usage", "tokens")`. Raises `ValidationError` naming what is wrong."""
    steps = tuple(text.split("."))
    if len(steps) > PATH_STEPS_MAX:
        raise ValidationError(f"value: {text!r} has over {PATH_STEPS_MAX} steps", field="value")
    for step in steps:
        if not 1 <= len(step.encode()) <= STEP_BYTES_MAX:
            raise ValidationError(
                f"value: each step of {text!r} must have 1 to {STEP_BYTES_MAX} bytes;"
                ' write a path into data such as "usage.tokens"',
                field="value",
            )
    return steps


def create_meter(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    *,
    slug: str,
    name: str,
    event_type: str,
    aggregation: Aggregation,
    value_path: tuple[str, ...] | None,
) -> MeterDefinition:
    """Create a meter with the next catalog version; meters of other tenants wait until commit.

    Raises `ValidationError` for a definition that is none, `ConflictError` for a slug in use.
    """
    version = conn.execute(sql.load("postgres/queries/next_catalog_version")).fetchone()
    assert version is not None
    meter = MeterDefinition(
        id=MeterId(new_uuid(clock)),
        tenant_id=tenant_id,
        slug=slug,
        name=name,
        event_type=event_type,
        aggregation=aggregation,
        value_path=value_path,
        catalog_version=version["version"],
    )
    row = {field: getattr(meter, field) for field in MeterDefinition.__slots__}
    row |= {"value_path": list(value_path) if value_path else None, "now": clock.now()}
    try:
        conn.execute(sql.load("postgres/queries/insert_meter"), row)
    except errors.UniqueViolation as error:
        raise ConflictError(f"slug: the meter {slug!r} exists already", field="slug") from error
    return meter


def list_meters(conn: Connection, tenant_id: TenantId) -> list[MeterDefinition]:
    """All meters of a tenant, archived ones too, oldest first."""
    rows = conn.execute(sql.load("postgres/queries/select_meters"), {"tenant_id": tenant_id})
    return [meter_of_row(row) for row in rows]


def archive_meter(conn: Connection, clock: Clock, tenant_id: TenantId, meter_id: MeterId) -> None:
    """Label a meter as archived, for ever; it keeps counting. Raises `NotFoundError`."""
    found = conn.execute(
        sql.load("postgres/queries/archive_meter"),
        {"tenant_id": tenant_id, "id": meter_id, "now": clock.now()},
    ).fetchone()
    if found is None:
        raise NotFoundError(f"meter: this tenant has none with the id {meter_id}")


def meter_of_row(row: dict[str, object]) -> MeterDefinition:
    """A meter from a row of `select_meters` or `select_snapshot_meters`."""
    path = row["value_path"]
    fields = row | {"value_path": tuple(path) if isinstance(path, list) else None}
    return MeterDefinition(**fields)  # type: ignore[arg-type]  # the query names exactly the fields
