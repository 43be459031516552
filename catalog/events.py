"""The events of what is measured and sold, as they stand in the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import Field

from db.event_types import At, EventType, Labels, Payload, types_of


class MeterFacts(Payload):
    """A meter: its definition, and its labels."""

    id: str
    slug: str
    name: str
    unit: str
    event_types: list[str]
    aggregation: str
    value: str = Field(default="", description="Missing where the aggregation needs none.")
    filter: dict[str, Any] = Field(default={}, description="Missing: every event counts.")
    dimensions: dict[str, str] = Field(default={}, description="Missing: none.")
    conversion: dict[str, Any] = Field(default={}, description="Missing: none.")
    per: str = Field(default="", description="Missing unless the aggregation weighs by time.")
    percentile: str = Field(default="", description="Missing unless the aggregation is one.")
    catalog_version: int
    archived_at: At | None
    created_at: At
    metadata: Labels


class FeatureFacts(Payload):
    """A feature; `meter` is the slug of what a metered one counts."""

    id: str
    slug: str
    name: str
    kind: Literal["metered", "boolean", "static"]
    meter: str | None
    archived_at: At | None
    metadata: Labels


class PlanFacts(Payload):
    """A plan: its labels, the number of the version that is sold, and the draft of the next."""

    id: str
    slug: str
    kind: Literal["plan", "addon"]
    name: str
    description: str
    public: bool
    prices: dict[str, Any]
    limits: dict[str, Any]
    metadata: Labels
    archived_at: At | None
    active_version: int | None
    draft: dict[str, Any] | None
    draft_revision: int


class VersionFacts(Payload):
    """A version of a plan."""

    id: str
    plan: str
    number: int
    currency: str


class ArchivedVersionFacts(Payload):
    """A version of a plan that is not sold any more."""

    id: str
    plan: str
    number: int


EVENTS: Final[Mapping[str, EventType]] = {
    **types_of(
        MeterFacts,
        "meter",
        {
            "created": "a meter is made",
            "updated": "its labels change",
            "archived": "later events do not count any more",
        },
    ),
    **types_of(
        FeatureFacts,
        "feature",
        {
            "created": "a feature is made",
            "updated": "its labels change",
            "archived": "no new plan version gives it",
        },
    ),
    **types_of(
        PlanFacts,
        "plan",
        {
            "created": "a plan is made",
            "updated": "its labels change",
            "draft.written": "what it is going to sell is written",
            "activated": "its draft becomes the version that is sold",
            "archived": "it is not sold any more",
        },
    ),
    **types_of(VersionFacts, "plan_version", {"created": "a version can be bought"}),
    **types_of(
        ArchivedVersionFacts,
        "plan_version",
        {"archived": "a version cannot be bought any more; who bought it keeps it"},
    ),
}
"""By subject."""
