"""The wire event: its identity, its content, and the contract that an accepted event keeps.

Key: xxh3-128 of the length-prefixed triple (tenant, source, id). Two events with one key are copies
of one event. Content: xxh3-64 of what the sender sent (type, subject, time text if sent, data
text).
"""

from __future__ import annotations

from datetime import timedelta
from struct import Struct
from typing import Final

import xxhash

SCHEMA_VERSION: Final = 1
"""Version of the envelope and of this contract; a change of either is a new version."""

TEXT_BYTES_MAX: Final = {"id": 256, "source": 256, "type": 256, "subject": 256}
"""Longest UTF-8 form of each attribute, in bytes; the shortest is one byte."""

EVENT_BYTES_MAX: Final = 256 * 1024
"""Longest event on the wire, in bytes."""

VOID_TYPE: Final = "tollbook.void"
"""Type of an event that takes an earlier one back; its `data` names that one: `source` and `id`.

It has the key of its target, so both meet in one partition; it is stored as a copy of it with sign
-1.
"""

VOID_SUBJECT: Final = "void"
"""Subject of a void that was sent without one."""

HORIZON: Final = timedelta(days=35)
"""How long, in log time, an accepted event holds its key: later copies are not recognised."""

DATA_DEPTH_MAX: Final = 64
"""Deepest nesting of `data`, the object itself included."""

AHEAD_MAX: Final = timedelta(hours=24)
"""How far an event's time may lie after the receive time at ingest."""

AHEAD_OF_LOG_MAX: Final = timedelta(hours=25)
"""The same against log time: one hour more, so that clocks may differ between ingest and broker."""

TIME_MIN_MICROS: Final = 0
"""Earliest event time: 1970-01-01T00:00Z in microseconds."""

TIME_MAX_MICROS: Final = 4_102_444_800_000_000
"""Event times end before 2100-01-01T00:00Z."""


_length = Struct("<I").pack
_SHORT: Final = tuple(_length(size) for size in range(max(TEXT_BYTES_MAX.values()) + 1))
_NO_TIME: Final = _length(0)


def key_head(tenant_id: str) -> bytes:
    """The part of a key's input that all events of a tenant share: made once, used in loops."""
    encoded = tenant_id.encode()
    return _length(len(encoded)) + encoded


def key_of(head: bytes, source: bytes, event_id: bytes) -> bytes:
    """The 16-byte key of an event of the tenant of `head`; both are UTF-8 within their limits."""
    return xxhash.xxh3_128_digest(
        head + _SHORT[len(source)] + source + _SHORT[len(event_id)] + event_id
    )


def event_key(tenant_id: str, source: str, event_id: str) -> bytes:
    """The 16-byte key of an event. `tenant_id` is the canonical text of the tenant's UUID."""
    return key_of(key_head(tenant_id), source.encode(), event_id.encode())


def content_of(event_type: bytes, subject: bytes, time_text: str | None, data: bytes) -> int:
    """The 64-bit hash of what the sender sent. A time that was not sent is no content.

    Type and subject are UTF-8 within their limits.
    """
    if time_text is None:
        sent = _NO_TIME
    else:
        time = time_text.encode()
        sent = _length(len(time) + 1) + b"\x01" + time
    return xxhash.xxh3_64_intdigest(
        _SHORT[len(event_type)]
        + event_type
        + _SHORT[len(subject)]
        + subject
        + sent
        + _length(len(data))
        + data
    )


def content_hash(event_type: str, subject: str, time_text: str | None, data: bytes) -> int:
    """`content_of` for texts."""
    return content_of(event_type.encode(), subject.encode(), time_text, data)


def partition_of(key: bytes, partitions: int) -> int:
    """The key mod P: all copies of an event meet in one partition."""
    return int.from_bytes(key, "big") % partitions
