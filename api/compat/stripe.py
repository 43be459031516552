"""`/compat/stripe`: meter events of v1 and v2, and v2's session and stream."""

from __future__ import annotations

from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.compat.documents import described
from api.compat.services import FORM, JSON, Services, answer, require_type
from api.key_gate import AUTHORIZATION, bearer_of
from api.problems import ErrorResponse, Failure
from core.clock import epoch_micros
from identity.api_keys import EVENTS_WRITE
from identity.session_tokens import SESSION_SECONDS, SessionExpiredError
from ingest.compat import stripe
from ingest.compat.reading import EventsRefusedError
from ingest.reading import read_body

PREFIX: Final = "/compat/stripe"
IDEMPOTENCY_KEY: Final = "idempotency-key"
_EXPIRED: Final = "billing_meter_event_session_expired"
_SERVER_ERRORS: Final = 500
_CODES: Final = {
    404: "resource_missing",
    415: "invalid_content_type",
    429: "rate_limit",
}
_FAULTS: Final = {"missing_attribute": "parameter_missing"}


def create_stripe_router(services: Services) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix=PREFIX, tags=["stripe"])
    _add_single(router, services)
    _add_stream(router, services)
    return router


def _add_single(router: APIRouter, services: Services) -> None:
    @router.post(
        "/v1/billing/meter_events",
        summary="Record a meter event (v1)",
        **described("stripe", "FormEvent", "EventV1", content_type=FORM),
    )
    async def create_event_v1(request: Request) -> Response:
        """Put one event into the log; its `identifier` makes it count once."""
        principal = services.bearer(request, EVENTS_WRITE)
        require_type(request, FORM)
        body = await read_body(request)
        event = stripe.event_of_form(body, _ids(services, request))
        recorded = await services.record(principal, [event], len(body), stripe.NAMES, single=True)
        [accepted] = recorded.events
        return answer(stripe.accepted_v1(accepted, recorded.received_micros))

    @router.post(
        "/v2/billing/meter_events",
        summary="Record a meter event (v2)",
        **described("stripe", "JsonEvent", "EventV2"),
    )
    async def create_event_v2(request: Request) -> Response:
        """Put one event into the log; its `identifier` makes it count once."""
        principal = services.bearer(request, EVENTS_WRITE)
        require_type(request, JSON)
        body = await read_body(request)
        event = stripe.event_of_json(body, _ids(services, request))
        recorded = await services.record(principal, [event], len(body), stripe.NAMES, single=True)
        [accepted] = recorded.events
        return answer(stripe.accepted_v2(accepted, recorded.received_micros))


def _add_stream(router: APIRouter, services: Services) -> None:
    def now_seconds() -> int:
        return epoch_micros(services.clock.now()) // 1_000_000

    @router.post(
        "/v2/billing/meter_event_session",
        summary="Open a session for the stream",
        **described("stripe", "NoParameters", "Session"),
    )
    async def create_session(request: Request) -> Response:
        """A token that sends events on behalf of the API key for 15 minutes."""
        principal = services.bearer(request, EVENTS_WRITE)
        await read_body(request)
        now = now_seconds()
        expires = now + SESSION_SECONDS
        token = services.gate.token_for(principal, expires)
        session_id = f"mes_{services.new_id().replace('-', '')}"
        return answer(stripe.session(session_id, token, now, expires))

    @router.post(
        "/v2/billing/meter_event_stream",
        summary="Record meter events of a session",
        **described("stripe", "Stream", "Nothing", security="stripeSession"),
    )
    async def create_events(request: Request) -> Response:
        """Put up to 100 events into the log, all of them or none."""
        token = bearer_of(request.headers.get(AUTHORIZATION, ""))
        principal = services.gate.principal_of_token(token, now_seconds(), EVENTS_WRITE)
        require_type(request, JSON)
        body = await read_body(request)
        events = stripe.events_of_stream(body, _ids(services, request))
        await services.record(principal, events, len(body), stripe.NAMES, single=False)
        return answer({})


def _ids(services: Services, request: Request) -> stripe.MakeId:
    """Ids for events without an identifier: the same ones when the client repeats the request."""
    key = request.headers.get(IDEMPOTENCY_KEY, "").strip()

    def make_id(index: int) -> str:
        return str(uuid5(NAMESPACE_OID, f"{key}:{index}")) if key else services.new_id()

    return make_id


def stripe_error(_request: Request, failure: Failure) -> Response:
    """A failure in the peer's form."""
    error: dict[str, Any] = {"type": "invalid_request_error", "message": failure.message}
    if failure.status >= _SERVER_ERRORS:
        error["type"] = "api_error"
    if failure.status in _CODES:
        error["code"] = _CODES[failure.status]
    if isinstance(failure.error, SessionExpiredError):
        error |= {"type": "temporary_session_expired", "code": _EXPIRED}
    elif isinstance(failure.error, EventsRefusedError):
        first = failure.error.faults[0]
        place = first.field if first.index is None else f"events[{first.index}].{first.field}"
        error |= {"code": _FAULTS.get(first.code, "parameter_invalid"), "param": place}
    return ErrorResponse({"error": error}, failure.status, failure.headers)
