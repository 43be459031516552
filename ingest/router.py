"""`POST /v1/events`. The assembly passes in who may send and where the events go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from fastapi import APIRouter, Request, Response

from core.faults import reach
from ingest.formats.registry import format_for
from ingest.intake import Answer, Intake
from ingest.limits.limiter import Sender
from ingest.openapi import REQUEST_BODY, RESPONSES
from ingest.reading import read_body

EVENTS_PATH: Final = "/v1/events"
_encode: Final = msgspec.json.Encoder().encode


def create_router(
    intake_of: Callable[[], Intake], sender_of: Callable[[str, int], Sender]
) -> APIRouter:
    """The routes of ingest.

    `intake_of` gives the running intake. `sender_of` says whose events a request carries, from its
    `Authorization` and the bytes its head announces (0: unknown), and raises `AuthenticationError`,
    `AuthorizationError` or `RateLimitError`.
    """
    router = APIRouter()

    @router.post(
        EVENTS_PATH,
        status_code=202,
        summary="Record usage events",
        tags=["events"],
        response_class=Response,
        responses=RESPONSES,
        openapi_extra={"requestBody": REQUEST_BODY, "security": [{"apiKey": []}]},
    )
    async def record_events(request: Request) -> Response:
        """Put one CloudEvent, or a batch of them, into the log.

        `202` says that Kafka has acknowledged every event counted in `accepted`. Each other event
        of the batch is named in `rejected` with its index and the reason; when none is good the
        answer is `400` with the same list. After `503`, or no answer at all, send the whole request
        again with the same ids: an event counts once however often it arrives. So too after `429`.
        """
        headers = request.headers
        declared = int(headers.get("content-length", "0"))
        sender = sender_of(headers.get("authorization", ""), declared)
        body = await read_body(request)
        answer = await intake_of().take(sender, format_for(headers), body)
        return Response(
            encode_answer(answer),
            status_code=202,
            headers=sender.headers(),
            media_type="application/json",
        )

    return router


def encode_answer(answer: Answer) -> bytes:
    """The text of an answer that is about to be given."""
    reach("ingest_before_answer")
    return _encode(answer)
