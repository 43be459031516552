from __future__ import annotations

import random

import pytest

from core.endpoints import Endpoints
from core.errors import NotFoundError, ValidationError
from db.clickhouse import connect_clickhouse
from streams.rebuild.emptying import Run
from streams.rebuild.rebuild import Damage
from tests.usage.random_logs import TOLD, random_log
from tests.usage.written_log import Log, write
from usage import slices
from usage.verify import ChunkRange, Difference, VerifyReport, verify

METERS = [told.meter for told in TOLD]
TAMPERED = """INSERT INTO meter_usage
    SELECT * REPLACE (sum + toDecimal128('0.000000000001', 12) AS sum)
    FROM meter_usage FINAL
    WHERE level = {level} AND generation = 1 AND partition = 0 AND event_count > 0
    ORDER BY run, meter_id, subject, dimensions, hour LIMIT 1"""
GONE = """DELETE FROM meter_usage WHERE (tenant_id, meter_id, subject, dimensions, hour, run) IN (
    SELECT tenant_id, meter_id, subject, dimensions, hour, run FROM meter_usage
    WHERE level = 0 AND generation = 1 AND partition = 0
    ORDER BY run, tenant_id, meter_id, subject, dimensions, hour LIMIT 1)
    AND level = 0 AND generation = 1 AND partition = 0"""
ONE_EVENT_GONE = """DELETE FROM usage_events WHERE (generation, partition, offset, row) IN (
    SELECT generation, partition, offset, row FROM usage_events
    WHERE generation = 1 AND type = 'call' ORDER BY offset, partition, row LIMIT 1)"""
UNBALANCED = """INSERT INTO stream_ledger
    SELECT * REPLACE (rejected + 1 AS rejected, version + 1 AS version)
    FROM stream_ledger FINAL WHERE level = 0 AND generation = 1 AND partition = 0 AND run = 3"""
SUBJECT_WITHOUT_EVENTS = """INSERT INTO meter_usage
    SELECT * REPLACE ('' AS subject) FROM meter_usage FINAL
    WHERE level = {level} AND generation = 1 AND partition = 0 AND event_count > 0
    ORDER BY run, tenant_id, meter_id, subject, dimensions, hour LIMIT 1"""
WRONG_HOUR = """INSERT INTO usage_events
    SELECT * REPLACE (hour + 3600 AS hour) FROM usage_events FINAL
    WHERE generation = 1 AND partition = 0 ORDER BY offset, row LIMIT 1"""
MORE_RECORDS = """INSERT INTO stream_ledger
    SELECT * REPLACE (records + 1 AS records, version + 1 AS version)
    FROM stream_ledger FINAL WHERE level = 0 AND generation = 1 AND partition = 0 AND run = 147"""
HOLE = """DELETE FROM stream_ledger
    WHERE level = 0 AND generation = 1 AND partition = 0 AND run = 140"""
NO_GENERATION = "DELETE FROM stream_generations WHERE generation = 1"
CONFLICT = "INSERT INTO stream_conflicts (generation, partition, offset, row) VALUES (1, 0, 0, 7)"


@pytest.fixture
def log(installation: Endpoints, seed: int) -> Log:
    """One chunk is one record; roll-ups of both levels above, at least in the first generation."""
    rng = random.Random(seed)
    log = random_log(rng, 150, quiet=0)
    log.chunk_records = {1: 1, 2: 1}
    log.ends[1, 0] = 150
    log.events = [event for event in log.events if event.offset < 150]
    write(installation.clickhouse, log, METERS, rng, holes=False)
    return log


def check(installation: Endpoints) -> VerifyReport:
    return verify(installation.clickhouse, METERS)


def only(found: list[Difference]) -> Difference:
    (difference,) = found
    return difference


def change(installation: Endpoints, statement: str) -> None:
    client = connect_clickhouse(installation.clickhouse)
    client.command(statement)
    client.close()


