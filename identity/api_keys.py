"""API keys: `tb_live_<prefix>_<secret>`, of which only the prefix and a hash are stored.

The secret has 192 random bits, so a fast hash protects it: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from string import hexdigits
from typing import Any, Final
from uuid import UUID

import sql
from core.clock import Clock
from core.errors import ConflictError, NotFoundError, ValidationError
from core.ids import TenantId, format_id, new_uuid, parse_id
from core.rate_limits import NO_LIMITS, RateLimits
from db.outbox import Change, append
from db.postgres import Connection
from identity.rate_limits import columns_of, limits_of_row

EVENTS_WRITE: Final = "events:write"
"""The scope that lets a key post usage events."""

CHANGES_READ: Final = "changes:read"
"""The scope that lets a key read what changed."""

CATALOG_READ: Final = "catalog:read"
"""The scope that lets a key see features and plans, also such as are not public."""

CATALOG_WRITE: Final = "catalog:write"
"""The scope that lets a key create and change features and plans."""

CUSTOMERS_READ: Final = "customers:read"
"""The scope that lets a key see customers, whose usage they pay for, and what they pay with."""

CUSTOMERS_WRITE: Final = "customers:write"
"""The scope that lets a key create, change, link and delete customers."""

INVOICES_READ: Final = "invoices:read"
"""The scope that lets a key see invoices."""
ENTITLEMENTS_READ: Final = "entitlements:read"
"""The scope that lets a key check what customers may use, and see what they are given."""

ENTITLEMENTS_WRITE: Final = "entitlements:write"
"""The scope that lets a key override what customers are given, and grant them more."""

METERS_READ: Final = "meters:read"
"""The scope that lets a key list meters and try one out."""

METERS_WRITE: Final = "meters:write"
"""The scope that lets a key create, rename and archive meters."""

SANDBOX_READ: Final = "sandbox:read"
"""The scope that lets a key see where the time of a sandbox stands."""

SANDBOX_WRITE: Final = "sandbox:write"
"""The scope that lets a key move it on."""

SETTINGS_READ: Final = "settings:read"
"""The scope that lets a key see how the tenant wants to be worked for."""

SETTINGS_WRITE: Final = "settings:write"
"""The scope that lets a key change that."""

SUBSCRIPTIONS_READ: Final = "subscriptions:read"
"""The scope that lets a key see subscriptions and what became of them."""

SUBSCRIPTIONS_WRITE: Final = "subscriptions:write"
"""The scope that lets a key create and change subscriptions."""

SCOPES: Final = frozenset(
    {
        CATALOG_READ,
        CATALOG_WRITE,
        CHANGES_READ,
        CUSTOMERS_READ,
        CUSTOMERS_WRITE,
        ENTITLEMENTS_READ,
        ENTITLEMENTS_WRITE,
        EVENTS_WRITE,
        INVOICES_READ,
        METERS_READ,
        METERS_WRITE,
        SANDBOX_READ,
        SANDBOX_WRITE,
        SETTINGS_READ,
        SETTINGS_WRITE,
        SUBSCRIPTIONS_READ,
        SUBSCRIPTIONS_WRITE,
    }
)
DEFAULT_SCOPES: Final = (EVENTS_WRITE,)

NAME_CHARACTERS_MAX: Final = 128
_PREFIX_BYTES: Final = 4
_SECRET_BYTES: Final = 24
_HEAD: Final = "tb_live_"


def hash_api_key(text: str) -> str:
    """The stored form of a key: hex SHA-256 of its whole text."""
    return hashlib.sha256(text.encode()).hexdigest()


def insert_api_key(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    name: str,
    scopes: tuple[str, ...] = DEFAULT_SCOPES,
    limits: RateLimits = NO_LIMITS,
) -> str:
    """Create a key and return its text, which can never be read again.

    Raises `ValidationError` for an empty name or an unknown scope, `NotFoundError` for an unknown
    tenant.
    """
    key_id, text = _insert(conn, clock, tenant_id, name, scopes, limits)
    _tell(conn, clock, tenant_id, key_id, "created")
    return text


def _insert(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    name: str,
    scopes: tuple[str, ...],
    limits: RateLimits,
) -> tuple[UUID, str]:
    """The id and the text of a new key."""
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
    text = f"{_HEAD}{prefix}_{secrets.token_hex(_SECRET_BYTES)}"
    key_id = new_uuid(clock)
    row = conn.execute(
        sql.load("postgres/queries/insert_api_key"),
        {
            "id": key_id,
            "tenant_id": tenant_id,
            "name": name,
            "prefix": prefix,
            "key_hash": hash_api_key(text),
            "scopes": list(scopes),
            "created_at": clock.now(),
            **columns_of(limits),
        },
    ).fetchone()
    if row is None:
        raise NotFoundError(f"tenant: there is none with the id {tenant_id}")
    return key_id, text


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it can be shown: its text is gone. `prefix` stands in the text, for recognition.

    From `expires_at` on it is refused: it was replaced by the key `replaced_by`.
    """

    id: UUID
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    replaced_by: UUID | None
    limits: RateLimits

    def as_resource(self) -> dict[str, Any]:
        """The form that API and CLI show."""
        return {
            "id": format_id("key", self.id),
            "name": self.name,
            "prefix": self.prefix,
            "scopes": list(self.scopes),
            "created_at": self.created_at.isoformat(),
            "expires_at": self.expires_at and self.expires_at.isoformat(),
            "revoked_at": self.revoked_at and self.revoked_at.isoformat(),
            "replaced_by": self.replaced_by and format_id("key", self.replaced_by),
            "limits": self.limits.as_document(),
        }

    def state_at(self, as_of: datetime) -> str:
        """In a word or two: live, replaced, expired or revoked, and from when on."""
        if self.revoked_at is not None:
            return f"revoked {self.revoked_at:%Y-%m-%d %H:%M}"
        if self.expires_at is None:
            return "live"
        verb = "expired" if self.expires_at <= as_of else "replaced, live until"
        return f"{verb} {self.expires_at:%Y-%m-%d %H:%M}"


