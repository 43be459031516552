from __future__ import annotations

import json
import logging
import time
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from clickhouse_connect.driver.query import arrow_buffer
from prometheus_client import REGISTRY

from core import metric_names
from core.clock import ManualClock
from core.envelope import ENVELOPE_SCHEMA, envelope_headers
from streams.index import DedupeIndex
from streams.lane import Flush, Lane
from streams.metrics import count_unmeterable
from streams.sink import arrow_block
from streams.watch import NOTHING_SENT, LaneWatch, Sent, inserting, sent_of
from telemetry.correlation import IDS_HEADER, RequestId, pack_ids
from tests.streams.log_oracle import HORIZON_MS, LogRecord
from tests.streams.log_oracle import Sent as Event
from tests.streams.logs import START, START_MS, TENANTS, StoredTargets, compiled, to_records
from tests.streams.logs import generation as generation_of

CHUNK = 4
VERDICTS = ("accepted", "duplicate", "conflict", "rejected")


def _event(event_id: int, data: str = "{}") -> Event:
    return Event(TENANTS[0], "a", str(event_id), "call", "s", START, data)


def _lane(chunk: int = CHUNK) -> Lane:
    index = DedupeIndex(HORIZON_MS)
    return Lane(generation_of(chunk), 0, 0, 0, index, compiled(), StoredTargets().find)


def _watch(chunk: int = CHUNK) -> LaneWatch:
    return LaneWatch(1, 0, chunk, ManualClock(START + timedelta(seconds=3)))


def _value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.fixture
def counted() -> dict[str, float]:
    """What was counted before the test: the metrics belong to the process."""
    names = [f"{name}_total" for name in (metric_names.STREAM_RECORDS,)]
    before = {name: _value(name) for name in names}
    before |= {
        verdict: _value(f"{metric_names.STREAM_EVENTS}_total", verdict=verdict)
        for verdict in VERDICTS
    }
    before["imbalance"] = _value(f"{metric_names.STREAM_LEDGER_IMBALANCE}_total")
    before["fresh"] = _value(f"{metric_names.STREAM_FRESHNESS_SECONDS}_count")
    return before


def _more(counted: dict[str, float]) -> dict[str, float]:
    now = {
        verdict: _value(f"{metric_names.STREAM_EVENTS}_total", verdict=verdict)
        for verdict in VERDICTS
    }
    now["imbalance"] = _value(f"{metric_names.STREAM_LEDGER_IMBALANCE}_total")
    now["fresh"] = _value(f"{metric_names.STREAM_FRESHNESS_SECONDS}_count")
    return {name: value - counted[name] for name, value in now.items()}


def test_every_verdict_is_counted_once_over_steps_and_chunks(counted: dict[str, float]) -> None:
    log = [
        LogRecord(START_MS, (_event(1), _event(2))),
        LogRecord(START_MS, (_event(1), _event(2, '{"n":1}'))),
        LogRecord(START_MS, None),
        LogRecord(START_MS, (_event(3), replace(_event(4), data="[]"))),
        LogRecord(START_MS, (_event(3),)),
        LogRecord(START_MS, (_event(5), _event(6))),
    ]
    lane, watch, records = _lane(), _watch(), to_records(log)
    announced = [Sent(0 if each.events is None else len(each.events), b"", b"") for each in log]
    watch.opened(lane)
    for start, stop in ((0, 1), (1, 3), (3, 6)):
        offsets = [record.offset for record in records[start:stop]]
        with watch.step(offsets, announced[start:stop]):
            for flush in lane.step(records[start:stop], compiled()):
                watch.flushed(flush)
    assert _more(counted) == {
        "accepted": 5, "duplicate": 2, "conflict": 1, "rejected": 2, "imbalance": 0, "fresh": 5,
    }  # fmt: skip
    assert watch.facts.proved_end == 6
    watch.close()


def test_an_open_chunk_that_is_taken_over_is_not_counted_again(counted: dict[str, float]) -> None:
    lane, watch = _lane(), _watch()
    records = to_records([LogRecord(START_MS, (_event(n),)) for n in range(3)])
    (first,) = lane.step(records[:2], compiled())
    assert len(first.events) == 2
    watch.opened(lane)
    with watch.step([2], [NOTHING_SENT]):
        for flush in lane.step(records[2:], compiled()):
            watch.flushed(flush)
    assert _more(counted)["accepted"] == 1
    watch.close()


