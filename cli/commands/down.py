"""`tollbook down`: stop the local stack."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.options import StateDir
from cli.output import part_progress


def down(
    state_dir: StateDir = Path(".tollbook"),
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="Remove the whole state directory as well.")
    ] = False,
) -> None:
    """Stop the local servers cleanly; their data stays unless you say otherwise.

    Example: tollbook down --delete-data
    """
    from infra.local.stack import PART_NAMES, LocalStack

    stack = LocalStack(state_dir, environ=os.environ)
    if not stack.state.exists():
        print(f"No stack in {stack.state.root}: nothing to stop.")
        return
    with part_progress(PART_NAMES) as show:
        stack.stop(show)
    if delete_data:
        stack.state.delete()
        print(f"Deleted {stack.state.root}.")
