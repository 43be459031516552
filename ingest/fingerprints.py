"""Key and content hash of an event from its encoded attributes: `core.events`, made for loops.

The bytes that go into each hash are those of `core.events.event_key` and `content_hash`; a property
test holds the two together. Here the caller's UTF-8 bytes are used again, and the tenant's part of
the key is built once for each request.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

import xxhash

_length = Struct("<I").pack
_SHORT: Final = tuple(_length(n) for n in range(257))
_NO_TIME: Final = _length(0)
_key_digest = xxhash.xxh3_128_digest
_content_digest = xxhash.xxh3_64_intdigest


def key_head(tenant_id: str) -> bytes:
    """The part of an event key's input that all events of a tenant share."""
    encoded = tenant_id.encode()
    return _length(len(encoded)) + encoded


def key_of(head: bytes, source: bytes, event_id: bytes) -> bytes:
    """The 16-byte key; both attributes are at most 256 bytes long."""
    return _key_digest(head + _SHORT[len(source)] + source + _SHORT[len(event_id)] + event_id)


def content_of(event_type: bytes, subject: bytes, time_text: str | None, data: bytes) -> int:
    """The 64-bit content hash; type and subject are at most 256 bytes long."""
    if time_text is None:
        sent = _NO_TIME
    else:
        time = time_text.encode()
        sent = _length(len(time) + 1) + b"\x01" + time
    return _content_digest(
        _SHORT[len(event_type)]
        + event_type
        + _SHORT[len(subject)]
        + subject
        + sent
        + _length(len(data))
        + data
    )
