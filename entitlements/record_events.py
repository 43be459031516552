"""The event of a record of use: what it says, so that its meter counts the record's quantity."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from catalog.meter_definition import MeterDefinition
from catalog.metering.expressions import parse_path
from core.errors import BusinessLogicError, ValidationError
from core.events import event_key
from core.ids import TenantId, format_id
from entitlements.facts import quantity_text
from usage.one_event import counted_of

SOURCE: Final = "tollbook:usage/track"
"""The source of all events of records; their id is the record's, so a copy is a duplicate."""

_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def key_of_record(tenant_id: TenantId, record_id: UUID) -> bytes:
    """The 16-byte key of a record's event."""
    return event_key(str(tenant_id), SOURCE, format_id("usr", record_id))


def check_countable(meter: MeterDefinition, quantity: Decimal, at: datetime) -> None:
    """Raise `BusinessLogicError` where there is no event of which the meter counts so much."""
    if meter.aggregation not in {"sum", "count"} or meter.conversion is not None:
        what = "converts units" if meter.conversion is not None else f"is a {meter.aggregation}"
        raise BusinessLogicError(
            f"feature: its meter {meter.slug!r} {what}; send events to /v1/events instead",
            field="feature",
        )
    if meter.archived_at is not None and meter.archived_at <= at:
        raise BusinessLogicError(
            f"feature: its meter {meter.slug!r} is archived, so nothing is counted", field="feature"
        )
    if meter.aggregation == "sum":
        _path_of(meter)
    elif quantity != 1:
        raise BusinessLogicError(
            f"quantity: its meter {meter.slug!r} counts events, so each call uses 1",
            field="quantity",
        )


def data_of_event(
    meter: MeterDefinition, quantity: Decimal, properties: Mapping[str, Any], at: datetime
) -> str:
    """The JSON text of an event of which the meter counts `quantity`.

    Raises `BusinessLogicError` where no single event does, `ValidationError` where `properties`
    stand in its way: the meter's own code counts it, so it is never another quantity.
    """
    check_countable(meter, quantity, at)
    data: dict[str, Any] = dict(properties)
    if meter.aggregation == "sum":
        _put(data, meter, quantity)
    text = _encode(data).decode()
    counted = counted_of(meter, meter.event_types[0], text, at)
    if counted != quantity:
        told = "nothing" if counted is None else quantity_text(counted)
        raise ValidationError(
            f"properties: of an event that says {text[:200]} the meter {meter.slug!r} counts"
            f" {told}; give what its filter asks for",
            field="properties",
        )
    return text


def _put(data: dict[str, Any], meter: MeterDefinition, quantity: Decimal) -> None:
    """Put the quantity where the meter reads it."""
    path = _path_of(meter)
    place = data
    for name in path[:-1]:
        place = place.setdefault(str(name), {})
        if not isinstance(place, dict):
            raise ValidationError(f"properties: {name!r} must be an object", field="properties")
    place[str(path[-1])] = quantity


def _path_of(meter: MeterDefinition) -> tuple[str | int, ...]:
    try:
        return parse_path(meter.value or "")
    except ValidationError as error:
        raise BusinessLogicError(
            f"feature: its meter {meter.slug!r} reads {meter.value!r}, which is worked out; send"
            " events to /v1/events instead",
            field="feature",
        ) from error
