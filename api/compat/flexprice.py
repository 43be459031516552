"""`/compat/flexprice`: events, one and in bulk."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.compat.documents import described
from api.compat.services import JSON, Services, answer, require_type
from api.problems import ErrorResponse, Failure
from catalog.snapshot import ApiKeyPrincipal
from core.errors import AuthenticationError
from identity.api_keys import EVENTS_WRITE
from ingest.compat import flexprice
from ingest.reading import read_body

PREFIX: Final = "/compat/flexprice"
KEY_HEADER: Final = "x-api-key"
_CODES: Final = {
    400: "validation_error",
    401: "permission_denied",
    403: "permission_denied",
    404: "not_found",
    409: "already_exists",
    422: "invalid_operation",
    429: "too_many_requests",
    500: "internal_error",
    503: "service_unavailable",
}
"""The peer's code of a status; any other one is `http_client_error`."""


def create_flexprice_router(services: Services) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix=PREFIX, tags=["flexprice"])

    def principal_of(request: Request) -> ApiKeyPrincipal:
        key = request.headers.get(KEY_HEADER, "").strip()
        if not key:
            raise AuthenticationError(f"{KEY_HEADER}: expected tb_live_…, an API key")
        return services.gate.principal_of_key(key, EVENTS_WRITE, KEY_HEADER)

    @router.post(
        "/v1/events",
        summary="Record an event",
        **described("flexprice", "Event", "EventAnswer", status=202, security="flexpriceKey"),
    )
    async def create_event(request: Request) -> Response:
        """Put one event into the log; its `event_id` makes it count once."""
        principal = principal_of(request)
        require_type(request, JSON)
        body = await read_body(request)
        event = flexprice.event_of(body, services.new_id)
        recorded = await services.record(
            principal, [event], len(body), flexprice.NAMES, single=True
        )
        [accepted] = recorded.events
        return answer(
            {"message": "Event accepted for processing", "event_id": accepted.id}, status=202
        )

    @router.post(
        "/v1/events/bulk",
        summary="Record events in bulk",
        **described("flexprice", "Bulk", "BulkAnswer", status=202, security="flexpriceKey"),
    )
    async def create_events(request: Request) -> Response:
        """Put up to 1,000 events into the log, all of them or none."""
        principal = principal_of(request)
        require_type(request, JSON)
        body = await read_body(request)
        events = flexprice.events_of(body, services.new_id)
        await services.record(principal, events, len(body), flexprice.NAMES, single=False)
        return answer({"message": "Events accepted for processing"}, status=202)

    return router


def flexprice_error(_request: Request, failure: Failure) -> Response:
    """A failure in the peer's form."""
    body = {
        "code": _CODES.get(failure.status, "http_client_error"),
        "http_status_code": failure.status,
        "message": failure.message,
    }
    return ErrorResponse(body, failure.status, failure.headers)
