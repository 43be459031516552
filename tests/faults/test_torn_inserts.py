"""ClickHouse dies inside inserts that span many table partitions: each is there in part, or not."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from core.clock import monotonic_seconds
from core.endpoints import Endpoints
from db.clickhouse import connect_clickhouse
from tests.faults.arena import Arena
from tests.faults.lane import Lane, Shape, open_lane

KILLS_MAX = 24
TORN_WANTED = 2
EVENTS_A_KILL = 6_000
OFFSETS_A_TABLE_PARTITION = 2
_AS_SHIPPED = "16777216"
_INSERT_SECONDS = 20.0
_INSERTED = re.compile(r"[0-9a-f-]+_\d+_\d+_0")

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.postgres]


def narrow_partitions(endpoints: Endpoints) -> None:
    """Let a table partition hold two offsets instead of millions, in an empty installation."""
    client = connect_clickhouse(endpoints.clickhouse)
    try:
        shown = str(client.command("SHOW CREATE TABLE usage_events")).replace("\\n", "\n")
        shown = shown.replace("\\'", "'")
        assert shown.count(_AS_SHIPPED) == 1, shown
        client.command("DROP TABLE usage_events SYNC")
        client.command(shown.replace(_AS_SHIPPED, str(OFFSETS_A_TABLE_PARTITION)))
    finally:
        client.close()


def rows(lane: Lane, statement: str) -> list[Any]:
    """Rows of a query, whatever the worker's connections are like."""
    client = connect_clickhouse(lane.endpoints.clickhouse)
    try:
        return list(client.query(statement).result_rows)
    finally:
        client.close()


def stored(lane: Lane) -> dict[int, set[int]]:
    """Partition -> offsets that have rows in `usage_events`."""
    found: dict[int, set[int]] = {}
    for partition, offset in rows(lane, "SELECT DISTINCT partition, offset FROM usage_events"):
        found.setdefault(partition, set()).add(offset)
    return found


def inserted_parts(folder: Path) -> set[str]:
    """Parts of the table on disk that an insert made and no merge."""
    return {each.name for each in folder.iterdir() if _INSERTED.fullmatch(each.name)}


def kill_inside_an_insert(lane: Lane) -> bool:
    """Kill ClickHouse when the first part of an insert is on disk; whether the insert is torn.

    Torn: of the records of that insert, which the worker repeats as it was, some are stored before
    it is repeated and some are not.
    """
    stack = lane.arena.stack
    found = rows(lane, "SELECT data_paths[1] FROM system.tables WHERE name = 'usage_events'")
    folder = Path(found[0][0])
    known, begun = inserted_parts(folder), lane.proved()
    lane.feed()
    lane.ensure(lane.first)
    deadline = monotonic_seconds() + _INSERT_SECONDS
    while inserted_parts(folder) <= known and monotonic_seconds() < deadline:
        time.sleep(0.0002)
    stack.kill("clickhouse")
    lane.first.signal(signal.SIGSTOP)
    stack.start_part("clickhouse")
    before, proved = stored(lane), lane.proved()
    lane.first.signal(signal.SIGCONT)
    wanted = sum(begun.values()) + 1 if proved == begun else sum(proved.values())
    deadline = monotonic_seconds() + _INSERT_SECONDS
    while sum((now := lane.proved()).values()) < wanted and monotonic_seconds() < deadline:
        time.sleep(0.02)
    after = stored(lane)
    torn = False
    for partition, end in now.items():
        step = {
            offset
            for offset in after.get(partition, set())
            if proved.get(partition, 0) <= offset < end
        }
        there = step & before.get(partition, set())
        torn = torn or (bool(there) and there != step)
    return torn


@pytest.mark.req("STR-06")
def test_inserts_torn_by_a_dying_database_are_made_whole(
    arena: Arena, seed: int, tmp_path: Path
) -> None:
    torn = kills = 0
    shape = Shape(seed, EVENTS_A_KILL * KILLS_MAX, KILLS_MAX, partitions=2, chunk_records=64)
    with open_lane(arena, shape, tmp_path / "lane") as lane:
        narrow_partitions(lane.endpoints)
        while torn < TORN_WANTED and kills < KILLS_MAX:
            torn += kill_inside_an_insert(lane)
            kills += 1
        lane.settle()
        lane.check()
    assert torn, f"--seed {seed}: {kills} kills tore no insert, this shows nothing"
