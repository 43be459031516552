"""`tollbook status`: how each part of the stack is."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from cli.options import Json, StateDir
from cli.output import print_json, print_table


def status(state_dir: StateDir = Path(".tollbook"), as_json: Json = False) -> None:
    """Ask every server how it is. Exit code 1 unless all of them answer.

    Example: tollbook status --json
    """
    from infra.local.stack import LocalStack

    parts = LocalStack(state_dir, environ=os.environ).status()
    if as_json:
        print_json(parts)
    else:
        rows = [
            (part.name, part.state, part.address, str(part.pid or ""), part.problem or "")
            for part in parts
        ]
        print_table(rows, ("part", "state", "address", "pid", "problem"))
    if any(part.state not in {"running", "outside"} for part in parts):
        raise typer.Exit(1)
