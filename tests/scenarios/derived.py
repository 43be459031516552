"""The derived tables of a world: their bytes, their chunks, their parts on disk."""

from __future__ import annotations

import re
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from catalog.meters import MeterDefinition, create_meter
from core.clock import SystemClock, monotonic_seconds
from db.clickhouse import connect_clickhouse
from db.postgres import Database
from infra.local.child import Child
from streams.generation import load_generation, store_generation
from tests.scenarios.traffic import Journal
from tests.scenarios.world import World

TABLES = ("usage_events", "meter_usage", "stream_ledger", "stream_conflicts", "stream_ends")
_PART = re.compile(r"[^_]+_\d+_\d+_\d+(_\d+)?")
_OPEN = (
    "level = 0 AND last_offset + 1 != (run + 1) * "
    "(SELECT any(chunk_records) FROM stream_generations)"
)


def set_chunks(world: World, chunk_records: int) -> None:
    """Small chunks, before anything is stored, so that few records reach the roll-ups."""
    with closing(connect_clickhouse(world.endpoints.clickhouse)) as client:
        made = load_generation(client)
        assert made is not None
        client.command("TRUNCATE TABLE stream_generations")
        store_generation(client, replace(made, chunk_records=chunk_records))


def all_bytes(world: World) -> dict[str, bytes]:
    """Every row of the derived tables, each once, in one order.

    The catalog of a chunk that is still open proves nothing, and depends on when a worker began it.
    """
    masked = ", ".join(
        f"if({_OPEN}, 0, {name}) AS {name}" for name in ("catalog_version", "version")
    )
    with closing(connect_clickhouse(world.endpoints.clickhouse)) as client:
        return {
            name: bytes(
                client.raw_query(
                    f"SELECT * {f'REPLACE ({masked})' if name == 'stream_ledger' else ''}"
                    f" FROM {name} FINAL ORDER BY ALL",
                    fmt="TabSeparated",
                )
            )
            for name in TABLES
        }


def assert_equal(found: dict[str, bytes], expected: dict[str, bytes]) -> None:
    """Byte-equal tables; else the first rows that only one side has."""
    for name in TABLES:
        if found[name] == expected[name]:
            continue
        ours, theirs = found[name].splitlines(), expected[name].splitlines()
        more, less = set(ours) - set(theirs), set(theirs) - set(ours)
        raise AssertionError(
            f"{name}: {len(ours)} rows, not {len(theirs)}; {len(more)} are new, {len(less)} gone:"
            f" {sorted(more)[:3]}, {sorted(less)[:3]}"
        )


def new_meter(world: World, slug: str, value: str | None) -> MeterDefinition:
    """Create a meter over the world's events, by model: a sum of `value`, or a count."""
    db = Database(world.endpoints.postgres)
    try:
        with db.transaction() as conn:
            made = create_meter(
                conn, SystemClock(), world.tenant_id, slug=slug, name=slug, event_type="request",
                aggregation="count" if value is None else "sum", value=value,
                dimensions={"model": "model"},
            )  # fmt: skip
    finally:
        db.close()
    world.meters.append(made)
    return made


def check(world: World, journal: Journal, twins: Mapping[str, str], note: object) -> None:
    """Nothing differs, and every meter counted what was sent; twins: new meter -> one like it."""
    assert world.verify().differences == [], note
    recounted = journal.recount()
    more = {
        (new, subject): cell
        for new, old in twins.items()
        for (slug, subject), cell in recounted.items()
        if slug == old
    }
    assert world.usage() == recounted | more, note


def catalogs(world: World) -> dict[int, set[int]]:
    """Level -> the catalog versions of its complete runs."""
    found = world.rows(
        f"SELECT level, groupUniqArray(catalog_version) FROM stream_ledger FINAL"
        f" WHERE NOT ({_OPEN}) GROUP BY level ORDER BY level"
    )
    return {level: set(versions) for level, versions in found}


def change(world: World, statement: str) -> None:
    """Run a statement that changes rows, to its end."""
    with closing(connect_clickhouse(world.endpoints.clickhouse)) as client:
        client.command(statement, settings={"mutations_sync": 2})


def wait_until(world: World, reached: Callable[[], bool], seconds: float = 300) -> None:
    deadline = monotonic_seconds() + seconds
    while not reached():
        assert monotonic_seconds() < deadline, f"{catalogs(world)}\n{world.logs()}"
        time.sleep(0.5)


def finish(process: Child, seconds: float = 600) -> str:
    """Wait until a command has ended by itself; what it printed."""
    deadline = monotonic_seconds() + seconds
    while process.alive():
        assert monotonic_seconds() < deadline, process.read_log()
        time.sleep(0.2)
    return process.read_log()


def end_workers(workers: Iterable[Child]) -> None:
    for worker in workers:
        if worker.alive():
            worker.signal(signal.SIGTERM)


def folders_of_tables(world: World) -> dict[str, list[Path]]:
    """Table -> where its parts are."""
    found = world.rows(
        "SELECT name, data_paths FROM system.tables WHERE database = currentDatabase()"
    )
    return {name: [Path(path) for path in paths] for name, paths in found if name in TABLES}


def parts_on_disk(folders: Mapping[str, Iterable[Path]]) -> dict[str, set[Path]]:
    """Table -> its parts, merged ones and their sources alike; asks no server.

    A list that the engine gives is old at once: it may merge parts before it is stopped.
    """
    return {
        table: {part for path in paths for part in path.iterdir() if _PART.fullmatch(part.name)}
        for table, paths in folders.items()
    }


def delete_parts(parts: Iterable[Path]) -> int:
    """Delete parts of a stopped engine; how many there were."""
    there = list(parts)
    for part in there:
        shutil.rmtree(part)
    return len(there)
