"""The newest events of every partition, also while one of them grows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka import Producer

from core.endpoints import Endpoints
from core.envelope import ENVELOPE_SCHEMA, encode_envelope
from core.events import event_key
from streams import tail as module
from streams.generation import generations_of
from streams.tail import tail

TENANT = "00000000-0000-0000-0000-000000000001"
AT = datetime(2026, 3, 1, tzinfo=UTC)


def _envelope(event_id: str, tenant_id: str = TENANT) -> bytes:
    row = {
        "tenant_id": tenant_id, "key": event_key(tenant_id, "s", event_id), "content_hash": 1,
        "id": event_id, "source": "s", "type": "t", "subject": "u", "time": AT, "received_at": AT,
        "data": b"{}",
    }  # fmt: skip
    arrays = [pa.array([row[field.name]], field.type) for field in ENVELOPE_SCHEMA]
    return encode_envelope(pa.RecordBatch.from_arrays(arrays, schema=ENVELOPE_SCHEMA))


def _write(endpoints: Endpoints, partition: int, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": endpoints.kafka, "log_level": 0})
    for value in values:
        producer.produce(endpoints.usage_events_topic(), value=value, partition=partition)
    assert producer.flush(10) == 0


def test_a_partition_that_grows_meanwhile_hides_no_other(
    installation: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(installation, 1, _envelope("1-0"), b"no envelope", _envelope("other", TENANT[:-1] + "2"))
    _write(installation, 0, _envelope("0-0"))
    plain = module._ends

    def growing(consumer: Any, generation: Any) -> dict[int, tuple[int, int]]:
        ends = plain(consumer, generation)
        for partition in (0, 1):  # whichever is read first has more than it had
            _write(installation, partition, *(_envelope(f"late-{partition}{n}") for n in range(9)))
        return ends

    monkeypatch.setattr(module, "_ends", growing)
    found = tail(installation, generations_of(installation)[-1], TENANT, 100, follow=False)
    ids = [event.id for event in found]
    assert {"0-0", "1-0"} <= set(ids)
    assert len(ids) == len(set(ids))


def test_only_the_newest_are_told_by_their_places(installation: Endpoints) -> None:
    _write(installation, 2, *(_envelope(f"{n}") for n in range(5)))
    found = list(tail(installation, generations_of(installation)[-1], TENANT, 2, follow=False))
    assert [(event.id, event.position) for event in found] == [("3", "1/2/3/0"), ("4", "1/2/4/0")]
    assert [event.time for event in found] == [AT, AT]
