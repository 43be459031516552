"""How a tenant wants to be worked for: one typed place that every worker reads, in its transaction.

What a tenant has not said has a default, here and nowhere else. Limits are the operator's to set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict, Field
from pydantic import ValidationError as Malformed

import sql
from core.acting import OPERATOR
from core.clock import Clock
from core.errors import AuthorizationError, NotFoundError, PreconditionError, ValidationError
from core.ids import TenantId, format_id
from db.outbox import Change, append
from db.postgres import Connection

Days = Annotated[int, Field(strict=True, ge=0, le=365)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ClosingSettings(_Section):
    """Whether periods are closed by those who close for all tenants, and in a sandbox's walk."""

    automatic: Annotated[bool, Field(strict=True)] = True


class DunningSettings(_Section):
    """Days from a failed payment to each further try, and from the last one to the end."""

    retry_days: Annotated[tuple[Days, ...], Field(max_length=10)] = (1, 3, 5)
    grace_days: Days = 7


class LimitSettings(_Section):
    """What a tenant may have at most, null for any number; set by the operator."""

    subscriptions: Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)] | None = None


class TenantSettings(_Section):
    """All of it."""

    closing: ClosingSettings = ClosingSettings()
    dunning: DunningSettings = DunningSettings()
    limits: LimitSettings = LimitSettings()

    def as_resource(self, revision: int) -> dict[str, Any]:
        """The form that API and CLI show."""
        return {**self.model_dump(mode="json"), "revision": revision}


_OPERATORS: Final = "limits"


def settings_of(conn: Connection, tenant_id: TenantId) -> TenantSettings:
    """What holds for a tenant now. Raises `NotFoundError`."""
    return _read(conn, tenant_id)[0]


def held_settings(conn: Connection, tenant_id: TenantId) -> TenantSettings:
    """The same, changed by nobody else until this transaction ends."""
    conn.execute(sql.load("postgres/queries/lock_tenant_settings"), {"tenant_id": tenant_id})
    return settings_of(conn, tenant_id)


def settings_resource(conn: Connection, tenant_id: TenantId) -> dict[str, Any]:
    """The same as it is shown, with its revision."""
    found, _, revision = _read(conn, tenant_id)
    return found.as_resource(revision)


def change_settings(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    changes: Mapping[str, Any],
    *,
    actor: str,
    revision: int | None = None,
) -> dict[str, Any]:
    """Change what is sent, `{"dunning": {"grace_days": 3}}`; null goes back to the default.

    `revision` is what the caller read. Raises `ValidationError` naming the field,
    `AuthorizationError` where only the operator may, `PreconditionError` for another revision.
    """
    if _OPERATORS in changes and actor != OPERATOR:
        raise AuthorizationError("limits: are set by the operator, who has `tollbook tenants`")
    held_settings(conn, tenant_id)
    before, said, known = _read(conn, tenant_id)
    if revision is not None and revision != known:
        raise PreconditionError(
            f"If-Match: the settings are at revision {known} by now, not {revision}; read them"
            " again and decide",
            field="If-Match",
        )
    told = _merged(said, changes)
    after = read_settings(told)
    if told == said:
        return before.as_resource(known)
    conn.execute(
        sql.load("postgres/queries/update_tenant_settings"),
        {"tenant_id": tenant_id, "settings": Jsonb(told)},
    )
    shown = after.as_resource(known + 1)
    append(
        conn,
        clock,
        tenant_id,
        Change("tenant.settings.changed", format_id("ten", tenant_id), shown),
    )
    return shown


def _read(conn: Connection, tenant_id: TenantId) -> tuple[TenantSettings, dict[str, Any], int]:
    """What holds, what was said, and its revision."""
    values = {"tenant_id": tenant_id}
    row = conn.execute(sql.load("postgres/queries/select_tenant_settings"), values).fetchone()
    if row is None:
        raise NotFoundError(f"tenant: there is none with the id {format_id('ten', tenant_id)}")
    return read_settings(row["settings"]), row["settings"], row["settings_revision"]


def _merged(said: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON merge patch, two levels deep."""
    told = dict(said)
    for name, section in changes.items():
        if section is None:
            told.pop(name, None)
            continue
        if not isinstance(section, Mapping):
            raise ValidationError(f"{name}: expected an object of settings", field=name)
        both = {**told.get(name, {}), **section}
        told[name] = {key: value for key, value in both.items() if value is not None}
    return {name: section for name, section in told.items() if section != {}}


def read_settings(told: Mapping[str, Any]) -> TenantSettings:
    """What was said, and defaults for all else. Raises `ValidationError` naming the field."""
    try:
        return TenantSettings.model_validate(told)
    except Malformed as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ValidationError(f"{field}: {first['msg']}", field=field) from error