def list_api_keys(conn: Connection, tenant_id: TenantId) -> list[ApiKey]:
    """All keys of a tenant, revoked ones too, oldest first."""
    rows = conn.execute(sql.load("postgres/queries/select_api_keys"), {"tenant_id": tenant_id})
    return [_of_row(row) for row in rows]


def find_api_key(conn: Connection, tenant_id: TenantId, reference: str) -> ApiKey:
    """The key with an id (`key_…`) or the start of a text (`tb_live_1a2b3c4d`, or `1a2b3c4d`).

    Raises `NotFoundError`, and `ValidationError` for what is neither.
    """
    # Who pastes a whole key is understood: its secret is not looked at.
    head = reference.removeprefix(_HEAD).partition("_")[0]
    key_id = parse_id("key", reference, "KEY") if head == "key" else None
    if key_id is None and (len(head) != 2 * _PREFIX_BYTES or not set(head) <= set(hexdigits)):
        raise ValidationError(
            f"KEY: expected an id like key_0190… or a prefix like {_HEAD}1a2b3c4d", field="KEY"
        )
    row = conn.execute(
        sql.load("postgres/queries/find_api_key"),
        {"tenant_id": tenant_id, "id": key_id, "prefix": head.lower()},
    ).fetchone()
    if row is None:
        shown = reference if key_id else head
        raise NotFoundError(f"API key: this tenant has none called {shown}")
    return _of_row(row)


def rotate_api_key(
    conn: Connection, clock: Clock, tenant_id: TenantId, key_id: UUID, old_until: datetime
) -> tuple[UUID, str]:
    """Replace a key by a new one with its name, scopes and limits; the new one's id and text.

    Both work until `old_until`, an instant that has not passed; then the old one is refused. Raises
    `NotFoundError`, `ValidationError`, and `ConflictError` for a key that is not live any more.
    """
    row = conn.execute(
        sql.load("postgres/queries/lock_api_key"), {"tenant_id": tenant_id, "id": key_id}
    ).fetchone()
    if row is None:
        raise NotFoundError(f"API key: this tenant has none with the id {key_id}")
    old, now = _of_row(row), clock.now()
    if old_until < now:
        raise ValidationError(
            "old_until: lies in the past; to end the old key at once, revoke it afterwards",
            field="old_until",
        )
    if old.revoked_at is not None or old.expires_at is not None:
        raise ConflictError(
            f"API key {old.prefix}: {old.state_at(now)}; rotate the key that replaced it, or"
            " create one"
        )
    new_id, text = _insert(conn, clock, tenant_id, old.name, old.scopes, old.limits)
    conn.execute(
        sql.load("postgres/queries/replace_api_key"),
        {
            "tenant_id": tenant_id,
            "id": key_id,
            "expires_at": old_until,
            "replaced_by": new_id,
        },
    )
    _tell(conn, clock, tenant_id, new_id, "created")
    _tell(conn, clock, tenant_id, key_id, "rotated")
    return new_id, text


def revoke_api_key(conn: Connection, clock: Clock, tenant_id: TenantId, key_id: UUID) -> None:
    """Refuse the key from now on; a second time changes nothing. Raises `NotFoundError`."""
    if find_api_key(conn, tenant_id, format_id("key", key_id)).revoked_at is not None:
        return
    found = conn.execute(
        sql.load("postgres/queries/revoke_api_key"),
        {"tenant_id": tenant_id, "id": key_id, "now": clock.now()},
    ).fetchone()
    if found is None:
        raise NotFoundError(f"API key: this tenant has none with the id {key_id}")
    _tell(conn, clock, tenant_id, key_id, "revoked")


def set_api_key_limits(
    conn: Connection, clock: Clock, tenant_id: TenantId, key_id: UUID, limits: RateLimits
) -> None:
    """Replace the limits of one key. Raises `NotFoundError`."""
    if find_api_key(conn, tenant_id, format_id("key", key_id)).limits == limits:
        return
    found = conn.execute(
        sql.load("postgres/queries/limit_api_key"),
        {"tenant_id": tenant_id, "id": key_id, **columns_of(limits)},
    ).fetchone()
    if found is None:
        raise NotFoundError(f"API key: this tenant has none with the id {key_id}")
    _tell(conn, clock, tenant_id, key_id, "updated")


def _tell(conn: Connection, clock: Clock, tenant_id: TenantId, key_id: UUID, what: str) -> None:
    """Write down what became of a key, which is told by its id."""
    key = find_api_key(conn, tenant_id, format_id("key", key_id))
    append(
        conn,
        clock,
        tenant_id,
        Change(f"api_key.{what}", format_id("key", key_id), key.as_resource()),
    )


def _of_row(row: dict[str, Any]) -> ApiKey:
    return ApiKey(
        id=row["id"],
        name=row["name"],
        prefix=row["prefix"],
        scopes=tuple(row["scopes"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        replaced_by=row["replaced_by"],
        limits=limits_of_row(row),
    )


def has_api_key(conn: Connection, tenant_id: TenantId) -> bool:
    """Whether the tenant has a key that is neither revoked nor replaced."""
    row = conn.execute(
        sql.load("postgres/queries/select_has_api_key"), {"tenant_id": tenant_id}
    ).fetchone()
    return row is not None and row["has_api_key"]
