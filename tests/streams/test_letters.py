"""Dead letters read back, and what was rejected sent once more, on a real broker."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from core.clock import ManualClock
from core.endpoints import Endpoints
from core.envelope import ENVELOPE_SCHEMA, decode_envelope, encode_envelope
from core.errors import NotFoundError, ValidationError
from core.events import content_hash, event_key, partition_of
from streams.letters import Filter, Letter, parse_position, position_of, read_letter, read_letters
from streams.replay import bodies_of, bodies_of_file, read_record, replay

TENANT = "00000000-0000-0000-0000-000000000001"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
NOW_MS = 1_772_323_200_000


def letter(offset: int, row: int | None = 0, **more: Any) -> dict[str, Any]:
    data = more.pop("data", '{"n":1}')
    return {
        "generation": 1,
        "partition": 0,
        "offset": offset,
        "row": row,
        "reason": "time: lies more than 25 hours ahead of the log",
        "tenant_id": TENANT,
        "id": f"event-{offset}",
        "source": "s",
        "type": "call",
        "subject": "u",
        "log_time_ms": NOW_MS + 1000 * offset,
        "time_micros": 1000 * NOW_MS,
        "data_bytes": len(data.encode()),
        "data": data,
    } | more


def write(endpoints: Endpoints, *letters: dict[str, Any]) -> None:
    producer = Producer({"bootstrap.servers": endpoints.kafka, "log_level": 0})
    for each in letters:
        producer.produce(endpoints.dead_letters_topic(), json.dumps(each))
    assert producer.flush(10) == 0


def log_of(endpoints: Endpoints) -> list[dict[str, Any]]:
    """Every event in the log, with its partition."""
    topic = endpoints.usage_events_topic()
    consumer = Consumer({"bootstrap.servers": endpoints.kafka, "group.id": "look", "log_level": 0})
    found = []
    for number in range(4):
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)
        consumer.assign([TopicPartition(topic, number, 0)])
        for message in consumer.consume(end, 10) if end else []:
            batch = decode_envelope(message.value() or b"")
            columns = [name for name in batch.schema.names if name not in {"time", "received_at"}]
            rows = batch.select(columns).to_pylist()
            found += [row | {"partition": number} for row in rows]
    consumer.close()
    return found


def test_each_position_is_listed_once_in_its_newest_state(installation: Endpoints) -> None:
    write(installation, *(letter(n) for n in range(6)), letter(2, reason="subject: empty"))
    write(installation, *(letter(n) for n in (0, 1)))  # written again after a crash
    inbox = {"topic": "x.inbox", "partition": 1, "offset": 9, "row": None, "reason": "not JSON"}
    write(installation, inbox | {"log_time_ms": NOW_MS})
    letters = read_letters(installation, Filter(), 100)
    positions = ["1/0/3/0", "1/0/4/0", "1/0/5/0", "1/0/2/0", "1/0/0/0", "1/0/1/0", "x.inbox/1/9"]
    assert [each.position for each in letters] == positions
    assert letters[3].reason == "subject: empty"
    assert [each.position for each in read_letters(installation, Filter(), 2)] == positions[-2:]

    def found(**wanted: Any) -> list[str]:
        return [each.position for each in read_letters(installation, Filter(**wanted), 100)]

    assert found(reason="SUBJECT") == ["1/0/2/0"]
    assert found(tenant_id=TENANT) == positions[:-1]
    assert found(tenant_id=TENANT[:-1] + "2") == []
    later = NOW + timedelta(seconds=3)
    assert found(since=later) == positions[:3]
    assert found(since=later, until=later + timedelta(seconds=1)) == ["1/0/3/0"]
    assert found(since=datetime(2100, 1, 1, tzinfo=UTC)) == []
    assert read_letter(installation, "1/0/2/0").reason == "subject: empty"
    with pytest.raises(NotFoundError, match="1/0/2: no dead letter has this position"):
        read_letter(installation, "1/0/2")


@pytest.mark.parametrize("text", ["", "1", "1/2", "1/2/x", "1/2/3/4/5", "/2/3", "1/-2/3"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="position: expected"):
        parse_position(text)


def test_positions_are_read_and_written_alike() -> None:
    for body in (letter(3), letter(3, None)):
        _, partition, offset, row = parse_position(position_of(body))
        assert (partition, offset, row) == (0, 3, body["row"])


def test_an_event_is_sent_again_as_it_was_or_mended_and_keeps_its_key(
    installation: Endpoints,
) -> None:
    data = '{"n": 1.10, "é": "\\u00e9"}'
    write(installation, letter(1, data=data), letter(2, subject=""), letter(3, None))
    clock = ManualClock(NOW)
    first = read_letter(installation, "1/0/1/0")
    for _ in range(2):
        assert replay(installation, clock, first, bodies_of(installation, first)) == 1
    events = log_of(installation)
    assert len(events) == 2
    assert events[0] == events[1]
    key = event_key(TENANT, "s", "event-1")
    assert (events[0]["key"], events[0]["partition"]) == (key, partition_of(key, 4))
    assert events[0]["data"] == data.encode()
    time = NOW.isoformat()
    assert events[0]["content_hash"] == content_hash("call", "u", time, data.encode())
    assert read_letter(installation, "1/0/1/0").replayed_at == NOW.isoformat()
    assert [each.replayed_at for each in read_letters(installation, Filter(), 9)][1:] == [None] * 2

    broken = read_letter(installation, "1/0/2/0")
    with pytest.raises(ValidationError, match=r"nothing was sent.*subject: required.*--file"):
        replay(installation, clock, broken, bodies_of(installation, broken))
    mended = {"specversion": "1.0", "id": "event-2", "source": "s", "type": "call", "subject": "u"}
    for text in (json.dumps(mended), json.dumps([mended])):
        bodies = bodies_of_file(text.encode(), None, broken)
        assert replay(installation, clock, broken, bodies) == 1
    assert {event["id"] for event in log_of(installation)} == {"event-1", "event-2"}
    with pytest.raises(ValidationError, match="the letter is of"):
        bodies_of_file(b"{}", TENANT[:-1] + "2", broken)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"data": '{"n":1}, "id": "other"'}, "data: not JSON"),
        ({"data": "{", "data_bytes": 1}, "data: not JSON"),
        ({"data_bytes": 300_000}, "300000 bytes, more than is kept"),
        ({"time_micros": 1 << 62}, "time: lies outside any calendar"),
    ],
)
def test_what_cannot_be_sent_as_it_was_says_so(more: dict[str, Any], reason: str) -> None:
    found = Letter("1/0/1/0", "", NOW_MS, TENANT, "event-1", None, letter(1) | more)
    with pytest.raises(ValidationError, match=f"{reason}.*--file"):
        bodies_of(Endpoints("k", "c", "p"), found)


def test_all_events_of_a_record_are_sent_again_from_the_log(installation: Endpoints) -> None:
    rows = [
        {
            "tenant_id": TENANT if number < 2 else TENANT[:-1] + "2",
            "key": bytes(16),
            "content_hash": 0,
            "id": str(number),
            "source": "s",
            "type": "call",
            "subject": "u",
            "time": NOW,
            "received_at": NOW,
            "data": b"{}",
        }
        for number in range(3)
    ]
    value = encode_envelope(pa.RecordBatch.from_pylist(rows, ENVELOPE_SCHEMA))
    producer = Producer({"bootstrap.servers": installation.kafka, "log_level": 0})
    topic = installation.usage_events_topic()
    producer.produce(topic, value, partition=3, headers=[("tollbook-events", b"3")])
    producer.produce(topic, b"no envelope", partition=3)
    producer.flush(10)
    assert read_record(installation, "1/3/0")["headers"] == {"tollbook-events": "3"}
    with pytest.raises(NotFoundError, match="the log holds the offsets 0 to 1"):
        read_record(installation, "1/3/2")

    body = {"generation": 1, "partition": 3, "row": None, "reason": "kills", "log_time_ms": NOW_MS}
    write(installation, *({**body, "offset": offset} for offset in (0, 1)))
    whole = read_letter(installation, "1/3/0")
    bodies = bodies_of(installation, whole)
    assert {tenant: len(json.loads(text)) for tenant, text in bodies.items()} == {
        TENANT: 2,
        TENANT[:-1] + "2": 1,
    }
    with pytest.raises(ValidationError, match=r"not an Arrow IPC stream.*--file"):
        bodies_of(installation, read_letter(installation, "1/3/1"))
    with pytest.raises(ValidationError, match="names no tenant; pass it with --tenant"):
        bodies_of_file(b"{}", None, whole)
