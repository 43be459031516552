"""The end marker: the last record of a partition that belongs to a generation of the log.

It is a record of the log without events. What follows it in its partition is not part of the log:
it is carried over into the next generation. A second marker behind the first one says nothing.
"""

from __future__ import annotations

from typing import Final

from core.events import SCHEMA_VERSION

CONTENT_TYPE: Final = "application/vnd.tollbook.generation-end+json"


def end_marker(generation: int) -> bytes:
    """The record value that ends a partition of a generation: these very bytes."""
    return b'{"tollbook":"end of generation","generation":%d}' % generation


def end_marker_headers() -> list[tuple[str, bytes]]:
    """The Kafka headers of a marker, of the same names as an envelope's."""
    return [
        ("content-type", CONTENT_TYPE.encode()),
        ("tollbook-schema-version", str(SCHEMA_VERSION).encode()),
        ("tollbook-events", b"0"),
    ]


def is_end_marker(value: bytes | None, generation: int) -> bool:
    """Whether a record of a generation ends its partition; a marker of another one does not."""
    return value == end_marker(generation)
