"""For whom a request works: whose key it carries, under the id that its log lines have."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request

from api.problems import REQUEST_ID_IN_SCOPE
from catalog.snapshot import ApiKeyPrincipal
from core.acting import Acting
from core.ids import format_id

ActingOf = Callable[[Request, str], Acting]
"""For whom a request works, if it may do what the scope says; raises as `KeyGate`."""


def request_id(request: Request) -> str:
    """The id that the lines of a request's log have."""
    return str(request.scope.get(REQUEST_ID_IN_SCOPE, ""))


def acting_for(principal: ApiKeyPrincipal, request: Request) -> Acting:
    """The unit of work of a request that carries this principal's key."""
    return Acting(
        principal.tenant_id,
        actor=format_id("key", principal.key_id),
        correlation_id=request_id(request),
    )
