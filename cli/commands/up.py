"""`tollbook up`: start the local stack and bring its schemas up to date."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from cli.options import Port, StateDir
from cli.output import part_progress


def up(
    state_dir: StateDir = Path(".tollbook"),
    kafka_port: Port = None,
    kafka_controller_port: Port = None,
    clickhouse_port: Port = None,
    postgres_port: Port = None,
    migrate: Annotated[
        bool, typer.Option(help="Apply migrations and create topics once the servers answer.")
    ] = True,
) -> None:
    """Start Kafka, ClickHouse and Postgres, and wait until each one answers.

    What runs already stays as it is. KAFKA_BOOTSTRAP_SERVERS, CLICKHOUSE_URL and DATABASE_URL each
    replace a part by an outside server.

    Example: tollbook up --kafka-port 9092
    """
    from infra.local.ports import Ports
    from infra.local.stack import PART_NAMES, LocalStack

    ports = Ports(
        kafka=kafka_port or 0,
        kafka_controller=kafka_controller_port or 0,
        clickhouse=clickhouse_port or 0,
        postgres=postgres_port or 0,
    )
    stack = LocalStack(state_dir, ports, environ=os.environ)
    with part_progress([*PART_NAMES, *(["schemas"] if migrate else [])]) as show:
        stack.start(show)
        if migrate:
            _migrate(state_dir, show=lambda phrase: show("schemas", phrase))
    print(f"The stack is up. Its state is in {stack.state.root}; `tollbook status` shows it.")


def _migrate(state_dir: Path, show: Callable[[str], None]) -> None:
    from db.migrate import migrate
    from infra.local.state import resolve_endpoints
    from streams.generation import ensure_generation

    endpoints = resolve_endpoints(os.environ, state_dir)
    show("applying migrations")
    applied = migrate(endpoints)
    show("creating topics")
    ensure_generation(endpoints)
    show(f"ready, {len(applied)} migrations applied")
