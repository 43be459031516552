from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from core.events import AHEAD_OF_LOG_MAX, EVENT_BYTES_MAX, event_key, partition_of
from streams.records import Record, decode
from tests.streams.log_oracle import Sent
from tests.streams.logs import START, START_MS, TENANTS, compiled, envelope

SENT = Sent(TENANTS[0], "s", "1", "call", "u", START, '{"n":1}')


def reason(sent: Sent, partitions: int = 1, partition: int = 0) -> str | None:
    record = Record(0, START_MS, envelope((sent,)))
    events = decode([record], 0, partition, partitions, compiled()).events
    found: str | None = events["reason"].item()
    return found


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "x" * 256},
        {"time": START + AHEAD_OF_LOG_MAX},
        {"time": datetime(1970, 1, 1, tzinfo=UTC)},
        {"data": '{"n":"' + "x" * (EVENT_BYTES_MAX - 8) + '"}'},
        {"data": " { } "},
    ],
    ids=["longest", "furthest-ahead", "oldest", "largest", "spaces"],
)
def test_an_event_at_a_limit_keeps_the_contract(change: dict[str, Any]) -> None:
    assert reason(replace(SENT, **change)) is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"subject": ""}, "subject: must have 1 to 256 bytes"),
        (
            {"time": START + AHEAD_OF_LOG_MAX + timedelta(microseconds=1)},
            "time: lies more than 25 hours ahead of the log",
        ),
        (
            {"time": datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)},
            "time: must lie in [1970-01-01, 2100-01-01)",
        ),
        ({"data": '{"n":"' + "x" * EVENT_BYTES_MAX + '"}'}, "data: more than 262144 bytes"),
        ({"data": "[1]"}, "data: not one JSON object"),
        ({"data": '{"n":1} {}'}, "data: not one JSON object"),
    ],
    ids=["empty", "too-far-ahead", "too-old", "too-large", "array", "two"],
)
def test_an_event_beyond_a_limit_is_refused_by_name(change: dict[str, Any], expected: str) -> None:
    assert reason(replace(SENT, **change)) == expected


def test_an_event_of_another_partition_is_refused() -> None:
    right = partition_of(event_key(SENT.tenant, SENT.source, SENT.id), 7)
    assert reason(SENT, 7, right) is None
    assert reason(SENT, 7, (right + 1) % 7) == "key: does not belong to this partition"


def test_log_time_is_the_largest_broker_time_so_far() -> None:
    stamps = [START_MS, START_MS - 5, START_MS + 3, START_MS + 1]
    records = [Record(at, stamp, envelope((SENT,))) for at, stamp in enumerate(stamps)]
    decoded = decode(records, START_MS + 1, 0, 1, compiled())
    expected = [START_MS + 1, START_MS + 1, START_MS + 3, START_MS + 3]
    assert decoded.log_times_ms.tolist() == expected
    assert decoded.events["log_time_ms"].to_list() == expected


def test_records_that_are_no_envelopes_are_kept_with_their_bytes() -> None:
    records = [Record(0, START_MS, b"x"), Record(1, START_MS, None), Record(2, START_MS, b"")]
    decoded = decode(records, 0, 0, 1, compiled())
    assert [dead.offset for dead in decoded.dead] == [0, 1, 2]
    assert [dead.value for dead in decoded.dead] == [b"x", b"", b""]
    assert decoded.events.is_empty()
    assert decoded.log_times_ms.dtype == np.int64
