"""The events of corrections, as they stand in the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from db.event_types import At, EventType, Payload, types_of


class CorrectionFacts(Payload):
    """Events that are replaced in bulk."""

    name: str
    state: Literal["applying", "applied", "reverting", "reverted"]
    file_sha256: str
    file_events: int
    voided_events: int | None
    created_at: At
    applied_at: At | None
    reverted_at: At | None


EVENTS: Final[Mapping[str, EventType]] = types_of(
    CorrectionFacts,
    "correction",
    {
        "applying": "a correction begins",
        "applied": "all of it is in the log",
        "reverting": "it begins to be taken back",
        "reverted": "all of it is taken back",
    },
)
"""By subject."""
