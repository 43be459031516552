"""`tollbook repair`: make again what `tollbook verify` finds damaged, and nothing else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from cli.options import Json, StateDir, Yes


def repair(
    state_dir: StateDir = Path(".tollbook"), yes: Yes = False, as_json: Json = False
) -> None:
    """Verify everything, then make damaged chunks again from Kafka, damaged totals from the events.

    Stop all workers first. Refused, with nothing changed, where the log has lost a damaged chunk.

    Example: tollbook repair --yes
    """
    from cli.commands.compact import report
    from cli.refilling import compacted, refilled, snapshot_of
    from infra.local.state import resolve_endpoints
    from streams.rebuild.rebuild import Damage, drop_damaged
    from usage.verify import verify

    endpoints = resolve_endpoints(os.environ, state_dir)
    found = verify(endpoints.clickhouse, snapshot_of(endpoints, state_dir).meters)
    damage = Damage.of((difference.what, difference.cell) for difference in found.differences)
    print(
        f"{len(damage.chunks)} chunks have other events than the ledger proves,"
        f" {len(damage.totals)} runs other totals than their events",
        file=sys.stderr,
    )
    if not yes and found.differences:
        typer.confirm("Make them again?", abort=True, err=True)
    if found.differences:
        refilled(endpoints, state_dir, drop_damaged(endpoints, damage))
    report(*compacted(endpoints, state_dir), as_json=as_json)
