"""`tollbook generations`: the generations of the log, and starting the next one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from cli.options import Json, StateDir

app = typer.Typer(
    help="Show the generations of the log; change its number of partitions.", no_args_is_help=True
)


@app.command("list")
def list_(state_dir: StateDir = Path(".tollbook"), as_json: Json = False) -> None:
    """List the generations and what becomes of each: ended, read, or waiting.

    Example: tollbook generations list
    """
    from cli.output import print_table
    from infra.local.state import resolve_endpoints
    from streams.switch import list_generations

    found = list_generations(resolve_endpoints(os.environ, state_dir))
    rows = [
        {
            "generation": generation.number,
            "topic": generation.topic,
            "partitions": generation.partitions,
            "chunk_records": generation.chunk_records,
            "ended_partitions": found.ended_partitions(generation.number),
            "state": _state(generation.number, found.reading.number),
        }
        for generation in found.generations
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        print_table([[str(value) for value in row.values()] for row in rows], list(rows[0]))


@app.command()
def begin(
    partitions: Annotated[int, typer.Option(help="Partitions of the next generation.")],
    state_dir: StateDir = Path(".tollbook"),
    chunk_records: Annotated[
        int | None, typer.Option(min=1, help="Records of a chunk; as before if not given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Start the next generation of the log, with another number of partitions, under load.

    Repeat it after an interruption. Senders and workers go on meanwhile.

    Example: tollbook generations begin --partitions 16
    """
    from infra.local.state import resolve_endpoints
    from streams.switch import begin_generation

    endpoints = resolve_endpoints(os.environ, state_dir)
    made = begin_generation(endpoints, partitions, chunk_records)
    if as_json:
        print(json.dumps({"generation": made.number, "topic": made.topic}, indent=2))
        return
    print(f"Generation {made.number} is {made.topic} with {made.partitions} partitions.")
    print("Workers read it once they have read the one before to its end.")


def _state(number: int, reading: int) -> str:
    return "ended" if number < reading else "read" if number == reading else "waiting"
