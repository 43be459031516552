"""`/compat/openmeter`: events in, events listed, meters, and questions about them."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime

from api.compat.documents import described, failures, request_body
from api.compat.openmeter_meters import add_meters
from api.compat.services import Services, answer
from api.problems import PROBLEM_TYPE, REQUEST_ID_IN_SCOPE, ErrorResponse, Failure
from core.clock import epoch_micros
from core.errors import ValidationError
from core.period import Period
from identity.api_keys import EVENTS_WRITE, METERS_READ
from ingest.compat import openmeter
from ingest.compat.reading import EventsRefusedError
from ingest.reading import read_body
from usage.event_search import FoundEvent, Wanted, search_events
from usage.unmeterable import ALL_TIME

PREFIX: Final = "/compat/openmeter"
LISTED_MAX: Final = 100
"""Most events in a list, as the peer has it."""

LISTED_SINCE: Final = timedelta(days=31)
"""How far back a list reaches unless `from` says so."""

Instant = Annotated[AwareDatetime | None, Query()]
_BODIES: Final = {
    "application/cloudevents+json": "Event",
    "application/cloudevents-batch+json": "Batch",
    "application/json": "Either",
}


def create_openmeter_router(services: Services) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix=PREFIX, tags=["openmeter"])
    _add_events(router, services)
    add_meters(router, services)
    return router


def _add_events(router: APIRouter, services: Services) -> None:
    @router.post(
        "/api/v1/events",
        summary="Record events",
        status_code=204,
        response_class=Response,
        responses={
            204: {"description": "All events are in the log, acknowledged by Kafka."},
            **failures("openmeter", with_body=True),
        },
        openapi_extra=request_body("openmeter", _BODIES),
    )
    async def create_events(request: Request) -> Response:
        """Put one CloudEvent, or a batch of them, into the log: all of them or none."""
        principal = services.bearer(request, EVENTS_WRITE)
        body = await read_body(request)
        events = openmeter.events_of(request.headers.get("content-type", ""), body)
        single = body.lstrip()[:1] != b"["
        await services.record(principal, events, len(body), {}, single=single)
        return Response(status_code=204)

    @router.get("/api/v1/events", summary="List events", **described("openmeter", None, "Events"))
    def list_events(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=LISTED_MAX)] = LISTED_MAX,
        since: Annotated[AwareDatetime | None, Query(alias="from")] = None,
        to: Instant = None,
        ingested_since: Annotated[AwareDatetime | None, Query(alias="ingestedAtFrom")] = None,
        ingested_to: Annotated[AwareDatetime | None, Query(alias="ingestedAtTo")] = None,
        subject: str = "",
        event_id: Annotated[str, Query(alias="id")] = "",
        customer_id: Annotated[str, Query(alias="customerId")] = "",
    ) -> Response:
        """The newest counted events by their time; of the last 31 days unless `from` says more."""
        tenant_id = services.acting_of(request, METERS_READ).tenant_id
        if customer_id:
            raise ValidationError("customerId: not supported; ask by subject", field="customerId")
        start = since or services.clock.now() - LISTED_SINCE
        wanted = Wanted(
            ids=(event_id,) if event_id else (),
            subjects=(subject,) if subject else (),
            period=_period(start, to, "to"),
            received=_period(ingested_since, ingested_to, "ingestedAtTo"),
        )
        found = search_events(services.clickhouse_url, tenant_id, wanted, limit)
        return answer([_shown(event) for event in found])


def _period(start: datetime | None, end: datetime | None, field: str) -> Period:
    """A part of all time. Raises `ValidationError` where it has no length."""
    first = max(start or ALL_TIME.start, ALL_TIME.start)
    last = min(end or ALL_TIME.end, ALL_TIME.end)
    if first >= last:
        raise ValidationError(f"{field}: must lie after its from", field=field)
    return Period(first, last)


def _shown(event: FoundEvent) -> dict[str, Any]:
    return openmeter.ingested_event(
        event_id=event.id,
        source=event.source,
        event_type=event.type,
        subject=event.subject,
        time_micros=epoch_micros(event.time),
        data=event.data,
        received_micros=epoch_micros(event.received_at),
        stored_micros=epoch_micros(event.log_time),
    )


def openmeter_error(request: Request, failure: Failure) -> Response:
    """A failure in the peer's form: a problem document. A type it does not read is a 400."""
    status = failure.status
    if status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
        status = HTTPStatus.BAD_REQUEST
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": failure.message,
        "instance": f"urn:request:{request.scope.get(REQUEST_ID_IN_SCOPE, '')}",
    }
    if isinstance(failure.error, EventsRefusedError):
        faults = [
            {"code": each.code, "message": f"{each.field}: {each.message}", "index": each.index}
            for each in failure.error.faults
        ]
        body["detail"] = f"invalid event: {failure.message}"
        body["extensions"] = {"validationErrors": faults}
    return ErrorResponse(body, status, failure.headers, PROBLEM_TYPE)
