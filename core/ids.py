"""Identifiers: UUIDv7 inside, a prefix and 32 hex digits at the edge (`cus_0190…`)."""

from __future__ import annotations

import secrets
from typing import Final, NewType
from uuid import UUID

from core.clock import Clock
from core.errors import ValidationError

TenantId = NewType("TenantId", UUID)
MeterId = NewType("MeterId", UUID)
FeatureId = NewType("FeatureId", UUID)
PriceId = NewType("PriceId", UUID)
PlanId = NewType("PlanId", UUID)
CustomerId = NewType("CustomerId", UUID)
SubscriptionId = NewType("SubscriptionId", UUID)
ContractId = NewType("ContractId", UUID)
InvoiceId = NewType("InvoiceId", UUID)
BillingRunId = NewType("BillingRunId", UUID)

PREFIXES: Final = frozenset(
    {
        "ten",
        "key",
        "mtr",
        "prc",
        "pln",
        "plv",
        "crd",
        "cus",
        "sub",
        "ctr",
        "inv",
        "lin",
        "run",
        "evt",
        "cor",
        "fea",
        "pym",
        "ovr",
        "grt",
        "hld",
        "usr",
    }
)
_RANDOM_BITS: Final = 74


def uuid7_of(unix_ms: int, random_bits: int) -> UUID:
    """A UUIDv7 (RFC 9562) from milliseconds since the epoch and 74 random bits."""
    high, low = random_bits >> 62 & 0xFFF, random_bits & (1 << 62) - 1
    return UUID(int=unix_ms << 80 | 7 << 76 | high << 64 | 0b10 << 62 | low)


def new_uuid(clock: Clock) -> UUID:
    """A fresh UUIDv7 at the machine's time: sorts by creation, cannot be guessed."""
    return uuid7_of(clock.machine().now_micros() // 1000, secrets.randbits(_RANDOM_BITS))


def format_id(prefix: str, value: UUID) -> str:
    """The form shown to people and machines outside: `format_id("cus", …)` → `cus_0190…`."""
    assert prefix in PREFIXES, prefix
    return f"{prefix}_{value.hex}"


def parse_id(prefix: str, text: str, field: str = "id") -> UUID:
    """Read an outside id back. Raises `ValidationError` naming `field` when it is not one."""
    head, _, digits = text.partition("_")
    try:
        if head == prefix and len(digits) == 32:  # noqa: PLR2004 - hex digits of a UUID
            return UUID(hex=digits)
    except ValueError:
        pass
    raise ValidationError(
        f"{field}: expected an id like {prefix}_0190…, got {text!r}", field=field, value=text
    )
