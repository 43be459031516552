"""What makes an invoice checkable: ids that are found again, digests of what it was made from."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import polars as pl

from core.clock import epoch_micros
from core.ids import uuid7_of
from core.period import Period

_RANDOM_BITS: Final = 74


def canonical_json(value: Any) -> bytes:
    """The one UTF-8 form of a JSON value: keys sorted, no spaces. It must hold no float."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def derived_uuid(at: datetime, *names: str) -> UUID:
    """A UUIDv7 of `at` whose random part is a hash of `names`: the same names, the same id.

    A preview, a run and its repeat after a kill so speak of the same invoice by the same id.
    """
    digest = hashlib.sha256(canonical_json(names)).digest()
    random_bits = int.from_bytes(digest, "big") & ((1 << _RANDOM_BITS) - 1)
    return uuid7_of(epoch_micros(at) // 1000, random_bits)


def usage_digest(meter_id: str, period: Period, rows: pl.DataFrame) -> str:
    """SHA-256 of what one line was rated from: per subject the quantity and the event counts.

    `rows` has subject, quantity, event_count, unmeterable_count; their order does not matter.
    """
    subjects = [
        [subject, f"{quantity:f}", events, unmeterable]
        for subject, quantity, events, unmeterable in rows.select(
            "subject", "quantity", "event_count", "unmeterable_count"
        )
        .sort("subject")
        .rows()
    ]
    content = {
        "meter_id": meter_id,
        "start": period.start.isoformat(),
        "end": period.end.isoformat(),
        "subjects": subjects,
    }
    return hashlib.sha256(canonical_json(content)).hexdigest()
