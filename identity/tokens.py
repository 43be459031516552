"""Tokens (JWT) that somebody else signs for people of a tenant: verified, never made.

A token says `iss`, `aud`, `exp` and `sub`, the tenant in `tenant` (its slug or `ten_…`), and in
`scope` what it may do. With the scope `self` it is a customer's own: it sees what belongs to the
user `sub`, and nothing else. RFC 8725: the algorithm is that of the key, never the token's choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import jwt
from jwt.exceptions import PyJWTError
from jwt.types import Options

from core.clock import Clock
from core.errors import AuthenticationError, AuthorizationError, ValidationError
from identity.token_keys import TokenKeys

SELF: Final = "self"
"""The scope of a token that is a customer's own."""

LEEWAY_SECONDS: Final = 30
"""By how much two clocks may differ."""

TOKEN_CHARACTERS_MAX: Final = 8_192
_CLAIM_CHARACTERS_MAX: Final = 256
_SCOPE_CHARACTERS_MAX: Final = 2_048
"""All scopes that there are, and as many of other services."""

_TIME_BELOW: Final = 10**11  # seconds: the year 5138
_HEAD: Final = "authorization: this token"
_OPTIONS: Final[Options] = {  # times are checked by a clock that is an argument
    "require": ["iss", "aud", "exp", "sub"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """Whose tokens are believed, for whom they must be meant, and where the signer's keys are."""

    issuer: str
    audience: str
    keys_url: str

    def __post_init__(self) -> None:
        """Raise `ValidationError` for an address that anybody in between could change."""
        if not self.issuer or not self.audience:
            raise ValidationError("token issuer: say issuer and audience", field="issuer")
        parts = urlsplit(self.keys_url)
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        if not safe or not parts.hostname or parts.username or parts.password:
            raise ValidationError(
                "token issuer: give the key set's address as https://…", field="keys_url"
            )


@dataclass(frozen=True, slots=True)
class TokenPrincipal:
    """Who a token stands for. `tenant` is a slug or an id; `user_id` only where it is a user's."""

    tenant: str
    subject: str
    scopes: frozenset[str]
    user_id: UUID | None


class TokenVerifier:
    """Says who a token stands for, or why nobody."""

    def __init__(self, issuer: TokenIssuer, keys: TokenKeys, clock: Clock) -> None:
        self._issuer = issuer
        self._keys = keys
        self._clock = clock

    def principal_of(self, token: str, scope: str) -> TokenPrincipal:
        """Whose token this is, if it has `scope`.

        Raises `AuthenticationError`, `AuthorizationError` where the scope is missing, and
        `DependencyDownError` while the signer's keys never came.
        """
        claims = self._claims(token)
        self._check_times(claims)
        tenant, subject = _text(claims, "tenant"), _text(claims, "sub")
        scopes = frozenset(_text(claims, "scope", _SCOPE_CHARACTERS_MAX, empty=True).split())
        if scope not in scopes:
            raise AuthorizationError(f"{_HEAD} lacks the scope {scope}")
        return TokenPrincipal(
            tenant, subject, scopes, _user_id(subject) if SELF in scopes else None
        )

    def _claims(self, token: str) -> dict[str, Any]:
        """The claims of a token that was signed by a key of the issuer, for this audience."""
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise AuthenticationError(f"{_HEAD} has over {TOKEN_CHARACTERS_MAX} characters")
        try:
            header = jwt.get_unverified_header(token)
        except PyJWTError as error:
            raise AuthenticationError(f"{_HEAD} is none that can be read") from error
        key_id = header.get("kid")
        key = self._keys.find(key_id) if isinstance(key_id, str) else None
        if key is None:
            raise AuthenticationError(f"{_HEAD} was signed with a key that is not known")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._issuer.issuer,
                audience=self._issuer.audience,
                options=_OPTIONS,
            )
        except PyJWTError as error:
            raise AuthenticationError(f"{_HEAD} is refused: {error}") from error
        return claims

    def _check_times(self, claims: dict[str, Any]) -> None:
        now = self._clock.now().timestamp()
        for name in ("exp", "nbf", "iat"):
            at = claims.get(name, 0)
            if isinstance(at, bool) or not isinstance(at, int | float) or not abs(at) < _TIME_BELOW:
                raise AuthenticationError(f"{_HEAD} has no time in {name}")
        if now >= claims["exp"] + LEEWAY_SECONDS:
            raise AuthenticationError(f"{_HEAD} has expired")
        if now < max(claims.get("nbf", 0), claims.get("iat", 0)) - LEEWAY_SECONDS:
            raise AuthenticationError(f"{_HEAD} is not valid yet")


def looks_like_token(text: str) -> bool:
    """Whether a text after `Bearer` is meant to be a token: API keys have no dots."""
    return text.count(".") == 2  # noqa: PLR2004 - header, claims, signature


def _text(
    claims: dict[str, Any], name: str, most: int = _CLAIM_CHARACTERS_MAX, *, empty: bool = False
) -> str:
    found = claims.get(name, "")
    if not isinstance(found, str) or not found.isprintable():
        raise AuthenticationError(f"{_HEAD} has no text in {name}")
    if len(found) > most:
        raise AuthenticationError(f"{_HEAD} has over {most} characters in {name}")
    if not found and not empty:
        raise AuthenticationError(f"{_HEAD} says no {name}")
    return found


def _user_id(subject: str) -> UUID:
    try:
        return UUID(subject)
    except ValueError:
        raise AuthenticationError(f"{_HEAD} is a user's own, and its sub is no UUID") from None
