"""Session tokens: a short time in which one may send events on behalf of an API key.

`tbs_<key id>_<expiry>_<signature>`: nothing is stored. The signature's key is the hash of the API
key, which every process knows from the catalog snapshot: so each of them accepts a token of any
other, restarts are no matter, and a revoked key takes its sessions with it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final
from uuid import UUID

from core.errors import AuthenticationError

SESSION_SECONDS: Final = 15 * 60
"""How long a session lasts."""

_PURPOSE: Final = "tollbook.events.session.1"
_TOKEN: Final = re.compile(r"tbs_([0-9a-f]{32})_(\d{1,12})_([0-9a-f]{64})", re.ASCII)


class SessionExpiredError(AuthenticationError):
    """The session is over: ask for another one."""

    code = "session_expired"


def make_token(key_id: UUID, key_hash: str, expires_seconds: int) -> str:
    """The token of a session that ends at `expires_seconds` since 1970."""
    signature = _signature(key_id, key_hash, expires_seconds)
    return f"tbs_{key_id.hex}_{expires_seconds}_{signature}"


def key_id_of(token: str) -> UUID:
    """Whose key a token names; nothing is proved yet. Raises `AuthenticationError`."""
    return UUID(hex=_parts(token)[0])


def check_token(token: str, key_hash: str, now_seconds: int) -> None:
    """Prove a token of the key with this hash.

    Raises `AuthenticationError` for one that was never given out, `SessionExpiredError`.
    """
    key_id, expires, signature = _parts(token)
    expected = _signature(UUID(hex=key_id), key_hash, int(expires))
    if not hmac.compare_digest(signature, expected):
        raise _unknown()
    if now_seconds >= int(expires):
        raise SessionExpiredError("authorization: this session has expired; ask for another one")


def _parts(token: str) -> tuple[str, str, str]:
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise _unknown()
    return found[1], found[2], found[3]


def _signature(key_id: UUID, key_hash: str, expires_seconds: int) -> str:
    message = f"{_PURPOSE}:{key_id.hex}:{expires_seconds}"
    return hmac.new(bytes.fromhex(key_hash), message.encode(), hashlib.sha256).hexdigest()


def _unknown() -> AuthenticationError:
    return AuthenticationError("authorization: this session token is not known")
