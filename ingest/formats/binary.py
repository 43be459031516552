"""CloudEvents in binary mode: the attributes are headers, the body is the data.

Source: CloudEvents 1.0, HTTP protocol binding, section 3.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final
from urllib.parse import unquote

from core.cloudevents import json_format
from core.cloudevents.wire import NO_DATA, Rejection, WireEvent
from core.events import EVENT_BYTES_MAX
from ingest.formats.wire_format import WireFormat

MARK: Final = "ce-specversion"
"""The header that says that a request is in binary mode."""

MEDIA_TYPES: Final = ("application/json", "")
"""What the data may be; without a media type there is none."""

_ATTRIBUTES: Final = ("specversion", "id", "source", "type", "subject", "time")
_NOT_ENCODED: Final = re.compile(r"[^\x20-\x7e]|%(?![0-9A-Fa-f]{2})")


def format_of(headers: Mapping[str, str]) -> WireFormat:
    """How the body of a request with these headers is read; the names are in lower case."""
    attributes = {name: headers.get(f"ce-{name}") for name in _ATTRIBUTES}
    return WireFormat(partial(decode, attributes))


def decode(attributes: Mapping[str, str | None], body: bytes) -> Sequence[WireEvent | Rejection]:
    """The one event of a request. Raises `ValidationError` when the body is not JSON."""
    data = json_format.json_text(body) if body.strip() else NO_DATA
    given = {name: value for name, value in attributes.items() if value is not None}
    texts: dict[str, str] = {}
    for name, value in given.items():
        try:
            texts[name] = _decoded(value)
        except ValueError as error:
            return [Rejection(0, texts.get("id"), "invalid_event", f"ce-{name}: {error}")]
    size = len(body) + sum(map(len, texts.values()))
    if size > EVENT_BYTES_MAX:
        message = f"event: {size} bytes, the limit is {EVENT_BYTES_MAX}"
        return [Rejection(0, texts.get("id"), "event_too_large", message)]
    return [WireEvent(**texts, data=data)]


def _decoded(value: str) -> str:
    if _NOT_ENCODED.search(value):
        raise ValueError("send every other than printable ASCII percent-encoded as UTF-8")
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError as error:
        raise ValueError("its percent-encoded bytes are not UTF-8") from error
