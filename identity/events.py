"""The events of tenants and their keys, as they stand in the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from db.event_types import At, EventType, Labels, Payload, types_of


class _Rate(Payload):
    per_second: int
    burst: int


class _Limits(Payload):
    events: _Rate | None
    bytes: _Rate | None


class TenantFacts(Payload):
    """A tenant; `kind` is `production` or `sandbox`, for ever."""

    id: str
    slug: str
    name: str
    kind: str
    metadata: Labels


class TenantLimits(Payload):
    """What all keys of a tenant share."""

    limits: _Limits


class _Closing(Payload):
    automatic: bool


class _Dunning(Payload):
    retry_days: list[int]
    grace_days: int


class _MostOf(Payload):
    subscriptions: int | None


class SettingsFacts(Payload):
    """How a tenant wants to be worked for."""

    closing: _Closing
    dunning: _Dunning
    limits: _MostOf
    revision: int


class TenantOwner(Payload):
    """Who owns a tenant."""

    id: str
    owner: str | None


class SandboxFacts(Payload):
    """A tenant with a clock of its own."""

    tenant: str
    slug: str
    started_at: At
    clock_at: At


class KeyFacts(Payload):
    """An API key, without its secret."""

    id: str
    name: str
    prefix: str
    scopes: list[str]
    created_at: At
    expires_at: At | None
    revoked_at: At | None
    replaced_by: str | None
    limits: _Limits


EVENTS: Final[Mapping[str, EventType]] = {
    **types_of(
        TenantFacts,
        "tenant",
        {"created": "a tenant is made", "updated": "its name or its labels change"},
    ),
    **types_of(TenantLimits, "tenant", {"limited": "the limits of all its keys change"}),
    **types_of(SettingsFacts, "tenant.settings", {"changed": "its settings change"}),
    **types_of(TenantOwner, "tenant", {"owned": "it gets another owner, or none"}),
    **types_of(
        SandboxFacts,
        "sandbox",
        {
            "created": "a tenant with a clock of its own is made",
            "advanced": "its time is moved on",
        },
    ),
    **types_of(
        KeyFacts,
        "api_key",
        {
            "created": "a key is made",
            "updated": "its limits change",
            "rotated": "another key takes its place",
            "revoked": "it works no longer",
        },
    ),
}
"""By subject."""
