"""`tollbook compact`: bring every stored total to the newest catalog, and roll up."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cli.options import Json, StateDir

if TYPE_CHECKING:
    from streams.jobs.work import Tally


def compact(state_dir: StateDir = Path(".tollbook"), as_json: Json = False) -> None:
    """Total complete chunks for meters that came after them, and merge chunks into roll-ups.

    Workers do the same in the background. Safe beside them, and safe to stop at any moment. Exits
    with 1 when chunks stand in the way; `tollbook verify` says what is wrong with them.

    Example: tollbook compact --json
    """
    from catalog.snapshot import SnapshotSource
    from infra.local.state import resolve_endpoints

    endpoints = resolve_endpoints(os.environ, state_dir)
    source = SnapshotSource(endpoints.postgres, state_dir.absolute() / "compact" / "catalog.json")
    try:
        snapshot = source.load()
    finally:
        source.close()
    from cli.progress import part_bars
    from streams.jobs.compact import compact as run

    with part_bars() as progress:
        tally = run(endpoints.clickhouse, snapshot, progress)
    report(tally, snapshot.version, as_json=as_json)


def report(tally: Tally, version: int, *, as_json: bool) -> None:
    """Print what was done; exits with 1 when chunks stood in the way."""
    if as_json:
        print(
            json.dumps(
                {
                    "catalog_version": version,
                    "runs": {str(level): count for level, count in sorted(tally.runs.items())},
                    "events": tally.events,
                    "blocked": [
                        dict(zip(("generation", "partition", "run"), chunk, strict=True))
                        for chunk in tally.blocked
                    ],
                },
                indent=2,
            )
        )
    else:
        print(f"Everything that is complete has catalog version {version}.")
        for level, count in sorted(tally.runs.items()):
            what = "chunks back-filled" if level == 0 else f"roll-ups of level {level} made"
            print(f"  {count} {what}")
        for generation, partition, run in tally.blocked[:20]:
            print(f"  chunk {generation}/{partition}/{run}: other events than the ledger proves")
    if tally.blocked:
        raise typer.Exit(1)
