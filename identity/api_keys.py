"""API keys: `tb_live_<prefix>_<secret>`, of which only the prefix and a hash are stored.

The secret has 192 random bits, so a fast hash protects it: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final
from uuid import UUID

import sql
from core.clock import Clock
from core.errors import NotFoundError, ValidationError
from core.ids import TenantId, new_uuid
from db.postgres import Connection, Database

EVENTS_WRITE: Final = "events:write"
"""The scope that lets a key post usage events."""

SCOPES: Final = frozenset({EVENTS_WRITE})
DEFAULT_SCOPES: Final = (EVENTS_WRITE,)

NAME_CHARACTERS_MAX: Final = 128
_PREFIX_BYTES: Final = 4
_SECRET_BYTES: Final = 24


def hash_api_key(text: str) -> str:
    """The stored form of a key: hex SHA-256 of its whole text."""
    return hashlib.sha256(text.encode()).hexdigest()


def create_api_key(
    db: Database,
    clock: Clock,
    tenant_id: TenantId,
    name: str,
    scopes: tuple[str, ...] = DEFAULT_SCOPES,
) -> str:
    """Create a key and return its text, which can never be read again.

    Raises `ValidationError` for an empty name or an unknown scope, `NotFoundError` for an unknown
    tenant.
    """
    with db.transaction() as conn:
        return insert_api_key(conn, clock, tenant_id, name, scopes)


def insert_api_key(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    name: str,
    scopes: tuple[str, ...] = DEFAULT_SCOPES,
) -> str:
    """`create_api_key` as a part of the caller's transaction."""
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX:
        raise ValidationError(
            f"name: give the key a name of 1 to {NAME_CHARACTERS_MAX} characters", field="name"
        )
    unknown = sorted(set(scopes) - SCOPES)
    if unknown or not scopes:
        raise ValidationError(
            f"scopes: {unknown or 'none'}; use {', '.join(sorted(SCOPES))}", field="scopes"
        )
    prefix = secrets.token_hex(_PREFIX_BYTES)
    text = f"tb_live_{prefix}_{secrets.token_hex(_SECRET_BYTES)}"
    row = conn.execute(
        sql.load("postgres/queries/insert_api_key"),
        {
            "id": new_uuid(clock),
            "tenant_id": tenant_id,
            "name": name,
            "prefix": prefix,
            "key_hash": hash_api_key(text),
            "scopes": list(scopes),
            "created_at": clock.now(),
        },
    ).fetchone()
    if row is None:
        raise NotFoundError(f"tenant: there is none with the id {tenant_id}")
    return text


def revoke_api_key(db: Database, clock: Clock, tenant_id: TenantId, key_id: UUID) -> None:
    """Refuse the key from now on; a second time changes nothing. Raises `NotFoundError`."""
    with db.transaction() as conn:
        found = conn.execute(
            sql.load("postgres/queries/revoke_api_key"),
            {"tenant_id": tenant_id, "id": key_id, "now": clock.now()},
        ).fetchone()
    if found is None:
        raise NotFoundError(f"API key: this tenant has none with the id {key_id}")


def has_api_key(conn: Connection, tenant_id: TenantId) -> bool:
    """Whether the tenant has a key that is not revoked."""
    row = conn.execute(
        sql.load("postgres/queries/select_has_api_key"), {"tenant_id": tenant_id}
    ).fetchone()
    return row is not None and row["has_api_key"]
