"""Settings of a stream worker process: built once at its entry point, then passed down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.endpoints import Endpoints


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """How the dedupe index of each partition uses memory and disk."""

    enabled: bool = True
    """Whether it keeps local files: to start from, and for the keys beyond `hot_keys_max`."""
    folder: Path = Path("index")
    """Where, below the worker's `data_dir`; an absolute path is taken as it is."""
    hot_keys_max: int = 16_000_000
    """Keys in memory for each partition, at 31 bytes a key; more of them are kept on disk."""


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
    batch_records_max: int = 512
    """Most envelopes that one step of a lane processes together."""
    batch_bytes_max: int = 32 * 1024 * 1024
    """The same in bytes on the wire; one envelope may always be processed."""
    lane_threads: int = 2
    """Partitions worked on at the same time."""
    session_timeout_seconds: float = 6.0
    catalog_refresh_seconds: float = 2.0
    generation_refresh_seconds: float = 1.0
    """How often the worker looks whether the next generation of the log is to be read."""
    job_interval_seconds: float = 5.0
    """How long the worker waits before it looks again for runs to back-fill and roll up."""
    metrics_port: int | None = None
    """Port of `/metrics`, `/livez` and `/readyz` (0: any free one); None: none."""
    metrics_host: str = "127.0.0.1"
    index: IndexSettings = IndexSettings()
    group: str | None = None
    """Consumer group, where not the installation's own: a worker that shadows all others."""
