"""Records of the inbox in, envelopes and dead letters out."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final

from confluent_kafka import Message

from core.cloudevents.columns import EventColumns
from core.cloudevents.wire import Rejection
from core.errors import TooLargeError, ValidationError
from streams.bridge.inbox import InboxRecord, read_record
from streams.relay import Relayed

KEPT_BYTES: Final = 64 * 1024
"""Most bytes of a record's value that a dead letter repeats."""


class InboxConverter:
    """Converts records; `tenant_id` is whose topic it is, None where each record says it."""

    def __init__(self, tenant_id: str | None) -> None:
        self._tenant_id = tenant_id

    def __call__(self, messages: Sequence[Message]) -> Relayed:
        """The events of the records, gathered, and a letter for whatever cannot be read."""
        return self.convert([record_of(message) for message in messages])

    def convert(self, records: Sequence[InboxRecord]) -> Relayed:
        """The same, of plain records."""
        columns, relayed = EventColumns(), Relayed()
        for record in records:
            try:
                admitted = read_record(record, self._tenant_id)
            except (ValidationError, TooLargeError) as error:
                relayed.letters.append(_letter(record, None, error.code, error.message))
            except Exception as error:  # noqa: BLE001 - no record may hold up those behind it
                reason = f"reading it failed: {type(error).__name__}: {error}"
                relayed.letters.append(_letter(record, None, "unreadable", reason))
            else:
                columns.extend(admitted.columns)
                relayed.letters += [_rejected(record, one) for one in admitted.rejections]
        if len(columns):
            relayed.batches.append(columns.as_batch())
        return relayed


def record_of(message: Message) -> InboxRecord:
    """A record of the inbox as the consumer delivers it."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    value = message.value()
    return InboxRecord(
        topic,
        partition,
        offset,
        message.timestamp()[1],
        {name.lower(): _bytes(sent) for name, sent in dict(message.headers() or []).items()},
        None if value is None else _bytes(value),
    )


def _bytes(sent: str | bytes | None) -> bytes:
    return sent.encode() if isinstance(sent, str) else sent or b""


def _rejected(record: InboxRecord, rejection: Rejection) -> dict[str, object]:
    letter = _letter(record, rejection.index, rejection.code, rejection.message)
    return letter | {"id": rejection.id}


def _letter(record: InboxRecord, row: int | None, code: str, reason: str) -> dict[str, object]:
    """Position first; `row` is the event's place in its record, None for the whole record."""
    value = record.value or b""
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "row": row,
        "reason": reason,
        "code": code,
        "log_time_ms": record.timestamp_ms,
        "value_bytes": len(value),
        "value_base64": base64.b64encode(value[:KEPT_BYTES]).decode(),
    }
