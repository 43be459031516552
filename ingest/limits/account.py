"""A key as the limiter knows it: its limits, its tenant's, and what was refused last."""

from __future__ import annotations

from typing import Final, NamedTuple
from uuid import UUID

import numpy as np

from catalog.snapshot_content import ApiKeyPrincipal
from core.errors import TooLargeError
from core.rate_limits import NO_LIMITS, Rate, RateLimits
from ingest.limits.buckets import LINE_WORDS, Numbers
from ingest.limits.header_fields import Policy, policy_field
from ingest.limits.shared_slots import words_of

_WHO: Final = {"key": "this API key", "tenant": "all API keys of this tenant together"}


_QUOTA_UNITS: Final = {"events": "events", "bytes": "content-bytes"}


class Defaults(NamedTuple):
    """The limits of keys and tenants for whom nothing is stored."""

    key: RateLimits = NO_LIMITS
    tenant: RateLimits = NO_LIMITS


class Limit(NamedTuple):
    """One of up to four limits of an account, and its place among what is spent of them."""

    place: int
    scope: str
    unit: str
    rate: Rate

    @property
    def who(self) -> str:
        """Whom it limits, in words."""
        return _WHO[self.scope]

    @property
    def name(self) -> str:
        """As it is called in header fields and errors."""
        return f"{self.scope}-{self.unit}"


class Refused(NamedTuple):
    """The request of a key that was refused last after it was decoded."""

    declared_bytes: int
    events: int


class Account:
    """A key with its limits, as long as they stay the same."""

    def __init__(self, principal: ApiKeyPrincipal, defaults: Defaults) -> None:
        self.principal = principal
        self.refused: Refused | None = None
        self.limits: list[Limit] = []
        owners = (
            ("key", principal.key_id, principal.limits.over(defaults.key)),
            ("tenant", principal.tenant_id, principal.tenant_limits.over(defaults.tenant)),
        )
        rows = [self._row(*owner) for owner in owners if owner[2] != NO_LIMITS]
        self.lines: Numbers = np.array(rows, dtype=np.int64).reshape(-1, LINE_WORDS)
        self.is_limited = bool(rows)
        self.has_bytes_limit = any(limit.unit == "bytes" for limit in self.limits)
        self.events_max = self._smallest("events")
        self.bytes_max = self._smallest("bytes")
        self.policies = [
            Policy(limit.name, _QUOTA_UNITS[limit.unit], limit.rate, limit.place)
            for limit in self.limits
        ]
        self.policy = policy_field(self.policies)

    def _row(self, scope: str, owner_id: UUID, limits: RateLimits) -> list[int]:
        first = 2 * len({limit.scope for limit in self.limits})
        row = [-1, *words_of(owner_id)]
        for place, (unit, rate) in enumerate((("events", limits.events), ("bytes", limits.bytes))):
            row += rate or (0, 0)
            if rate is not None:
                self.limits.append(Limit(first + place, scope, unit, rate))
        return row

    def _smallest(self, unit: str) -> float:
        bursts = [limit.rate.burst for limit in self.limits if limit.unit == unit]
        return min(bursts, default=np.inf)

    def refuse_what_never_fits(self, events: int, size: int) -> None:
        """Raise `TooLargeError` for more than any limit lets through at once."""
        if events <= self.events_max and size <= self.bytes_max:
            return
        for limit in self.limits:
            asked = events if limit.unit == "events" else size
            if asked > limit.rate.burst:
                raise TooLargeError(
                    f"body: {asked} {limit.unit}, and {limit.who} may send {limit.rate.burst} at"
                    " once: send it in smaller batches",
                    limit=limit.name,
                    burst=limit.rate.burst,
                )

    def likely_events(self, size: int) -> tuple[int, int]:
        """How many events a body surely and probably has, before it is read; 0: nobody knows.

        Whoever was refused and sends as much again is taken to send the same again. A longer body
        is taken to hold as many events for each byte: at least half of that, probably an eighth
        more. So a sender that does not wait costs its refusal, not the decoding of all it sends.
        """
        refused = self.refused
        if refused is None or size < refused.declared_bytes:
            return 0, 0
        if size == refused.declared_bytes:
            low = high = refused.events
        else:
            low = refused.events * size // (2 * refused.declared_bytes)
            high = -(-refused.events * size * 9 // (refused.declared_bytes * 8))
        return int(min(low, self.events_max)), int(min(high, self.events_max))
