"""`tollbook migrate`: bring the schemas and topics up to date."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from cli.options import Json, StateDir
from core.errors import ConflictError


def migrate(
    state_dir: StateDir = Path(".tollbook"),
    as_json: Json = False,
    cluster: Annotated[
        str | None,
        typer.Option(
            envvar="TOLLBOOK_CLICKHOUSE_CLUSTER",
            help="Make replicated, sharded tables on this ClickHouse cluster; once, when empty.",
        ),
    ] = None,
    chunk_records: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Records of a chunk, when the log is created: 64,000 events are a good chunk.",
        ),
    ] = None,
) -> None:
    """Apply the migrations that Postgres and ClickHouse lack, and create the topics.

    Safe to repeat and to run twice at a time. Changed or unknown migrations are refused, and so is
    another chunk size than the log has.

    Example: tollbook migrate --chunk-records 512
    """
    from db.cluster import Cluster
    from db.migrate import migrate as apply_migrations
    from infra.local.state import resolve_endpoints
    from streams.generation import CHUNK_RECORDS, ensure_generation

    endpoints = resolve_endpoints(os.environ, state_dir)
    applied = apply_migrations(endpoints, Cluster(cluster) if cluster else None)
    made = ensure_generation(endpoints, chunk_records=chunk_records or CHUNK_RECORDS)
    if chunk_records not in {None, made.chunk_records}:
        raise ConflictError(
            f"chunk_records: the log has chunks of {made.chunk_records} records; `tollbook"
            f" generations begin --chunk-records {chunk_records}` makes the next generation so"
        )
    if as_json:
        print(json.dumps({"applied": applied}, indent=2))
        return
    for name in applied:
        print(f"applied {name}")
    print("The schemas are up to date.")
