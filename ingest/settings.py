"""The settings of an ingest process, and the limits that it states to senders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.endpoints import Endpoints
from core.events import AHEAD_OF_LOG_MAX, HORIZON

BODY_BYTES_MAX: Final = 10 * 1024 * 1024
"""Longest request body, in bytes."""

EVENTS_PER_REQUEST_MAX: Final = 10_000
"""Most events in one request."""

OLD_AFTER: Final = HORIZON - AHEAD_OF_LOG_MAX
"""The dedupe horizon less the allowed future: copies of an event whose own time lies further back
than this may be re-sent after the log has forgotten its key, so its sender is told."""


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """What one ingest process needs to know.

    Attributes:
        endpoints: Where Kafka and Postgres are; Postgres is asked only for the catalog snapshot.
        snapshot_path: File that keeps the catalog snapshot while Postgres is down.
        refresh_seconds: Time between two reads of the snapshot; a revoked key dies within it.
        gather_seconds: How long events of several requests are gathered into one envelope.
        gather_events: Gathering ends early at this many events, over all partitions.
        envelope_events_max: Most events in one envelope.
        envelope_bytes_max: Largest envelope before compression; the broker takes 1 MiB records.
        held_bytes_max: Bytes of events that may wait for Kafka before requests are refused.
        delivery_seconds: After this time without an acknowledgement the request is refused.
        probe_seconds: Time between two questions to Kafka whether it is there.
    """

    endpoints: Endpoints
    snapshot_path: Path
    refresh_seconds: float = 2.0
    gather_seconds: float = 0.002
    gather_events: int = 4_000
    envelope_events_max: int = 1_000
    envelope_bytes_max: int = 900_000
    held_bytes_max: int = 64 * 1024 * 1024
    delivery_seconds: float = 5.0
    probe_seconds: float = 1.0
