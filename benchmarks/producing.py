"""Events into Kafka: as envelopes for the stream stage, one JSON record each for the baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final

import msgspec
import pyarrow as pa
from confluent_kafka import Producer

from benchmarks.errors import BenchmarkError
from benchmarks.events import EVENT_TYPE, SOURCE, START, Event, Traffic
from core.endpoints import Endpoints
from core.envelope import ENVELOPE_SCHEMA, encode_envelope, envelope_headers
from core.events import content_hash

ENVELOPE_EVENTS: Final = 1000
"""Events in one envelope, where a run does not say otherwise."""

Tell = Callable[[int], None]
"""Is told how many events were done since it was told last."""

_TELL_EVENTS: Final = 10_000
_FLUSH_SECONDS: Final = 60
_QUEUED_RECORDS_MAX: Final = 200_000
_WARMING_RECORDS: Final = 60_000
_WARMING_BYTES: Final = 4_000
_WARMING_UNDER_WAY: Final = 64


def envelopes(
    traffic: Traffic, events: Iterable[Event], size: int = ENVELOPE_EVENTS
) -> Iterator[tuple[int, bytes, int]]:
    """Partition, record value and number of events of each envelope, in log order."""
    filling: list[list[Event]] = [[] for _ in range(traffic.partitions)]
    for event in events:
        rows = filling[event.partition]
        rows.append(event)
        if len(rows) == size:
            yield event.partition, encode_envelope(batch_of(traffic, rows)), len(rows)
            rows.clear()
    for partition, rows in enumerate(filling):
        if rows:
            yield partition, encode_envelope(batch_of(traffic, rows)), len(rows)


def batch_of(traffic: Traffic, rows: Sequence[Event]) -> pa.RecordBatch:
    """Some events with the schema of an envelope."""
    ids, keys, _, subjects, times_us, time_texts, bodies = zip(*rows, strict=True)
    contents = [
        content_hash(EVENT_TYPE, subject, text, data)
        for subject, text, data in zip(subjects, time_texts, bodies, strict=True)
    ]
    received = START + timedelta(hours=traffic.hours)
    columns: dict[str, Sequence[object]] = {
        "tenant_id": [traffic.tenant_id] * len(rows),
        "key": keys,
        "content_hash": contents,
        "id": ids,
        "source": [SOURCE] * len(rows),
        "type": [EVENT_TYPE] * len(rows),
        "subject": subjects,
        "time": times_us,
        "received_at": [received] * len(rows),
        "data": bodies,
    }
    arrays = [pa.array(columns[field.name], field.type) for field in ENVELOPE_SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=ENVELOPE_SCHEMA)


def produce_envelopes(
    endpoints: Endpoints,
    traffic: Traffic,
    events: Iterable[Event],
    tell: Tell,
    size: int = ENVELOPE_EVENTS,
) -> int:
    """Put the events into the log; the number of records. Raises `BenchmarkError`."""
    producer = new_producer(endpoints)
    topic = endpoints.usage_events_topic()
    records = 0
    for partition, value, count in envelopes(traffic, events, size):
        headers: list[tuple[str, str | bytes | None]] = [*envelope_headers(count)]
        producer.produce(topic, value, partition=partition, headers=headers)
        producer.poll(0)
        records += 1
        tell(count)
    flush(producer)
    return records


def produce_json(endpoints: Endpoints, topic: str, events: Iterable[Event], tell: Tell) -> None:
    """Put the events into `topic`, one JSON record each. Raises `BenchmarkError`."""
    producer = new_producer(endpoints)
    done = 0
    for event in events:
        producer.produce(topic, json_of(event), partition=event.partition)
        producer.poll(0)
        done += 1
        if done % _TELL_EVENTS == 0:
            tell(_TELL_EVENTS)
            flush(producer)
    flush(producer)
    tell(done % _TELL_EVENTS)


def json_of(event: Event) -> bytes:
    """An event as a JSON record."""
    body = {
        "id": event.id,
        "source": SOURCE,
        "type": EVENT_TYPE,
        "subject": event.subject,
        "time": event.time_text,
        "data": msgspec.Raw(event.data),
    }
    return msgspec.json.encode(body)


def warm_broker(
    endpoints: Endpoints,
    topic: str,
    records: int = _WARMING_RECORDS,
    record_bytes: int = _WARMING_BYTES,
) -> None:
    """Let a broker that has just started compile what such records take: one to a request.

    It uses half a core for that, for ten seconds or so, which would be seen as a server's latency.
    Raises `BenchmarkError`.
    """
    settings = {"enable.idempotence": True, "linger.ms": 0, "batch.num.messages": 1}
    producer = Producer({"bootstrap.servers": endpoints.kafka, "log_level": 0, **settings})
    value = bytes(record_bytes)
    for _ in range(records):
        producer.produce(topic, value)
        while len(producer) >= _WARMING_UNDER_WAY:
            producer.poll(0.01)
    flush(producer)


def new_producer(endpoints: Endpoints) -> Producer:
    """A producer for logs made in advance."""
    return Producer(
        {
            "bootstrap.servers": endpoints.kafka,
            "enable.idempotence": True,
            "message.max.bytes": 8 * 1024 * 1024,
            "queue.buffering.max.messages": _QUEUED_RECORDS_MAX,
            "linger.ms": 20,
            "log_level": 0,
        }
    )


def flush(producer: Producer) -> None:
    """Wait until Kafka has everything. Raises `BenchmarkError`."""
    left = producer.flush(_FLUSH_SECONDS)
    if left:
        raise BenchmarkError(f"Kafka did not acknowledge {left} records in {_FLUSH_SECONDS} s")
