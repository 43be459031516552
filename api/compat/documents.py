"""What the OpenAPI document says about the compatible routes: bodies, answers and failures."""

from __future__ import annotations

from typing import Any, Final

from fastapi.responses import Response

from api.compat.schemas import ERRORS, FAILURES, SCHEMAS
from ingest.settings import BODY_BYTES_MAX

_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"
_RARE: Final = (404, 409)
_DOWN: Final = 503


def described(
    provider: str,
    body: str | None,
    result: str | None,
    *,
    status: int = 200,
    security: str = "apiKey",
    content_type: str = _JSON,
    also: tuple[int, ...] = (),
) -> dict[str, Any]:
    """Arguments of a route: its body and result by the names of schemas, and how it fails."""
    schemas = SCHEMAS[provider]
    types = {content_type: {"schema": schemas[body]}} if body is not None else {}
    return {
        "status_code": status,
        "response_class": Response,
        "responses": {
            status: _result(schemas[result]) if result is not None else _EMPTY,
            **failures(provider, with_body=body is not None, also=also),
        },
        "openapi_extra": {
            "security": [{security: []}],
            **(_request_body(types) if types else {}),
        },
    }


def failures(
    provider: str, *, with_body: bool, also: tuple[int, ...] = ()
) -> dict[int | str, dict[str, Any]]:
    """How a route of a provider may fail; `also` names statuses that few routes have."""
    media_type = _PROBLEM if provider == "openmeter" else _JSON
    content = {media_type: {"schema": ERRORS[provider]}}
    found: dict[int | str, dict[str, Any]] = {}
    for status, (description, only_with_body) in FAILURES[provider].items():
        if (only_with_body and not with_body) or (status in _RARE and status not in also):
            continue
        found[status] = {"description": description, "content": content}
        if status == _DOWN:
            found[status]["headers"] = {
                "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}
            }
    return found


def request_body(provider: str, names: dict[str, str]) -> dict[str, Any]:
    """`openapi_extra` of a route that takes several types of body: names of schemas by type."""
    types = {kind: {"schema": SCHEMAS[provider][name]} for kind, name in names.items()}
    return {"security": [{"apiKey": []}], **_request_body(types)}


_EMPTY: Final[dict[str, Any]] = {"description": "Done; the answer is empty."}


def _request_body(types: dict[str, Any]) -> dict[str, Any]:
    description = f"At most {BODY_BYTES_MAX} bytes."
    return {"requestBody": {"required": True, "description": description, "content": types}}


def _result(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "Done.", "content": {_JSON: {"schema": schema}}}
