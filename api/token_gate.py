"""Who asks: by API key, or by a token that somebody else signed for a person."""

from __future__ import annotations

from fastapi import Request

from api.acting import acting_for, request_id
from api.key_gate import AUTHORIZATION, KeyGate, bearer_of
from api.public_tenants import PublicTenants
from core.acting import Acting
from core.errors import AuthenticationError, AuthorizationError, NotFoundError
from core.ids import TenantId
from identity.tokens import TokenVerifier, looks_like_token


class TokenGate:
    """Both ways in; without `verifier` tokens are refused."""

    def __init__(
        self, keys: KeyGate, tenants: PublicTenants, verifier: TokenVerifier | None = None
    ) -> None:
        self._keys = keys
        self._tenants = tenants
        self._verifier = verifier

    def acting_of(self, request: Request, scope: str, *, own: bool = False) -> Acting:
        """For whom a request works, if it may do what `scope` says.

        A user's own token is taken where `own` says so, and sees no more than what is theirs.

        Raises `AuthenticationError`, `AuthorizationError`, and `DependencyDownError` while it
        cannot be known.
        """
        authorization = request.headers.get(AUTHORIZATION, "")
        token = bearer_of(authorization)
        if self._verifier is None or not looks_like_token(token):
            return acting_for(self._keys.principal_of(authorization, scope), request)
        principal = self._verifier.principal_of(token, scope)
        if principal.user_id is not None and not own:
            raise AuthorizationError(
                f"{AUTHORIZATION}: this token is a user's own; this is for the tenant's staff"
            )
        return Acting(
            self._tenant_of(principal.tenant),
            actor=f"user:{principal.subject}",
            correlation_id=request_id(request),
            user_id=principal.user_id,
        )

    def _tenant_of(self, name: str) -> TenantId:
        try:
            return self._tenants.find(name)
        except NotFoundError as error:
            raise AuthenticationError(
                f"{AUTHORIZATION}: this token names a tenant that there is not"
            ) from error
