"""What a meter would count of one event that is not sent yet."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import polars as pl

from catalog.meter_definition import MeterDefinition
from core.period import Period
from usage.answer import answer
from usage.dry_run import EventsAtHand
from usage.events import EVENTS
from usage.spans import Spans


def counted_of(meter: MeterDefinition, event_type: str, data: str, at: datetime) -> Decimal | None:
    """The quantity that the meter counts of an event; None: it leaves it out, or cannot read it."""
    row = {
        "tenant_id": str(meter.tenant_id),
        "type": event_type,
        "subject": "",
        "time": at,
        "data": data.encode(),
        "sign": 1,
        "generation": 1,
        "partition": 0,
        "offset": 0,
        "row": 0,
        "key": bytes(16),
    }
    events = EventsAtHand(pl.DataFrame([row], schema=EVENTS), by_dimensions=False)
    spans = Spans.of([Period(at, at + timedelta(microseconds=1))])
    found = answer(events, [meter], spans).filter(pl.col("event_count") > 0)
    quantities = found["quantity"].to_list()
    return Decimal(quantities[0]) if quantities else None
