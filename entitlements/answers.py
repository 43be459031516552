"""What is told of how a customer stands with a feature."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any

from core.ids import format_id
from entitlements.burning import EXACT
from entitlements.facts import quantity_text
from entitlements.measuring import Measured

_NOTHING = Decimal(0)


def answer_of(known: Measured, now: datetime, quantity: Decimal) -> dict[str, Any]:
    """The form that is shown: whether so much more may be used, and why; `now` is the machine's.

    Beyond a limit that is not hard, use is allowed and `exceeded`.
    """
    given, burnt = known.given, known.burnt
    age = known.elapsed(now).total_seconds()
    told: dict[str, Any] = {
        "customer": known.customer.slug,
        "customer_id": format_id("cus", known.customer.id),
        "feature": known.feature.slug,
        "kind": known.feature.kind,
        "allowed": given is not None,
        "limit": None,
        "granted": None,
        "used": None,
        "held": None,
        "remaining": None,
        "exceeded": False,
        "hard": given is not None and given.hard,
        "value": None if given is None else given.value,
        "window": None,
        "sources": [] if given is None else list(given.sources),
        "as_of": known.as_of.isoformat(),
        "age_seconds": f"{age:.3f}",
        "cut": None if known.cut is None else known.cut.offsets,
    }
    if given is None or burnt is None:
        return told
    with localcontext(EXACT):
        reserved = known.reserved + known.held
        used = burnt.used + reserved
        total = None if given.limit is None else given.limit + burnt.granted
        remaining = None if burnt.room is None else max(_NOTHING, burnt.room - reserved)
        fits = remaining is None or (remaining >= quantity and remaining > 0)
    return told | {
        "allowed": fits or not given.hard,
        "limit": quantity_text(total),
        "granted": quantity_text(burnt.granted),
        "used": quantity_text(used),
        "held": quantity_text(known.held),
        "remaining": quantity_text(remaining),
        "exceeded": total is not None and used > total,
        "window": {
            "start": given.window.start.isoformat(),
            "end": given.window.end.isoformat(),
        },
    }
