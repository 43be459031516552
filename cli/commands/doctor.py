"""`tollbook doctor`: what is missing on this machine, and what installs it."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from cli.options import Json, StateDir
from cli.output import print_json, print_table


def doctor(state_dir: StateDir = Path(".tollbook"), as_json: Json = False) -> None:
    """Check what the local stack needs. Exit code 1 when something is missing.

    Example: tollbook doctor
    """
    from infra.local.doctor import examine

    checks = examine(state_dir, os.environ)
    if as_json:
        print_json(checks)
    else:
        rows = [
            (
                "ok" if check.ok else "MISSING",
                check.name,
                check.found,
                "" if check.ok else check.cure,
            )
            for check in checks
        ]
        print_table(rows, ("", "check", "found", "do this"))
    if not all(check.ok for check in checks):
        raise typer.Exit(1)
