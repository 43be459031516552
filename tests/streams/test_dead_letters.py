from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from core.envelope import (
    ENVELOPE_BYTES_MAX,
    ENVELOPE_SCHEMA,
    decode_envelope,
    encode_envelope,
)
from core.events import EVENT_BYTES_MAX
from streams.dead_letters import KEPT_BYTES, KEPT_DATA_BYTES, letters
from streams.index import DedupeIndex
from streams.lane import Flush, Lane
from streams.records import Record
from tests.streams.log_oracle import HORIZON_MS, Sent
from tests.streams.logs import (
    START,
    START_MS,
    TENANTS,
    StoredTargets,
    compiled,
    envelope,
    generation,
)

SENT = Sent(TENANTS[0], "s", "1", "call", "u", START, '{"n":1}')


def with_column(name: str, value: Any) -> bytes:
    """The envelope of one event with another value in one column."""
    batch = decode_envelope(envelope((SENT,)))
    column = pa.array([value], pa.int64()).cast(ENVELOPE_SCHEMA.field(name).type)
    columns = [column if each == name else batch.column(each) for each in batch.schema.names]
    return encode_envelope(pa.RecordBatch.from_arrays(columns, schema=ENVELOPE_SCHEMA))


def flush_of(value: bytes) -> Flush:
    lane = Lane(generation(), 0, 0, 0, DedupeIndex(HORIZON_MS), compiled(), StoredTargets().find)
    (flush,) = lane.step([Record(0, START_MS, value)], compiled())
    return flush


@pytest.mark.parametrize("micros", [-(2**63), 2**63 - 1, 253_402_300_800_000_000])
def test_an_event_outside_any_calendar_is_written_down_and_stops_nobody(micros: int) -> None:
    ((position, body),) = letters(flush_of(with_column("time", micros)))
    assert position == {"offset": 0, "row": 0}
    assert body["time_micros"] == micros
    assert body["reason"].startswith("time: ")
    json.dumps(body)


def test_a_letter_keeps_the_beginning_of_what_is_long() -> None:
    ((_, body),) = letters(flush_of(b"x" * 2_000_000))
    assert body["value_bytes"] == 2_000_000
    assert len(base64.b64decode(body["value_base64"])) == KEPT_BYTES
    ((_, body),) = letters(flush_of(envelope((Sent(**(SENT.__dict__ | {"data": "[" * 300_000})),))))
    assert (body["data_bytes"], len(body["data"])) == (300_000, KEPT_DATA_BYTES)


def test_a_letter_holds_every_event_that_may_be_sent_and_fits_the_topic() -> None:
    data = '{"x":"' + "\x01" * (EVENT_BYTES_MAX - 8) + '"}'
    worst = Sent(TENANTS[0], "s", "1", "call", "", START, data)
    ((position, body),) = letters(flush_of(envelope((worst,))))
    assert body["data"] == data
    assert len(json.dumps(position | body, ensure_ascii=False).encode()) < ENVELOPE_BYTES_MAX


def test_data_that_is_no_text_is_kept_as_it_is() -> None:
    batch = decode_envelope(envelope((SENT,)))
    columns = [
        pa.array([b"\xf0\x9f\x98"], pa.binary()) if name == "data" else batch.column(name)
        for name in batch.schema.names
    ]
    value = encode_envelope(pa.RecordBatch.from_arrays(columns, schema=ENVELOPE_SCHEMA))
    ((_, body),) = letters(flush_of(value))
    assert "data" not in body
    assert base64.b64decode(body["data_base64"]) == b"\xf0\x9f\x98"


@pytest.mark.parametrize("name", ["time", "content_hash"])
def test_an_envelope_with_nulls_is_refused_whole(name: str) -> None:
    flush = flush_of(with_column(name, None))
    assert [dead.reason for dead in flush.dead] == ["envelope: holds nulls"]
    assert flush.ledger.select("events", "rejected").row(0) == (1, 1)


def test_a_letter_says_what_is_wrong_with_which_event() -> None:
    sent = Sent(TENANTS[0], "s", "42", "call", "", datetime(2026, 3, 1, tzinfo=UTC), '{"n":1}')
    ((position, body),) = letters(flush_of(envelope((SENT, sent))))
    assert position == {"offset": 0, "row": 1}
    assert (body["id"], body["reason"]) == ("42", "subject: must have 1 to 256 bytes")
