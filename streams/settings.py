"""Settings of a stream worker process: built once at its entry point, then passed down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.endpoints import Endpoints


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How one worker runs.

    `worker_id` names it to the broker, so that its restart is no rebalance: unique among workers.
    `data_dir` holds its copy of the catalog snapshot, to start while Postgres is down.
    """

    endpoints: Endpoints
    worker_id: str
    data_dir: Path
    flush_interval_seconds: float = 1.0
    batch_records_max: int = 128
    """Most envelopes that one step of a lane processes together."""
    batch_bytes_max: int = 32 * 1024 * 1024
    """The same in bytes on the wire; one envelope may always be processed."""
    lane_threads: int = 2
    """Partitions worked on at the same time."""
    session_timeout_seconds: float = 6.0
    catalog_refresh_seconds: float = 2.0
    group: str | None = None
    """Consumer group, where not the installation's own: a worker that shadows all others."""
