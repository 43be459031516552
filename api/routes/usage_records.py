"""`/v1/usage/track`: somebody uses something now: checked, reserved, counted, in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Request
from fastapi.concurrency import run_in_threadpool

from api.acting import ActingOf
from api.idempotency import once_of
from api.usage_sending import UsageSending
from core.acting import Acting
from core.clock import Clock
from entitlements.bodies import TrackBody
from entitlements.tracking import Tracking
from identity.api_keys import EVENTS_WRITE

_EXAMPLE: Final = {
    "subject": "contoso-chat",
    "feature": "requests",
    "quantity": "1",
    "properties": {"model": "large"},
}


def create_usage_records_router(
    tracking: Tracking, sending: Callable[[], UsageSending], clock: Clock, acting_of: ActingOf
) -> APIRouter:
    """The route. `acting_of` says for whom a request works, if it may do what the scope says."""
    router = APIRouter(prefix="/v1/usage", tags=["entitlements"])

    @router.post("/track", status_code=201, summary="Use some of a feature")
    async def track(
        request: Request, body: Annotated[TrackBody, Body(examples=[_EXAMPLE])]
    ) -> dict[str, Any]:
        """Check the limit, reserve, write down, send the event, and say what is left.

        Beyond a hard limit nothing is done and the answer is 422 `usage_limit_exceeded`; beyond a
        soft one it says `exceeded`. Answered once Kafka has the event. Send an `Idempotency-Key`:
        after a 503 the same request is never counted twice.
        """

        def reserve() -> tuple[Acting, dict[str, Any]]:
            acting = acting_of(request, EVENTS_WRITE)

            return acting, tracking.record(acting, body, once_of(request, clock, acting, body))

        acting, answer = await run_in_threadpool(reserve)
        await sending().send(acting, answer["id"])
        return answer

    return router
