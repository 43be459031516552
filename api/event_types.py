"""Every type of event that `GET /v1/changes` can show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import catalog.events
import corrections.events
import entitlements.events
import identity.events
import invoicing.events
import subscriptions.events
from db.event_types import EventType

CONTEXTS: Final[Mapping[str, Mapping[str, EventType]]] = {
    "identity": identity.events.EVENTS,
    "catalog": catalog.events.EVENTS,
    "subscriptions": subscriptions.events.EVENTS,
    "entitlements": entitlements.events.EVENTS,
    "invoicing": invoicing.events.EVENTS,
    "corrections": corrections.events.EVENTS,
}
"""Whose they are."""

EVENT_TYPES: Final[Mapping[str, EventType]] = {
    subject: each for events in CONTEXTS.values() for subject, each in events.items()
}
"""By subject."""

_ENVELOPE: Final = {
    "id": {"type": "string"},
    "position": {"type": "integer", "minimum": 1},
    "resource_id": {"type": "string"},
    "actor": {"type": "string"},
    "correlation_id": {"type": "string"},
    "causation_id": {"type": "string"},
    "created_at": {"type": "string", "format": "date-time"},
}
"""What all events have, beside subject, version and payload."""


def page_schema() -> dict[str, Any]:
    """The JSON Schema of an answer of `GET /v1/changes`."""
    event = {
        "type": "object",
        "properties": _ENVELOPE,
        "required": list(_ENVELOPE),
        "oneOf": [_inlined(each.schema()) for each in EVENT_TYPES.values()],
    }
    return {
        "type": "object",
        "properties": {
            "data": {"type": "array", "items": event},
            "next_cursor": {"type": "string"},
        },
        "required": ["data", "next_cursor"],
    }


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """The same with what it refers to in its place: a document of OpenAPI has other places."""
    payload = schema["properties"]["payload"]
    parts = payload.pop("$defs", {})

    def resolved(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return resolved(parts[node["$ref"].rpartition("/")[2]])
            return {name: resolved(value) for name, value in node.items()}
        return [resolved(each) for each in node] if isinstance(node, list) else node

    return {**schema, "properties": {**schema["properties"], "payload": resolved(payload)}}
