"""The settings of an ingest process, and the limits that it states to senders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.endpoints import Endpoints
from core.rate_limits import NO_LIMITS, RateLimits

BODY_BYTES_MAX: Final = 10 * 1024 * 1024
"""Longest request body, in bytes."""


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """What one ingest process needs to know.

    Attributes:
        endpoints: Where Kafka and Postgres are; Postgres is asked only for the catalog snapshot.
        snapshot_path: File that keeps the catalog snapshot while Postgres is down.
        refresh_seconds: Time between two reads of the snapshot; a revoked key dies within it.
        gather_seconds: How long events of several requests are gathered into one envelope.
        gather_seconds_max: The same while Kafka has not yet acknowledged what left before.
        gather_events: Gathering ends early at this many events, over all partitions.
        envelope_events_max: Most events in one envelope.
        envelope_bytes_max: Largest envelope before compression; the broker takes 1 MiB records.
        held_bytes_max: Bytes of events that may wait for Kafka before requests are refused.
        delivery_seconds: After this time without an acknowledgement the request is refused.
        probe_seconds: Time between two questions to Kafka whether it is there.
        bodies_bytes_max: Bytes of bodies that may be in memory before requests are refused.
        key_limits: Rate limits of API keys for which none are stored.
        tenant_limits: Rate limits of tenants for which none are stored.
    """

    endpoints: Endpoints
    snapshot_path: Path
    refresh_seconds: float = 2.0
    gather_seconds: float = 0.004
    gather_seconds_max: float = 0.01
    gather_events: int = 8_000
    envelope_events_max: int = 2_000
    envelope_bytes_max: int = 900_000
    held_bytes_max: int = 64 * 1024 * 1024
    delivery_seconds: float = 5.0
    probe_seconds: float = 1.0
    bodies_bytes_max: int = 64 * 1024 * 1024
    key_limits: RateLimits = NO_LIMITS
    tenant_limits: RateLimits = NO_LIMITS

    @property
    def limits_path(self) -> Path:
        """The file that the ingest processes of a machine share: what is spent of rate limits."""
        return self.snapshot_path.with_name("rate-limits")
