"""Sends what was rejected once more, mended or as it was, under the contract of every event.

An event keeps its tenant, source and id, hence its key: however often it is sent, it counts once.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa
from confluent_kafka import KafkaException, TopicPartition

from core.clock import Clock, epoch_micros, monotonic_seconds
from core.cloudevents.columns import EventColumns
from core.cloudevents.contract import admit
from core.cloudevents.json_format import decode_batch, json_text
from core.endpoints import Endpoints
from core.envelope import decode_envelope
from core.errors import DependencyDownError, NotFoundError, ValidationError
from streams.generation import generations_of
from streams.letters import REPLAYED, Letter, parse_position
from streams.log_writer import LogWriter
from streams.own_consumer import own_consumer

_WAIT_SECONDS: Final = 10.0
_NAME: Final = "tollbook-dlq"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ATTRIBUTES: Final = ("id", "source", "type", "subject")
_MEND: Final = "; write the mended CloudEvent into a file and pass it with --file"

Bodies = Mapping[str, bytes]
"""Tenant id (canonical UUID text) -> its events, as a JSON array of CloudEvents."""


def replay(endpoints: Endpoints, clock: Clock, letter: Letter, bodies: Bodies) -> int:
    """Put the events into the newest generation of the log; returns how many they are.

    Notes on the letter that it was replayed. Raises `ValidationError` when an event breaks the
    contract: then nothing was sent.
    """
    now = clock.now()
    columns = _admitted(bodies, epoch_micros(now))
    writer = LogWriter(endpoints, generations_of(endpoints)[-1], _NAME)
    writer.check_topic()
    writer.write(columns.as_batch())
    writer.flush()
    position = {name: letter.body[name] for name in list(letter.body)[:4]}
    writer.write_letter(position | {REPLAYED: now.isoformat()})
    writer.flush()
    return len(columns)


def bodies_of(endpoints: Endpoints, letter: Letter) -> Bodies:
    """What a letter is about, as it was sent.

    Raises `ValidationError` when that is no event, and says what to do.
    """
    body = letter.body
    if "id" in body and "type" in body:
        return {body["tenant_id"]: _array([_event_of(body, _data_of(body))])}
    if "generation" not in body:
        raise ValidationError(f"{letter.position}: the record was never in the log{_MEND}")
    try:
        batch = decode_envelope(read_record(endpoints, letter.position)["value"])
    except ValidationError as error:
        raise ValidationError(f"{letter.position}: {error.message}{_MEND}") from error
    return _bodies_of_batch(batch)


def bodies_of_file(text: bytes, tenant_id: str | None, letter: Letter) -> Bodies:
    """Mended events, one or an array; the tenant is that of the letter, if it names one."""
    tenant = letter.tenant_id or tenant_id
    if tenant is None:
        raise ValidationError(
            f"{letter.position}: the letter names no tenant; pass it with --tenant", field="tenant"
        )
    if tenant_id not in {None, tenant}:
        raise ValidationError(f"tenant: the letter is of {tenant}, not of {tenant_id}")
    return {tenant: text if text.lstrip()[:1] == b"[" else b"[" + text + b"]"}


def read_record(endpoints: Endpoints, position: str) -> dict[str, Any]:
    """The record of the log at a position: timestamp_ms, headers (name -> text), value (bytes).

    Nothing looks into the value. Raises `NotFoundError` when the log does not have it.
    """
    head, partition, offset, _ = parse_position(position)
    topics = {str(each.number): each.topic for each in generations_of(endpoints)}
    at = TopicPartition(topics.get(head, head), partition, offset)
    with own_consumer(endpoints, _NAME) as consumer:
        try:
            first, end = consumer.get_watermark_offsets(at, timeout=_WAIT_SECONDS)
            if not first <= offset < end:
                raise NotFoundError(f"{position}: the log holds the offsets {first} to {end - 1}")
            consumer.assign([at])
            deadline = monotonic_seconds() + _WAIT_SECONDS
            while (message := consumer.poll(1.0)) is None or message.error() is not None:
                if monotonic_seconds() > deadline:
                    raise DependencyDownError(f"Kafka does not give the record {position}")
        except KafkaException as error:
            raise DependencyDownError(f"Kafka does not answer: {error.args[0]}") from error
    return {
        "timestamp_ms": message.timestamp()[1],
        "headers": {
            name: value.decode(errors="replace") if isinstance(value, bytes) else value
            for name, value in dict(message.headers() or []).items()
        },
        "value": message.value() or b"",
    }


def _admitted(bodies: Bodies, received_micros: int) -> EventColumns:
    columns = EventColumns()
    for tenant_id, body in bodies.items():
        events = decode_batch(body)
        admitted = admit(events, tenant_id, received_micros, escaped=b"\\u" in body)
        if admitted.rejections:
            first = admitted.rejections[0]
            raise ValidationError(
                f"{len(admitted.rejections)} of {len(events)} events break the contract, nothing"
                f" was sent; the first, {first.id!r}: {first.message}{_MEND}"
            )
        columns.extend(admitted.columns)
    return columns


def _data_of(body: Mapping[str, Any]) -> bytes:
    if "data" not in body:
        raise ValidationError(f"data: is not UTF-8{_MEND}")
    data = str(body["data"]).encode()
    if len(data) < body["data_bytes"]:
        raise ValidationError(f"data: {body['data_bytes']} bytes, more than is kept{_MEND}")
    return data


def _event_of(attributes: Mapping[str, Any], data: bytes) -> bytes:
    """One CloudEvent in JSON, its data the exact text."""
    try:
        time = _EPOCH + timedelta(microseconds=attributes["time_micros"])
    except OverflowError as error:
        raise ValidationError(f"time: lies outside any calendar{_MEND}") from error
    event = {name: attributes[name] for name in _ATTRIBUTES} | {"specversion": "1.0"}
    head = json.dumps(event | {"time": time.isoformat()}, ensure_ascii=False).encode()
    try:
        return head[:-1] + b', "data": ' + bytes(json_text(data)) + b"}"
    except ValidationError as error:
        raise ValidationError(f"data: not JSON{_MEND}") from error


def _array(events: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(events) + b"]"


def _bodies_of_batch(batch: pa.RecordBatch) -> Bodies:
    events: defaultdict[str, list[bytes]] = defaultdict(list)
    micros = batch.column("time").cast(pa.int64())
    columns: dict[str, list[Any]] = {
        name: batch.column(name).to_pylist() for name in ("tenant_id", "data", *_ATTRIBUTES)
    }
    for row in range(batch.num_rows):
        attributes = {name: columns[name][row] for name in _ATTRIBUTES}
        attributes["time_micros"] = micros[row].as_py()
        events[columns["tenant_id"][row]].append(_event_of(attributes, columns["data"][row]))
    return {tenant: _array(found) for tenant, found in events.items()}
