"""What the OpenAPI document says about the bodies of `POST /v1/events`."""

from __future__ import annotations

from typing import Any, Final

from core.cloudevents.json_format import EVENTS_PER_REQUEST_MAX
from core.events import EVENT_BYTES_MAX, TEXT_BYTES_MAX
from ingest.encodings import ENCODINGS
from ingest.formats import arrow, csv, json, ndjson, parquet
from ingest.settings import BODY_BYTES_MAX

Schema = dict[str, Any]


def _text(name: str, description: str) -> Schema:
    limit = f"{description} 1 to {TEXT_BYTES_MAX[name]} bytes of UTF-8."
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": TEXT_BYTES_MAX[name],
        "description": limit,
    }


_EVENT: Final[Schema] = {
    "title": "CloudEvent",
    "type": "object",
    "required": ["specversion", "id", "source", "type", "subject"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": _text("id", "With the source, what makes the event unique."),
        "source": _text("source", "Who recorded it."),
        "type": _text("type", "What happened; meters select events by it."),
        "subject": _text("subject", "Who used it; customers own subjects."),
        "time": {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "RFC 3339, any offset. Default: when the server received the event. At "
            "most 24 hours ahead of the server; any distance back to 1970.",
        },
        "data": {
            "type": ["object", "null"],
            "description": "What the meters read. Kept as the exact text sent; numbers stay exact.",
        },
    },
    "description": f"CloudEvents 1.0 in JSON, at most {EVENT_BYTES_MAX} bytes. Extension attributes"
    " are accepted and ignored; of a repeated name the last one counts. `data_base64` is refused.",
    "example": {
        "specversion": "1.0",
        "id": "01JB2M6Y",
        "source": "/gateway/eu-1",
        "type": "llm.request",
        "subject": "team-7",
        "time": "2026-03-01T12:00:00.25Z",
        "data": {"context_tokens": 812, "generated_tokens": 64},
    },
}
_BATCH: Final[Schema] = {
    "title": "CloudEventBatch",
    "type": "array",
    "maxItems": EVENTS_PER_REQUEST_MAX,
    "items": _EVENT,
}

_TEXT_EXAMPLE: Final = (
    "id,source,type,subject,time,context_tokens\n"
    "01JB2M6Y,/gateway/eu-1,llm.request,team-7,2026-03-01T12:00:00Z,812\n"
)


def _table(what: str, **more: Any) -> dict[str, Schema]:
    description = (
        f"{what} with the columns id, source, type and subject, and as you like time and data (JSON"
        " texts); without data every other column is a member of it."
    )
    return {"schema": {"type": "string", "description": description, **more}}


REQUEST_BODY: Final[Schema] = {
    "required": True,
    "description": f"At most {BODY_BYTES_MAX} bytes, also when inflated: Content-Encoding may be"
    f" {', '.join(ENCODINGS)}. In binary mode of CloudEvents (headers ce-id, ce-source and so on)"
    " the body is the data.",
    "content": {
        json.SINGLE_TYPE: {"schema": _EVENT},
        json.BATCH_TYPE: {"schema": _BATCH},
        json.EITHER_TYPE: {"schema": {"oneOf": [_EVENT, _BATCH]}},
        ndjson.MEDIA_TYPE: {
            "schema": {"type": "string", "description": "A JSON event in each line."}
        },
        csv.MEDIA_TYPE: _table("A header line and rows,", example=_TEXT_EXAMPLE),
        arrow.MEDIA_TYPE: _table("An Arrow IPC stream", format="binary"),
        parquet.MEDIA_TYPE: _table("A Parquet file", format="binary"),
    },
}

_REJECTION: Final[Schema] = {
    "title": "Rejection",
    "type": "object",
    "required": ["index", "id", "code", "message"],
    "properties": {
        "index": {"type": "integer", "minimum": 0, "description": "Position in the batch."},
        "id": {"type": ["string", "null"], "description": "Null where it could not be read."},
        "code": {"type": "string"},
        "message": {"type": "string", "description": "Names the attribute and what is wrong."},
    },
}
_NOTICE: Final[Schema] = {
    "title": "Notice",
    "type": "object",
    "required": ["code", "count", "message"],
    "properties": {
        "code": {"type": "string"},
        "count": {"type": "integer", "minimum": 1},
        "message": {"type": "string"},
    },
}
_ANSWER: Final[Schema] = {
    "title": "Answer",
    "type": "object",
    "required": ["accepted", "rejected", "notices"],
    "properties": {
        "accepted": {"type": "integer", "minimum": 0, "description": "Events now in the log."},
        "rejected": {"type": "array", "items": _REJECTION, "description": "In order of index."},
        "notices": {"type": "array", "items": _NOTICE, "description": "About accepted events."},
    },
}
_ERROR: Final[Schema] = {"$ref": "#/components/schemas/ErrorBody"}
_PROBLEM: Final[Schema] = {"$ref": "#/components/schemas/Problem"}


def _failure(description: str, headers: Schema | None = None) -> Schema:
    return {
        "description": description,
        "content": {
            "application/json": {"schema": _ERROR},
            "application/problem+json": {"schema": _PROBLEM},
        },
    } | ({"headers": headers} if headers else {})


_RETRY_AFTER: Final[Schema] = {
    "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}
}
_RATE_LIMIT: Final[Schema] = {
    "RateLimit-Policy": {
        "schema": {"type": "string"},
        "description": "The limits that hold for the key and its tenant, where there are any.",
    },
    "RateLimit": {"schema": {"type": "string"}, "description": "What is left of each of them."},
}

RESPONSES: Final[dict[int | str, Schema]] = {
    202: {
        "description": "The accepted events are in the log, acknowledged by Kafka.",
        "content": {"application/json": {"schema": _ANSWER}},
        "headers": _RATE_LIMIT,
    },
    400: _failure("The body holds no good event; `details.rejected` names each."),
    401: _failure("No API key, or one that is not known."),
    403: _failure("The API key may not send events."),
    413: _failure("Over a stated limit."),
    415: _failure("A content type or encoding that has no decoder."),
    429: _failure(
        "Over a rate limit of the key or the tenant: send it again later, with the same ids.",
        _RETRY_AFTER | _RATE_LIMIT,
    ),
    503: _failure(
        "Kafka did not acknowledge the events, or the server is full: send them again with the same"
        " ids.",
        _RETRY_AFTER,
    ),
}