@pytest.mark.parametrize(("announced", "difference"), [(1, 0), (3, 2), (0, 1), (None, 0)])
def test_a_ledger_that_does_not_hold_what_was_announced_is_an_alarm(
    counted: dict[str, float],
    announced: int | None,
    difference: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    lane, watch = _lane(), _watch()
    watch.opened(lane)
    with watch.step([0], [Sent(announced, b"", b"")]):
        for flush in lane.step(to_records([LogRecord(START_MS, (_event(1),))]), compiled()):
            watch.flushed(flush)
    assert _more(counted)["imbalance"] == difference
    assert ("the ledger is out of balance" in caplog.text) == bool(difference)
    watch.close()


def test_values_that_no_meter_could_read_are_counted_by_reason() -> None:
    name = f"{metric_names.STREAM_UNMETERABLE}_total"
    before = [_value(name, reason=reason) for reason in ("missing", "too_large")]
    columns = {"missing_count": [2, 1], "too_large_count": [4, -4], "event_count": [7, 7]}
    columns |= {f"{name}_count": [0, 0] for name in ("not_a_number", "too_precise", "too_long")}
    count_unmeterable(pl.DataFrame(columns | {"unmeterable_count": [6, -3]}))
    after = [_value(name, reason=reason) for reason in ("missing", "too_large")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [3, 0]


def test_a_lane_shows_its_lag_its_commit_age_and_its_keys_while_it_is_watched() -> None:
    def value(name: str) -> float | None:
        return REGISTRY.get_sample_value(name, {"generation": "7", "partition": "3"})

    watch = LaneWatch(7, 3, CHUNK)
    facts = watch.facts
    assert value(metric_names.STREAM_LAG_RECORDS) is None  # not known before the lane is open
    facts.proved_end, facts.log_end, facts.index_keys = 10, lambda: 14, lambda: 5
    facts.oldest_ms = START_MS
    assert value(metric_names.STREAM_LAG_RECORDS) == 4
    lag_seconds = value(metric_names.STREAM_LAG_SECONDS)
    assert lag_seconds is not None
    assert lag_seconds > 0
    assert value(metric_names.STREAM_INDEX_KEYS) == 5
    assert value(metric_names.STREAM_COMMIT_AGE_SECONDS) == 0
    watch.waits(START_MS, uncommitted=True, moved=False)
    time.sleep(0.02)
    age = value(metric_names.STREAM_COMMIT_AGE_SECONDS)
    assert age is not None
    assert 0.02 <= age < 60
    facts.log_end = lambda: 10
    watch.waits(None, uncommitted=False, moved=True)
    for name in (metric_names.STREAM_LAG_RECORDS, metric_names.STREAM_LAG_SECONDS):
        assert value(name) == 0
    assert value(metric_names.STREAM_COMMIT_AGE_SECONDS) == 0
    facts.halted = True
    assert REGISTRY.get_sample_value(metric_names.STREAM_HALTED) == 1
    watch.close()
    assert value(metric_names.STREAM_LAG_RECORDS) is None


def test_a_lane_that_takes_over_is_watched_instead_of_the_one_before() -> None:
    first, second = LaneWatch(8, 0, CHUNK), LaneWatch(8, 0, CHUNK)
    second.facts.index_keys = lambda: 9
    first.close()
    labels = {"generation": "8", "partition": "0"}
    assert REGISTRY.get_sample_value(metric_names.STREAM_INDEX_KEYS, labels) == 9
    second.close()


def test_headers_say_what_was_sent_and_foreign_ones_are_passed_over() -> None:
    ids = pack_ids([RequestId("r-1", brought=True)])
    headers = [*envelope_headers(12), (IDS_HEADER, ids), ("traceparent", b"00-1")]
    assert sent_of(headers) == Sent(12, b"+r-1", b"00-1")
    assert sent_of(None) == sent_of([]) == NOTHING_SENT
    for value in (b"", b"-1", b"1.5", b"9" * 30, b"\xff"):
        assert sent_of([("tollbook-events", value)]).events is None


def test_inserts_of_a_step_name_the_requests_that_asked_for_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch = _watch()
    asked = pack_ids([RequestId("r-1", brought=True), RequestId("0" * 32, brought=False)])
    with (
        caplog.at_level(logging.INFO, "streams.watch"),
        watch.step([4, 5], [Sent(1, asked, b""), Sent(1, b"", b"")]),
        inserting("usage_events") as told,
    ):
        assert told == {"settings": {"log_comment": "+r-1"}}
    (line,) = [record for record in caplog.records if record.name == "streams.watch"]
    context = line.__dict__["context"]
    assert (context["first_offset"], context["last_offset"]) == (4, 5)
    assert context["request_ids"] == ["r-1"]
    assert json.dumps(context)
    with watch.step([6], [NOTHING_SENT]), inserting("usage_events") as told:
        assert told == {}
    watch.close()


def test_watching_takes_under_one_percent_of_the_work_that_is_watched() -> None:
    """CPU time of this process, for 64,000 events: decode, judge, meter, and pack for ClickHouse.

    What Kafka's client and the requests to ClickHouse take comes on top of the work.
    """
    records = to_records(
        [
            LogRecord(
                START_MS,
                tuple(
                    replace(_event(1000 * n + i, '{"n":1}'), time=START + timedelta(milliseconds=i))
                    for i in range(1000)
                ),
            )
            for n in range(64)
        ]
    )
    sent = [Sent(1000, b"0" * 32, b"")] * len(records)
    offsets = [record.offset for record in records]

    def seconds_of_watching(flushes: list[Flush]) -> float:
        watch = _watch(64)
        watch.opened(_lane(64))
        began = time.process_time()
        with watch.step(offsets, sent):
            for flush in flushes:
                watch.flushed(flush)
        spent = time.process_time() - began
        watch.close()
        return spent

    def seconds_of_work() -> float:
        lane = _lane(64)
        began = time.process_time()
        for flush in lane.step(records, compiled()):
            arrow_buffer(arrow_block(flush.events.select(ENVELOPE_SCHEMA.names)), "lz4")
        return time.process_time() - began

    flushes = list(_lane(64).step(records, compiled()))
    work = min(seconds_of_work() for _ in range(3))
    watching = min(seconds_of_watching(flushes) for _ in range(20))
    assert watching < 0.01 * work, (watching, work)
