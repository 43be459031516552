"""`tollbook migrate`: bring the schemas and topics up to date."""

from __future__ import annotations

import json
import os
from pathlib import Path

from cli.options import Json, StateDir


def migrate(state_dir: StateDir = Path(".tollbook"), as_json: Json = False) -> None:
    """Apply the migrations that Postgres and ClickHouse lack, and create the topics.

    Safe to repeat and to run twice at a time. Changed or unknown migrations are refused.

    Example: tollbook migrate
    """
    from db.migrate import migrate as apply_migrations
    from infra.local.state import resolve_endpoints
    from streams.generation import ensure_generation

    endpoints = resolve_endpoints(os.environ, state_dir)
    applied = apply_migrations(endpoints)
    ensure_generation(endpoints)
    if as_json:
        print(json.dumps({"applied": applied}, indent=2))
        return
    for name in applied:
        print(f"applied {name}")
    print("The schemas are up to date.")
