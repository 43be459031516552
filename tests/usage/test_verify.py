from __future__ import annotations

import random

import pytest

from core.endpoints import Endpoints
from db.clickhouse import connect_clickhouse
from tests.streams.logs import METERS
from tests.usage.stored_log import random_log, store
from usage.verify import VerifyReport, verify

TAMPERED = """INSERT INTO meter_usage
    SELECT * REPLACE (sum + toDecimal128('0.000000000001', 12) AS sum)
    FROM meter_usage FINAL WHERE run = 1 AND sum != 0 ORDER BY subject, hour LIMIT 1"""
ONE_EVENT_GONE = "DELETE FROM usage_events WHERE offset = 70 AND row = 0"
ONE_TOTAL_GONE = (
    "DELETE FROM meter_usage WHERE run = 2 AND hour = (SELECT min(hour) FROM meter_usage)"
)


@pytest.fixture
def stored(installation: Endpoints, seed: int) -> Endpoints:
    store(installation, random_log(random.Random(seed), 3 * 64 + 5), versions=(2, 4))
    return installation


def check(stored: Endpoints) -> VerifyReport:
    return verify(stored.clickhouse, METERS)


def change(stored: Endpoints, statement: str) -> None:
    client = connect_clickhouse(stored.clickhouse)
    client.command(statement)
    client.close()


def test_what_a_worker_wrote_holds(stored: Endpoints) -> None:
    progress: list[tuple[int, int]] = []
    report = verify(stored.clickhouse, METERS, lambda done, of: progress.append((done, of)))
    assert report.differences == []
    assert report.chunks_checked == 3
    assert report.rows_checked > 0
    assert progress[-1] == (3, 4)


def test_a_total_that_is_off_by_the_last_digit_is_named(stored: Endpoints) -> None:
    change(stored, TAMPERED)
    (difference,) = check(stored).differences
    assert difference.what == "meter_usage"
    assert difference.cell["run"] == 1
    assert difference.stored["sum"] != difference.recomputed["sum"]


def test_a_total_that_is_missing_is_named(stored: Endpoints) -> None:
    change(stored, ONE_TOTAL_GONE)
    differences = check(stored).differences
    assert differences
    assert {difference.stored["sum"] for difference in differences} == {None}
    assert {difference.cell["run"] for difference in differences} == {2}


def test_an_event_that_is_gone_is_missed_by_the_ledger_and_by_its_total(stored: Endpoints) -> None:
    change(stored, ONE_EVENT_GONE)
    found = {(difference.what, difference.cell["run"]) for difference in check(stored).differences}
    assert ("ledger", 1) in found
