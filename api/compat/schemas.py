"""JSON schemas of the peers' bodies, as far as Tollbook reads and writes them."""

from __future__ import annotations

from typing import Any, Final

from ingest.compat import flexprice, lago, stripe

Schema = dict[str, Any]
_TEXT: Final[Schema] = {"type": "string"}
_MAYBE_TEXT: Final[Schema] = {"type": ["string", "null"]}
_INSTANT: Final[Schema] = {"type": "string", "format": "date-time"}
_MAYBE_INSTANT: Final[Schema] = {"type": ["string", "null"], "format": "date-time"}
_SECONDS: Final[Schema] = {"type": "integer"}
_FREE: Final[Schema] = {"type": "object"}
_TEXTS: Final[Schema] = {"type": "array", "items": _TEXT}


def _object(properties: Schema, required: tuple[str, ...] | None = None) -> Schema:
    """An object; every property is required unless it is said which."""
    names = list(properties) if required is None else list(required)
    return {"type": "object", "required": names, "properties": properties}


def _list(items: Schema, most: int | None = None) -> Schema:
    limits = {} if most is None else {"minItems": 1, "maxItems": most}
    return {"type": "array", "items": items, **limits}


_CLOUD_EVENT: Final = _object(
    {
        "specversion": {"const": "1.0"},
        "id": _TEXT,
        "source": _TEXT,
        "type": _TEXT,
        "subject": _TEXT,
        "time": _MAYBE_INSTANT,
        "data": {"type": ["object", "null"]},
    },
    ("specversion", "id", "source", "type", "subject"),
)
_METER_WORDS: Final[Schema] = {
    "slug": _TEXT,
    "name": _MAYBE_TEXT,
    "description": _MAYBE_TEXT,
    "aggregation": {"enum": ["SUM", "COUNT", "UNIQUE_COUNT", "AVG", "MIN", "MAX", "LATEST"]},
    "eventType": _TEXT,
    "valueProperty": _MAYBE_TEXT,
    "groupBy": {"type": ["object", "null"], "additionalProperties": _TEXT},
    "metadata": {"type": ["object", "null"], "additionalProperties": _TEXT},
}
_METER: Final = _object(
    {"id": _TEXT, **_METER_WORDS, "createdAt": _INSTANT, "updatedAt": _INSTANT},
    ("id", "slug", "aggregation", "eventType", "createdAt", "updatedAt"),
)
_QUERY_ROW: Final = _object(
    {
        "value": {"type": "number"},
        "windowStart": _INSTANT,
        "windowEnd": _INSTANT,
        "subject": _MAYBE_TEXT,
        "groupBy": {"type": "object", "additionalProperties": _MAYBE_TEXT},
    }
)
_OPENMETER: Final[dict[str, Schema]] = {
    "Event": _CLOUD_EVENT,
    "Batch": _list(_CLOUD_EVENT),
    "Either": {"oneOf": [_CLOUD_EVENT, _list(_CLOUD_EVENT)]},
    "Events": _list(_object({"event": _CLOUD_EVENT, "ingestedAt": _INSTANT, "storedAt": _INSTANT})),
    "MeterCreate": _object(_METER_WORDS, ("slug", "aggregation", "eventType")),
    "Meter": _METER,
    "Meters": _list(_METER),
    "Query": _object(
        {
            "from": _MAYBE_INSTANT,
            "to": _MAYBE_INSTANT,
            "subject": _TEXTS,
            "groupBy": _TEXTS,
            "filterGroupBy": {"type": "object", "additionalProperties": _TEXTS},
        },
        (),
    ),
    "Result": _object({"from": _INSTANT, "to": _INSTANT, "data": _list(_QUERY_ROW)}, ("data",)),
}

_LAGO_WORDS: Final[Schema] = {
    "transaction_id": _TEXT,
    "external_subscription_id": _TEXT,
    "code": _TEXT,
    "timestamp": {
        "type": ["string", "number", "null"],
        "description": "Seconds since 1970, a fraction allowed. Default: the time of receipt.",
    },
    lago.AMOUNT: _MAYBE_TEXT,
    "properties": {"type": ["object", "null"]},
}
_LAGO_EVENT: Final = _object(_LAGO_WORDS, ("transaction_id", "external_subscription_id", "code"))
_LAGO_ANSWER: Final = _object(
    {
        "lago_id": _TEXT,
        "transaction_id": _TEXT,
        "lago_customer_id": {"type": "null"},
        "lago_subscription_id": {"type": "null"},
        "external_subscription_id": _TEXT,
        "code": _TEXT,
        "timestamp": _INSTANT,
        lago.AMOUNT: _MAYBE_TEXT,
        "properties": _FREE,
        "created_at": _INSTANT,
    }
)
_LAGO: Final[dict[str, Schema]] = {
    "Event": _object({"event": _LAGO_EVENT}),
    "Batch": _object({"events": _list(_LAGO_EVENT, lago.EVENTS_MAX)}),
    "EventAnswer": _object({"event": _LAGO_ANSWER}),
    "BatchAnswer": _object({"events": _list(_LAGO_ANSWER)}),
}

