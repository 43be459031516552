"""One record of the inbox as events: structured, batched or binary CloudEvents, and their tenant.

Pure: the same record gives the same events and reasons, however often it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from core.cloudevents.contract import Admitted, admit
from core.cloudevents.json_format import decode_batch, decode_either, decode_single, json_text
from core.cloudevents.wire import NO_DATA, Rejection, WireEvent
from core.errors import TooLargeError, ValidationError
from core.events import EVENT_BYTES_MAX
from core.ids import parse_id

TENANT_HEADER: Final = "tollbook-tenant"
"""Names the tenant of all events of a record: its UUID, or its id as shown (`ten_…`)."""

_MILLIS_TO_MICROS: Final = 1_000
_ATTRIBUTES: Final = ("specversion", "id", "source", "type", "subject", "time")
_MODES: Final[dict[str, Callable[[bytes], Sequence[WireEvent | Rejection]]]] = {
    "application/cloudevents": decode_single,
    "application/cloudevents+json": decode_single,
    "application/cloudevents-batch+json": decode_batch,
}


class InboxRecord(NamedTuple):
    """A record as the broker has it; of headers of one name the last one counts."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    headers: dict[str, bytes]
    value: bytes | None


def read_record(record: InboxRecord, tenant_id: str | None) -> Admitted:
    """The good events of a record, and a verdict on each of the others.

    `tenant_id`: whose topic it is; None where the header says it. Raises `ValidationError` or
    `TooLargeError` when the record as a whole cannot be read.
    """
    tenant = _tenant_of(record.headers, tenant_id)
    if record.value is None:
        raise ValidationError("the record has no value")
    events, escaped = _events_of(record.headers, record.value)
    return admit(events, tenant, record.timestamp_ms * _MILLIS_TO_MICROS, escaped=escaped)


def _tenant_of(headers: dict[str, bytes], tenant_id: str | None) -> str:
    """The canonical tenant id; a topic that belongs to a tenant takes no other."""
    sent = headers.get(TENANT_HEADER)
    if sent is None:
        if tenant_id is None:
            raise ValidationError(f"header {TENANT_HEADER}: required, the id of the tenant")
        return tenant_id
    text = sent.decode(errors="replace")
    found = read_tenant(text, f"header {TENANT_HEADER}")
    if tenant_id not in {None, found}:
        raise ValidationError(
            f"header {TENANT_HEADER}: this topic belongs to the tenant {tenant_id}, not to {found}"
        )
    return found


def read_tenant(text: str, field: str) -> str:
    """Canonical text of a tenant's UUID. Raises `ValidationError` naming `field`."""
    if text.startswith("ten_"):
        return str(parse_id("ten", text, field))
    try:
        found = str(UUID(text))
    except ValueError:
        found = ""
    if found != text:
        raise ValidationError(
            f"{field}: expected a tenant's id like 0199e5a0-0000-7000-8000-000000000001 or"
            f" ten_0199e5a0…, got {text[:64]!r}"
        )
    return found


def _events_of(
    headers: dict[str, bytes], value: bytes
) -> tuple[Sequence[WireEvent | Rejection], bool]:
    """The events of a record, and whether their texts may hide a NUL."""
    media_type = headers.get("content-type", b"").decode(errors="replace").lower()
    media_type = media_type.partition(";")[0].strip()
    if media_type.startswith("application/cloudevents"):
        decode = _MODES.get(media_type)
        if decode is None:
            raise ValidationError(f"content-type: {media_type[:64]!r}: send CloudEvents as JSON")
        return decode(value), b"\\u" in value
    if any(name.startswith("ce_") for name in headers):
        return [_binary(headers, value, media_type)], True
    return decode_either(value), b"\\u" in value


def _binary(headers: dict[str, bytes], value: bytes, media_type: str) -> WireEvent:
    """The event of a record in binary mode: attributes in headers, the data object as value."""
    if media_type not in {"", "application/json"} and not media_type.endswith("+json"):
        raise ValidationError(f"content-type: {media_type[:64]!r}: send `data` as JSON")
    if len(value) > EVENT_BYTES_MAX:
        raise TooLargeError(f"event: {len(value)} bytes, the limit is {EVENT_BYTES_MAX}")
    attributes: dict[str, str] = {}
    for name in _ATTRIBUTES:
        sent = headers.get(f"ce_{name}")
        if sent is not None:
            try:
                attributes[name] = sent.decode()
            except UnicodeDecodeError as error:
                raise ValidationError(f"header ce_{name}: not UTF-8") from error
    data = json_text(value) if value.strip() else NO_DATA
    return WireEvent(**attributes, data=data)
