"""`/compat/lago`: events, one and in batches, and a look at one of them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.compat.documents import described
from api.compat.services import JSON, Services, answer, require_type
from api.problems import ErrorResponse, Failure
from core.clock import epoch_micros
from core.errors import NotFoundError
from core.events import event_key
from identity.api_keys import EVENTS_WRITE, METERS_READ
from ingest.compat import lago
from ingest.compat.reading import EventsRefusedError
from ingest.reading import read_body
from usage.event_search import Wanted, search_events

PREFIX: Final = "/compat/lago"
_WITHOUT_CODE: Final = {400, 401}


def create_lago_router(services: Services) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix=PREFIX, tags=["lago"])

    @router.post(
        "/api/v1/events", summary="Record an event", **described("lago", "Event", "EventAnswer")
    )
    async def create_event(request: Request) -> Response:
        """Put one event into the log; its `transaction_id` makes it count once."""
        principal = services.bearer(request, EVENTS_WRITE)
        require_type(request, JSON)
        body = await read_body(request)
        event = lago.event_of(body)
        recorded = await services.record(principal, [event], len(body), lago.NAMES, single=True)
        [accepted] = recorded.events
        return answer(
            {"event": lago.accepted_event(principal.tenant_id, accepted, recorded.received_micros)}
        )

    @router.post(
        "/api/v1/events/batch",
        summary="Record a batch of events",
        **described("lago", "Batch", "BatchAnswer"),
    )
    async def create_events(request: Request) -> Response:
        """Put up to 100 events into the log, all of them or none."""
        principal = services.bearer(request, EVENTS_WRITE)
        require_type(request, JSON)
        body = await read_body(request)
        events = lago.events_of(body)
        recorded = await services.record(principal, events, len(body), lago.NAMES, single=False)
        return answer(
            {
                "events": [
                    lago.accepted_event(principal.tenant_id, event, recorded.received_micros)
                    for event in recorded.events
                ]
            }
        )

    @router.get(
        "/api/v1/events/{transaction_id}",
        summary="Find an event",
        **described("lago", None, "EventAnswer", also=(404,)),
    )
    def find_event(request: Request, transaction_id: str) -> Response:
        """One event that was counted, by its `transaction_id`."""
        tenant_id = services.acting_of(request, METERS_READ).tenant_id
        key = event_key(str(tenant_id), lago.SOURCE, transaction_id)
        counted = search_events(services.clickhouse_url, tenant_id, Wanted(keys=(key,)), 1)
        if not counted:
            raise NotFoundError(
                f"transaction_id: no event {transaction_id!r} was counted", resource="event"
            )
        (found,) = counted
        return answer(
            {
                "event": lago.event_resource(
                    tenant_id,
                    event_id=found.id,
                    code=found.type,
                    subject=found.subject,
                    time_micros=epoch_micros(found.time),
                    data=found.data,
                    received_micros=epoch_micros(found.received_at),
                )
            }
        )

    return router


def lago_error(_request: Request, failure: Failure) -> Response:
    """A failure in the peer's form: what events lack is 422, with codes by field."""
    status = failure.status
    body: dict[str, Any] = {"status": status, "error": HTTPStatus(status).phrase}
    headers = dict(failure.headers)
    if isinstance(failure.error, EventsRefusedError):
        body = {
            "status": 422,
            "error": "Unprocessable Entity",
            "code": "validation_errors",
            "error_details": lago.error_details(failure.error),
        }
    elif status == HTTPStatus.BAD_REQUEST:
        body["error"] = f"BadRequest: {failure.message}"
    elif status == HTTPStatus.NOT_FOUND:
        body["code"] = f"{failure.details.get('resource', 'resource')}_not_found"
    elif status not in _WITHOUT_CODE:
        body |= {"code": failure.code, "error_details": failure.message}
    if status == HTTPStatus.TOO_MANY_REQUESTS and "Retry-After" in headers:
        headers["x-ratelimit-reset"] = headers["Retry-After"]  # the peer's clients wait for it
    return ErrorResponse(body, body["status"], headers)
