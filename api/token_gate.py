"""Who asks: by API key, or by a token that somebody else signed for a person."""

from __future__ import annotations

from threading import Lock
from typing import Final

from fastapi import Request

from api.acting import acting_for, request_id
from api.key_gate import AUTHORIZATION, KeyGate, bearer_of
from core.acting import Acting
from core.clock import monotonic_seconds
from core.errors import AuthenticationError, NotFoundError
from core.ids import TenantId
from db.postgres import Database
from identity.tenants import find_tenant
from identity.tokens import TokenVerifier, looks_like_token

_KNOWN_SECONDS: Final = 60.0
"""How long a tenant's name is believed to stand for the same tenant."""

_KNOWN_MAX: Final = 10_000


class TokenGate:
    """Both ways in. `snapshot` reads the tenants of all; without `verifier` tokens are refused."""

    def __init__(
        self, keys: KeyGate, snapshot: Database, verifier: TokenVerifier | None = None
    ) -> None:
        self._keys = keys
        self._snapshot = snapshot
        self._verifier = verifier
        self._lock = Lock()
        self._known: dict[str, tuple[TenantId, float]] = {}

    def acting_of(self, request: Request, scope: str) -> Acting:
        """For whom a request works, if it may do what `scope` says.

        Raises `AuthenticationError`, `AuthorizationError`, and `DependencyDownError` while it
        cannot be known.
        """
        authorization = request.headers.get(AUTHORIZATION, "")
        token = bearer_of(authorization)
        if self._verifier is None or not looks_like_token(token):
            return acting_for(self._keys.principal_of(authorization, scope), request)
        principal = self._verifier.principal_of(token, scope)
        return Acting(
            self._tenant_of(principal.tenant),
            actor=f"user:{principal.subject}",
            correlation_id=request_id(request),
            user_id=principal.user_id,
        )

    def _tenant_of(self, name: str) -> TenantId:
        now = monotonic_seconds()
        known = self._known.get(name)
        if known is not None and now < known[1]:
            return known[0]
        try:
            with self._snapshot.transaction() as conn:
                tenant_id = find_tenant(conn, name).id
        except NotFoundError as error:
            raise AuthenticationError(
                f"{AUTHORIZATION}: this token names a tenant that there is not"
            ) from error
        with self._lock:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            self._known[name] = (tenant_id, now + _KNOWN_SECONDS)
        return tenant_id
