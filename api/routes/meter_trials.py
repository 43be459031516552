"""`/v1/meters/dry-run`: what a meter would have counted, before it is created."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import pydantic
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from api.acting import ActingOf
from catalog.meter_register import draft_meter
from core.clock import Clock
from core.errors import ValidationError
from core.period import Period
from identity.api_keys import METERS_READ
from usage.dry_run import LIMIT_EVENTS, dry_run

EventTime = Annotated[
    pydantic.AwareDatetime,
    pydantic.Field(ge=datetime(1970, 1, 1, tzinfo=UTC), le=datetime(2100, 1, 1, tzinfo=UTC)),
]
"""An instant that an event may have, or the end of them all."""


class Trial(BaseModel):
    """A meter that need not exist, and the events to try it on."""

    model_config = ConfigDict(extra="forbid")
    meter: dict[str, Any]
    start: EventTime
    end: EventTime
    limit_events: Annotated[int, pydantic.Field(ge=1, le=LIMIT_EVENTS)] = LIMIT_EVENTS


def create_trials_router(clickhouse_url: str, clock: Clock, acting_of: ActingOf) -> APIRouter:
    """The route. `acting_of` says for whom a request works, if it may do what the scope says."""
    router = APIRouter(prefix="/v1/meters", tags=["meters"])

    @router.post("/dry-run", summary="Try a meter out")
    def try_meter(request: Request, trial: Trial) -> dict[str, Any]:
        """What a meter would have counted of the newest events of a period; nothing is stored.

        `since` is the time of the oldest event that was read: older ones are not in the answer.
        """
        tenant_id = acting_of(request, METERS_READ).tenant_id
        if trial.start >= trial.end:
            raise ValidationError("end: must lie after start", field="end")
        meter = draft_meter(clock, tenant_id, trial.meter)
        period = Period(trial.start, trial.end)
        return dry_run(clickhouse_url, meter, period, trial.limit_events).as_resource()

    return router
