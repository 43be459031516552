"""Overrides, grants and use as people and programs write them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from catalog.plan_document import Text
from core.instants import Instant

_RULES = ConfigDict(extra="forbid", frozen=True)
PROPERTIES_MAX = 50
"""Beside the quantity of one call of usage/track."""

HOLD_SECONDS_MAX = 86_400
"""A hold lasts so long at most: what nobody comes back for is free again within a day."""

Priority = Annotated[int, Field(ge=0, le=1_000, strict=True)]


class NewOverrideBody(BaseModel):
    """What the customer is given of a feature from `start` (missing: now) to `end` instead.

    Written as in a plan; `given` false: nothing.
    """

    model_config = _RULES
    feature: Text
    given: StrictBool = True
    limit: str | StrictInt | None = None
    hard: StrictBool = False
    reset: Text | None = None
    value: Text | None = None
    start: Instant | None = None
    end: Instant | None = None
    metadata: dict[str, str] = {}


class NewGrantBody(BaseModel):
    """So much more of a metered feature, once, from `start` (missing: now) to `end`.

    Grants of a smaller `priority` are used first, then those that end first.
    """

    model_config = _RULES
    feature: Text
    quantity: str | StrictInt
    end: Instant
    start: Instant | None = None
    priority: Priority = 100
    metadata: dict[str, str] = {}


class EndBody(BaseModel):
    """From when on it does not hold any more; missing: now."""

    model_config = _RULES
    at: Instant | None = None


class TrackBody(BaseModel):
    """What a subject uses of a metered feature now.

    `customer` is checked where it is given: the one that pays for the subject. `properties` are
    what the event says beside the quantity, such as the meter's dimensions.
    """

    model_config = _RULES
    subject: Text
    feature: Text
    quantity: str | StrictInt = "1"
    customer: Text | None = None
    properties: Annotated[
        dict[Text, StrictBool | StrictInt | Text], Field(max_length=PROPERTIES_MAX)
    ] = {}
    metadata: dict[str, str] = {}


class NewHoldBody(BaseModel):
    """So much of a metered feature is held for a customer, ahead of its use, for some seconds."""

    model_config = _RULES
    customer: Text
    feature: Text
    quantity: str | StrictInt
    expires_in: Annotated[StrictInt, Field(ge=1, le=HOLD_SECONDS_MAX)] = 300
    metadata: dict[str, str] = {}