_PAYLOAD: Final[Schema] = {"type": "object", "required": [stripe.CUSTOMER]}
_STRIPE_WORDS: Final[Schema] = {
    "event_name": _TEXT,
    "identifier": _MAYBE_TEXT,
    "payload": _PAYLOAD,
    "timestamp": {"type": ["string", "integer", "null"]},
}
_STRIPE_EVENT: Final = _object(_STRIPE_WORDS, ("event_name", "payload"))
_STRIPE: Final[dict[str, Schema]] = {
    "FormEvent": _STRIPE_EVENT,
    "JsonEvent": _STRIPE_EVENT,
    "Stream": _object({"events": _list(_STRIPE_EVENT, stripe.EVENTS_MAX)}),
    "NoParameters": _object({}),
    "Nothing": _object({}),
    "EventV1": _object(
        {
            "object": {"const": "billing.meter_event"},
            "created": _SECONDS,
            "event_name": _TEXT,
            "identifier": _TEXT,
            "livemode": {"type": "boolean"},
            "payload": _PAYLOAD,
            "timestamp": _SECONDS,
        }
    ),
    "EventV2": _object(
        {
            "object": {"const": "v2.billing.meter_event"},
            "created": _INSTANT,
            "event_name": _TEXT,
            "identifier": _TEXT,
            "livemode": {"type": "boolean"},
            "payload": _PAYLOAD,
            "timestamp": _INSTANT,
        }
    ),
    "Session": _object(
        {
            "object": {"const": "v2.billing.meter_event_session"},
            "id": _TEXT,
            "authentication_token": _TEXT,
            "created": _INSTANT,
            "expires_at": _INSTANT,
            "livemode": {"type": "boolean"},
        }
    ),
}

_FLEXPRICE_EVENT: Final = _object(
    {
        "event_name": _TEXT,
        "external_customer_id": _TEXT,
        "event_id": _MAYBE_TEXT,
        "timestamp": _MAYBE_INSTANT,
        "source": _MAYBE_TEXT,
        "properties": {"type": ["object", "null"]},
    },
    ("event_name", "external_customer_id"),
)
_FLEXPRICE: Final[dict[str, Schema]] = {
    "Event": _FLEXPRICE_EVENT,
    "Bulk": _object({"events": _list(_FLEXPRICE_EVENT, flexprice.EVENTS_MAX)}),
    "EventAnswer": _object({"message": _TEXT, "event_id": _TEXT}),
    "BulkAnswer": _object({"message": _TEXT}),
}

SCHEMAS: Final = {
    "openmeter": _OPENMETER,
    "lago": _LAGO,
    "stripe": _STRIPE,
    "flexprice": _FLEXPRICE,
}
"""Provider -> name of a body -> its schema."""

ERRORS: Final[dict[str, Schema]] = {
    "openmeter": _object(
        {
            "type": _TEXT,
            "title": _TEXT,
            "status": _SECONDS,
            "detail": _TEXT,
            "instance": _TEXT,
            "extensions": _FREE,
        },
        ("type", "title", "status", "detail", "instance"),
    ),
    "lago": _object(
        {
            "status": _SECONDS,
            "error": _TEXT,
            "code": _TEXT,
            "error_details": {"type": ["object", "string"]},
        },
        ("status", "error"),
    ),
    "stripe": _object(
        {
            "error": _object(
                {"type": _TEXT, "message": _TEXT, "code": _TEXT, "param": _TEXT},
                ("type", "message"),
            )
        }
    ),
    "flexprice": _object({"code": _TEXT, "http_status_code": _SECONDS, "message": _TEXT}),
}
"""Provider -> the body of every answer of its routes that is not 2xx."""

_UNREAD_TYPE: Final = 415
_ALL: Final[dict[int, tuple[str, bool]]] = {
    400: ("The request cannot be read, or a field is wrong: it is named.", False),
    401: ("No API key, or one that is not known.", False),
    403: ("The API key lacks the scope.", False),
    404: ("No such thing.", False),
    413: ("Over a stated limit.", True),
    415: ("A content type or encoding that is not read.", True),
    500: ("An unexpected error; it names what to quote.", False),
    503: ("A server behind this one does not answer: send the same again.", False),
}
FAILURES: Final[dict[str, dict[int, tuple[str, bool]]]] = {
    "openmeter": {
        **{status: told for status, told in _ALL.items() if status != _UNREAD_TYPE},
        409: ("The slug is taken.", True),
    },
    "lago": {**_ALL, 422: ("Events lack something, or hold what cannot be: codes by field.", True)},
    "stripe": _ALL,
    "flexprice": _ALL,
}
"""Provider -> status -> its meaning, and whether only routes that take a body answer so."""
