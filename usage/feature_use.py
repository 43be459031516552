"""What was used of a meter in a period, by subject, in the form that is shown."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from catalog.meter_definition import MeterDefinition
from core.period import Period
from usage.reader import UsageReader


def feature_use(
    reader: UsageReader,
    meter: MeterDefinition,
    period: Period,
    subjects: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The usage of each subject at the newest cut, which is named; None: of all subjects.

    Raises as `UsageReader.period_usage`.
    """
    cut = reader.cut()
    used = reader.period_usage(meter.tenant_id, [meter], period, cut, subjects)
    return {
        "meter": meter.slug,
        "unit": meter.unit,
        "start": period.start.isoformat(),
        "end": period.end.isoformat(),
        "cut": cut.offsets,
        "data": [
            {
                "subject": row["subject"],
                "quantity": _text(row["quantity"]),
                "event_count": row["event_count"],
                "unmeterable_count": row["unmeterable_count"],
            }
            for row in used.to_dicts()
        ],
    }


def _text(quantity: Decimal) -> str:
    """A decimal without an exponent and without zeros at its end."""
    return f"{quantity.normalize():f}" if quantity else "0"
