"""`POST /v1/events`. The assembly passes in who may send and where the events go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from core.errors import TooLargeError, ValidationError
from core.ids import TenantId
from ingest.errors import UnsupportedMediaTypeError
from ingest.intake import Intake
from ingest.openapi import REQUEST_BODY, RESPONSES
from ingest.settings import BODY_BYTES_MAX

_encode_answer: Final = msgspec.json.Encoder().encode


def create_router(
    intake_of: Callable[[], Intake], tenant_of: Callable[[Request], TenantId]
) -> APIRouter:
    """The routes of ingest.

    `intake_of` gives the running intake. `tenant_of` says whose events a request carries, from its
    credentials only, and raises `AuthenticationError` or `AuthorizationError`.
    """
    router = APIRouter()

    @router.post(
        "/v1/events",
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
        again with the same ids: an event counts once however often it arrives.
        """
        tenant_id = tenant_of(request)
        body = await _read_body(request)
        answer = await intake_of().take(tenant_id, request.headers.get("content-type", ""), body)
        return Response(_encode_answer(answer), status_code=202, media_type="application/json")

    return router


async def _read_body(request: Request) -> bytes:
    """The whole body. Raises `TooLargeError` as soon as the limit is passed."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise UnsupportedMediaTypeError(
            f"content-encoding: {encoding[:100]!r} is not supported: send the body as it is",
            supported=["identity"],
        )
    if int(request.headers.get("content-length", "0")) > BODY_BYTES_MAX:
        raise _too_large()
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                raise _too_large()
    except ClientDisconnect as error:
        raise ValidationError("body: the connection ended before the body did") from error
    return bytes(body)


def _too_large() -> TooLargeError:
    return TooLargeError(
        f"body: over the limit of {BODY_BYTES_MAX} bytes: send it in smaller batches",
        body_bytes_max=BODY_BYTES_MAX,
    )
