"""What the compatible routes work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
import pydantic
from fastapi import Request
from fastapi.responses import Response

from api.acting import acting_for
from api.key_gate import AUTHORIZATION, KeyGate
from api.usage_connection import UsageConnection
from catalog.snapshot import ApiKeyPrincipal
from core.acting import Acting
from core.clock import Clock
from core.cloudevents.wire import Rejection, WireEvent
from core.errors import ValidationError
from core.ids import new_uuid
from db.postgres import Database
from ingest.compat.reading import refuse
from ingest.errors import UnsupportedMediaTypeError
from ingest.intake import Intake
from ingest.limits.limiter import Sender
from ingest.reading import read_body

_encode: Final = msgspec.json.Encoder().encode
JSON: Final = "application/json"
Model = TypeVar("Model", bound=pydantic.BaseModel)
FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Services:
    """Who sends, where events go, and where answers come from."""

    gate: KeyGate
    limited: Callable[[ApiKeyPrincipal, int], Sender]
    intake_of: Callable[[], Intake]
    clock: Clock
    db: Database
    clickhouse_url: str
    usage: UsageConnection

    def bearer(self, request: Request, scope: str) -> ApiKeyPrincipal:
        """Whose key stands in `Authorization: Bearer`."""
        return self.gate.principal_of(request.headers.get(AUTHORIZATION, ""), scope)

    def acting_of(self, request: Request, scope: str) -> Acting:
        """For whom a request works, if its key has the scope."""
        return acting_for(self.bearer(request, scope), request)

    def new_id(self) -> str:
        """An id for an event whose sender left it to the server."""
        return str(new_uuid(self.clock))

    async def record(
        self,
        principal: ApiKeyPrincipal,
        events: Sequence[WireEvent | Rejection],
        size_bytes: int,
        names: Mapping[str, str],
        *,
        single: bool,
    ) -> Recorded:
        """Put the events of a request into the log, all of them.

        Raises `EventsRefusedError` naming each bad one by the peer's `names`, `RateLimitError` and
        `DependencyDownError`.
        """
        sender = self.limited(principal, size_bytes)
        admission = await self.intake_of().take_events(sender, events, size_bytes)
        if admission.rejections:
            raise refuse(admission.rejections, names, single=single)
        accepted = [event for event in events if isinstance(event, WireEvent)]
        return Recorded(accepted, admission.received_micros)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The events of a request, now in the log, and when they came."""

    events: list[WireEvent]
    received_micros: int


async def read_model(request: Request, model: type[Model]) -> Model:
    """The JSON body of a request, as the model says. Raises `ValidationError`, `TooLargeError`."""
    body = await read_body(request)
    try:
        return model.model_validate_json(body)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "body"
        raise ValidationError(f"{field}: {first['msg']}", field=field) from error


def answer(content: Any, status: int = 200) -> Response:
    """A JSON answer; raw texts in it stay as they were sent."""
    return Response(_encode(content), status, media_type=JSON)


def require_type(request: Request, media_type: str) -> None:
    """Raise `UnsupportedMediaTypeError` unless the body is said to be of a type."""
    sent = request.headers.get("content-type", "")
    if sent.partition(";")[0].strip().lower() != media_type:
        raise UnsupportedMediaTypeError(
            f"content-type: {sent[:100]!r} is not supported: send {media_type}",
            supported=[media_type],
        )
