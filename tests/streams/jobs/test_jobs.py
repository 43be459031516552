"""Back-fill and roll-up on the real engine: the same rows as if every meter had always been."""

from __future__ import annotations

import random
import re
import threading
from collections import defaultdict
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any

import polars as pl
import pytest

import sql
from core.clock import epoch_micros
from core.endpoints import Endpoints
from core.levels import ROLL
from streams.jobs.plan import Job
from streams.jobs.store import JobStore
from streams.jobs.work import PartWork, Tally
from streams.sink import Stopped
from tests.streams.jobs.stored import (
    all_bytes,
    command,
    compacted,
    empty,
    random_cuts,
    rows,
    set_chunks,
    snapshot,
    store,
)
from tests.streams.log_oracle import LogRecord, recount, value_of
from tests.streams.logs import METERS
from tests.usage.stored_log import random_log

Cells = dict[tuple[str, str, int, int], tuple[int, int, Fraction]]


def recounted(log: list[LogRecord], chunk_records: int, level: int) -> Cells:
    """(meter, subject, start of the hour or day, run) -> events, unmeterable, sum: by hand."""
    span = chunk_records * ROLL**level
    cells: defaultdict[Any, list[Any]] = defaultdict(lambda: [0, 0, Fraction(0)])
    for (offset, row), verdict in recount(log, chunk_records, []).verdicts.items():
        if verdict != "accepted" or (offset // span + 1) * span > len(log):
            continue
        event = (log[offset].events or ())[row]
        at = event.time.replace(minute=0, second=0, microsecond=0)
        at = at.replace(hour=0) if level else at
        for meter in METERS:
            if (str(meter.tenant_id), meter.event_types) != (event.tenant, (event.type,)):
                continue
            path = None if meter.value is None else tuple(meter.value.split("."))
            value = Fraction(0) if path is None else value_of(event.data, path)
            hour = epoch_micros(at) // 10**6
            cell = cells[str(meter.id), event.subject, hour, offset // span]
            cell[0] += value is not None
            cell[1] += value is None
            cell[2] += value or 0
    return {key: (cell[0], cell[1], cell[2]) for key, cell in cells.items()}


def stored_cells(endpoints: Endpoints, level: int) -> Cells:
    found = rows(
        endpoints,
        "SELECT toString(meter_usage.meter_id), subject, toUnixTimestamp(hour), run,"
        f" event_count, unmeterable_count, sum FROM meter_usage FINAL WHERE level = {level}",
    )
    return {
        (str(meter), str(subject), int(str(hour)), int(str(run))): (
            int(str(events)),
            int(str(unmeterable)),
            Fraction(str(summed)),
        )
        for meter, subject, hour, run, events, unmeterable, summed in found
    }


@pytest.mark.parametrize("chunk_records", [1, 3])
def test_stored_before_or_after_its_meters_a_log_has_the_same_rows_at_every_level(
    installation: Endpoints, seed: int, chunk_records: int
) -> None:
    rng = random.Random(seed)
    set_chunks(installation, chunk_records)
    levels = (0, 1, 2) if chunk_records == 1 else (0, 1)
    records = ROLL ** levels[-1] if chunk_records == 1 else 3 * chunk_records * ROLL
    log = spread(rng, random_log(rng, records))
    store(installation, log, random_cuts(rng, len(log)), chunk_records)
    tally = compacted(installation)
    assert tally.blocked == []
    assert tally.runs[0] > 0
    back_filled = all_bytes(installation)
    for level in levels:
        assert stored_cells(installation, level) == recounted(log, chunk_records, level), level
    assert compacted(installation).runs == {}, "nothing is left to do"

    empty(installation)
    store(installation, log, [(len(log), len(METERS))], chunk_records)
    compacted(installation)
    assert all_bytes(installation) == back_filled


def spread(rng: random.Random, log: list[LogRecord]) -> list[LogRecord]:
    """The same log with events of three days."""
    return [
        replace(
            record,
            events=tuple(
                replace(event, time=event.time - timedelta(hours=rng.randrange(60)))
                for event in record.events or ()
            ),
        )
        for record in log
    ]


def test_the_ledger_of_a_roll_up_sums_its_runs_and_has_the_time_of_the_last(
    installation: Endpoints, seed: int
) -> None:
    set_chunks(installation, 1)
    log = random_log(random.Random(seed), ROLL)
    store(installation, log, [(len(log), 2)], 1)
    compacted(installation, 2)
    [below] = rows(
        installation,
        "SELECT toUInt64(63), max(log_time), 2, sum(records), sum(events), sum(accepted),"
        " sum(duplicates), sum(conflicts), sum(rejected) FROM stream_ledger FINAL WHERE level = 0",
    )
    above = rows(
        installation,
        "SELECT last_offset, log_time, catalog_version, records, events, accepted, duplicates,"
        " conflicts, rejected FROM stream_ledger FINAL WHERE level = 1",
    )
    assert above == [below]


def test_jobs_stopped_anywhere_and_done_by_several_at_once_write_the_same_rows(
    installation: Endpoints, seed: int
) -> None:
    rng = random.Random(seed)
    set_chunks(installation, 1)
    log = random_log(rng, ROLL * 4 + 7)
    cuts = random_cuts(rng, len(log))
    store(installation, log, cuts, 1)
    failures: list[BaseException] = []

    def work(numbers: random.Random) -> None:
        """One worker: an older or the newest catalog, stopped after some jobs, again and again."""
        try:
            with closing(JobStore(installation.clickhouse, threading.Event())) as mine:
                for version in (2, 3, 4, 4):
                    left = numbers.randrange(1, 12)

                    def goes_on(_: Job) -> bool:
                        nonlocal left
                        left -= 1
                        return left > 0

                    for part in mine.parts():
                        known = snapshot(version)
                        mine_now = PartWork(mine, part, known.meters, version, batch_events=40)
                        mine_now.work_off(Tally(), goes_on)
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    workers = [threading.Thread(target=work, args=(random.Random(rng.random()),)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    compacted(installation)
    together = all_bytes(installation)

    empty(installation)
    store(installation, log, cuts, 1)
    compacted(installation)
    assert all_bytes(installation) == together


def test_a_chunk_with_other_events_than_proved_is_left_alone_and_so_is_what_holds_it(
    installation: Endpoints, seed: int
) -> None:
    set_chunks(installation, 1)
    log = random_log(random.Random(seed), ROLL * 2)
    store(installation, log, [(len(log), 1)], 1)
    [lost] = rows(
        installation,
        "SELECT max(run) FROM stream_ledger FINAL WHERE run < 64 AND accepted > 0",
    )
    command(installation, "CREATE TABLE kept AS usage_events")
    command(installation, f"INSERT INTO kept SELECT * FROM usage_events WHERE offset = {lost[0]}")
    command(installation, f"ALTER TABLE usage_events DELETE WHERE offset = {lost[0]}")
    tally = compacted(installation)
    assert tally.blocked == [(1, 0, lost[0])]
    assert tally.runs == {0: len(log) - 1, 1: 1}
    version = f"SELECT catalog_version FROM stream_ledger FINAL WHERE level = 0 AND run = {lost[0]}"
    assert rows(installation, version) == [(1,)]

    command(installation, "INSERT INTO usage_events SELECT * FROM kept")
    tally = compacted(installation)
    assert (tally.blocked, tally.runs) == ([], {0: 1, 1: 1})
    command(installation, "DROP TABLE kept")


def test_a_worker_with_an_older_catalog_undoes_nothing(installation: Endpoints, seed: int) -> None:
    set_chunks(installation, 1)
    log = random_log(random.Random(seed), ROLL)
    store(installation, log, [(len(log), 1)], 1)
    compacted(installation)
    newest = all_bytes(installation)
    assert compacted(installation, 2).runs == {}
    assert all_bytes(installation) == newest


def test_a_stopped_store_raises(installation: Endpoints) -> None:
    stop = threading.Event()
    with closing(JobStore(installation.clickhouse, stop)) as mine:
        stop.set()
        with pytest.raises(Stopped):
            mine.parts()


def test_frames_of_the_ledger_have_the_types_that_the_plan_needs(
    installation: Endpoints, seed: int
) -> None:
    set_chunks(installation, 1)
    store(installation, random_log(random.Random(seed), 3), [(3, 1)], 1)
    with closing(JobStore(installation.clickhouse, threading.Event())) as mine:
        [part] = mine.parts()
        assert part == (1, 0, 1)
        frame = mine.ledger(part, 4)
    assert frame.schema["catalog_version"] == pl.UInt32
    assert frame["run"].to_list() == [0, 1, 2]


def test_what_a_roll_up_merges_is_read_in_the_order_of_the_table(installation: Endpoints) -> None:
    query = sql.load("clickhouse/queries/job_usage")
    [order] = re.findall(r"^ORDER BY (.*)$", query, re.MULTILINE)
    here = "database = currentDatabase() AND name = 'meter_usage'"
    [(stored,)] = rows(installation, f"SELECT sorting_key FROM system.tables WHERE {here}")
    asked = order.replace("meter_usage.", "")
    assert str(stored).startswith(asked + ", "), "any other order is sorted in memory"
    assert f"intDiv(run, {ROLL})" in asked, "what makes one run of the next level lies together"