@pytest.mark.req("STR-03")
def test_what_was_written_holds_and_what_was_changed_is_named(
    installation: Endpoints, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress: list[tuple[int, int]] = []
    report = verify(installation.clickhouse, METERS, lambda *at: progress.append(at))
    assert report.differences == []
    assert report.totals["accepted"] == len(log.events)
    assert report.chunks_checked == sum(log.ends.values())
    assert progress[-1][0] == progress[-1][1] > 0

    monkeypatch.setattr(slices, "_EVENTS_MAX", 40)
    again = check(installation)
    assert (again.differences, again.rows_checked) == ([], report.rows_checked)
    monkeypatch.undo()

    change(installation, TAMPERED.format(level=0))
    found = only(check(installation).differences)
    assert (found.what, found.cell["level"]) == ("meter_usage", 0)
    assert found.stored["sum"] != found.recomputed["sum"]
    run = int(str(found.cell["run"]))
    some = verify(installation.clickhouse, METERS, chunks=ChunkRange.parse(f"1/0:{run}"))
    assert (some.differences, some.chunks_checked) == ([found], 1)
    others = ChunkRange(1, 0, run + 1, run + 9)
    assert verify(installation.clickhouse, METERS, chunks=others).differences == []

    change(installation, TAMPERED.format(level=1))
    _, rolled = sorted(check(installation).differences, key=lambda each: str(each.cell["level"]))
    assert (rolled.what, rolled.cell["level"]) == ("meter_usage", 1)


def test_a_total_that_is_missing_is_named(installation: Endpoints, log: Log) -> None:
    assert log.events
    change(installation, GONE)
    found = only(check(installation).differences)
    assert found.cell["partition"] == 0
    assert found.stored["sum"] is None
    assert found.recomputed["sum"] is not None


def test_an_event_that_is_gone_is_missed_by_ledger_totals_and_roll_ups(
    installation: Endpoints, log: Log
) -> None:
    assert log.events
    change(installation, ONE_EVENT_GONE)
    found = {(each.what, each.cell["level"]) for each in check(installation).differences}
    assert {("ledger", 0), ("meter_usage", 0)} <= found


def test_counts_that_do_not_add_up_are_named(installation: Endpoints, log: Log) -> None:
    assert log.events
    change(installation, UNBALANCED)
    change(installation, CONFLICT)
    cells = {(str(each.cell), *each.recomputed) for each in check(installation).differences}
    third = str({"generation": 1, "partition": 0, "level": 0, "run": 3})
    assert (third, "sum of verdicts") in cells
    first = str({"generation": 1, "partition": 0, "level": 0, "run": 0})
    assert (first, "rows in stream_conflicts") in cells
    above = str({"generation": 1, "partition": 0, "level": 1, "run": 0})
    assert any(cell == above for cell, *_ in cells)


@pytest.mark.parametrize("level", [0, 1])
def test_totals_of_a_subject_that_has_no_events_are_named(
    installation: Endpoints, log: Log, level: int
) -> None:
    assert log.events
    change(installation, SUBJECT_WITHOUT_EVENTS.format(level=level))
    found = only(check(installation).differences)
    assert (found.what, found.cell["level"], found.cell["subject"]) == ("meter_usage", level, "")
    assert found.recomputed["event_count"] is None


def test_what_would_hide_events_from_readers_is_named(installation: Endpoints, log: Log) -> None:
    assert log.events
    change(installation, WRONG_HOUR)
    assert "usage_events" in {each.what for each in check(installation).differences}
    change(installation, MORE_RECORDS)
    change(installation, HOLE)
    runs = {each.cell["run"]: each for each in check(installation).differences}
    assert runs[147].recomputed == {"records": 1, "proved up to its start": True}
    assert runs[141].recomputed == {"records": 1, "proved up to its start": False}
    assert Damage.of((each.what, each.cell) for each in runs.values()).chunks >= {
        Run(1, 0, 0, 141),
        Run(1, 0, 0, 147),
    }
    change(installation, NO_GENERATION)
    assert len(check(installation).differences) >= log.ends[1, 0]


def test_ranges_of_chunks_are_read_from_text(installation: Endpoints) -> None:
    assert ChunkRange.parse("1/0:40-47") == ChunkRange(1, 0, 40, 47)
    assert str(ChunkRange.parse("2/13:5")) == "2/13:5-5"
    with pytest.raises(ValidationError, match="GENERATION"):
        ChunkRange.parse("1/0")
    with pytest.raises(NotFoundError, match="1/0:0-0"):
        verify(installation.clickhouse, METERS, chunks=ChunkRange(1, 0, 0, 0))
