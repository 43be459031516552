"""`/v1/usage/holds`: a quantity held ahead of use, then committed, released, or over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.acting import ActingOf
from api.idempotency import once_of
from api.revisions import etag_of
from api.usage_sending import UsageSending
from core.acting import Acting
from core.clock import Clock
from entitlements.bodies import NewHoldBody, TrackBody
from entitlements.holding import Holding
from identity.api_keys import ENTITLEMENTS_READ, EVENTS_WRITE

_HOLD: Final = {
    "customer": "contoso",
    "feature": "tokens",
    "quantity": "4000",
    "expires_in": 120,
}
_USE: Final = {
    "subject": "contoso-chat",
    "feature": "tokens",
    "quantity": "1234",
    "properties": {"model": "large"},
}

HoldId = Annotated[str, Path(description="The hold's id (`hld_…`).")]


def create_usage_holds_router(
    holding: Holding, sending: Callable[[], UsageSending], clock: Clock, acting_of: ActingOf
) -> APIRouter:
    """The routes. `acting_of` says for whom a request works, if it may do what the scope says."""
    router = APIRouter(prefix="/v1/usage/holds", tags=["entitlements"])
    _add_holds(router, holding, clock, acting_of)
    _add_commit(router, holding, sending, clock, acting_of)
    return router


def _add_holds(router: APIRouter, holding: Holding, clock: Clock, acting_of: ActingOf) -> None:
    @router.post("", status_code=201, summary="Hold some of a feature ahead of use")
    def hold(
        request: Request, body: Annotated[NewHoldBody, Body(examples=[_HOLD])]
    ) -> dict[str, Any]:
        """Hold a quantity for `expires_in` seconds: it counts as used until it is closed or over.

        Beyond a hard limit nothing is held and the answer is 422 `usage_limit_exceeded`; beyond a
        soft one it says `exceeded`. Send an `Idempotency-Key` to be able to repeat the request.
        """
        acting = acting_of(request, EVENTS_WRITE)
        return holding.hold(acting, body, once_of(request, clock, acting, body))

    @router.get("/{hold}", summary="Show a hold")
    def show(request: Request, response: Response, hold: HoldId) -> dict[str, Any]:
        """How it stands: `open`, `committed`, `released` or `expired`.

        Its `ETag` changes once: when it is open no longer.
        """
        shown = holding.find(acting_of(request, ENTITLEMENTS_READ), hold)
        response.headers["ETag"] = etag_of(1 if shown["status"] == "open" else 2)
        return shown

    @router.post("/{hold}/release", summary="Give back what is held")
    def release(request: Request, hold: HoldId) -> dict[str, Any]:
        """Give it back, all of it. One that is open no longer: 409 `hold_closed`."""
        acting = acting_of(request, EVENTS_WRITE)
        return holding.release(acting, hold, once_of(request, clock, acting))


def _add_commit(
    router: APIRouter,
    holding: Holding,
    sending: Callable[[], UsageSending],
    clock: Clock,
    acting_of: ActingOf,
) -> None:
    @router.post("/{hold}/commit", status_code=201, summary="Use what is held")
    async def commit(
        request: Request, hold: HoldId, body: Annotated[TrackBody, Body(examples=[_USE])]
    ) -> dict[str, Any]:
        """Write down what was truly used, send its event, and give back the rest of the hold.

        Up to what is held it is never refused. More has to fit into what the limit leaves beside:
        else 422 `usage_limit_exceeded`, and the hold stays open; `remaining` says how much can be
        committed. One that is open no longer: 409 `hold_closed`. Answered once Kafka has the event;
        after a 503 the same request with its `Idempotency-Key` is never counted twice.
        """

        def reserve() -> tuple[Acting, dict[str, Any]]:
            acting = acting_of(request, EVENTS_WRITE)
            once = once_of(request, clock, acting, body)
            return acting, holding.commit(acting, hold, body, once)

        acting, answer = await run_in_threadpool(reserve)
        await sending().send(acting, answer["id"])
        return answer
