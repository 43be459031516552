"""Who sends: an API key to its principal, from memory, also while Postgres is down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from catalog.snapshot import ApiKeyPrincipal, CatalogSnapshot, SnapshotSource
from core.clock import Clock
from core.errors import AuthenticationError, AuthorizationError, DependencyDownError
from identity.api_keys import hash_api_key
from identity.session_tokens import check_token, key_id_of, make_token

AUTHORIZATION: Final = "authorization"
_SENDERS_MAX: Final = 10_000
"""Most headers whose principal is kept beside the snapshot that it was found in."""

_HEADER_CHARACTERS_MAX: Final = 256
"""A longer one is looked up each time."""

_log: Final = logging.getLogger(__name__)
_T = TypeVar("_T")


class KeyGate:
    """Holds the newest catalog snapshot and reads it again every `refresh_seconds`."""

    def __init__(self, source: SnapshotSource, refresh_seconds: float, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._refresh_seconds = refresh_seconds
        self._snapshot: CatalogSnapshot | None = None
        self._senders: dict[str, ApiKeyPrincipal] = {}
        self._fault: str | None = "the catalog snapshot was not read yet"
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "catalog-snapshot")  # a source is for one thread

    @property
    def fault(self) -> str | None:
        """Why no key can be checked; None once a snapshot was read, however old."""
        return self._fault

    async def start(self) -> None:
        """Read the first snapshot, if there is one, and go on in the background."""
        await self._read()
        self._task = asyncio.create_task(self._keep_fresh(), name="catalog-snapshot")

    async def stop(self) -> None:
        """End the background task, and give the connection back."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._in_thread(self._source.close)
        self._thread.shutdown()

    def principal_of(self, authorization: str, scope: str) -> ApiKeyPrincipal:
        """Whose API key the header `Authorization: Bearer` carries, if the key has `scope`.

        Raises as `principal_of_key`.
        """
        senders = self._senders  # of a snapshot not newer than the one asked below
        principal = senders.get(authorization)
        if principal is not None and principal.expires_at is None and scope in principal.scopes:
            return principal
        principal = self.principal_of_key(bearer_of(authorization), scope)
        if len(senders) < _SENDERS_MAX and len(authorization) <= _HEADER_CHARACTERS_MAX:
            senders[authorization] = principal
        return principal

    def principal_of_key(
        self, key: str, scope: str, header: str = AUTHORIZATION
    ) -> ApiKeyPrincipal:
        """Whose API key a text is, if the key has `scope`; `header` is where it stood.

        Raises `AuthenticationError`, `AuthorizationError` where the scope is missing, and
        `DependencyDownError` while no snapshot was ever read.
        """
        principal = self._known().api_keys.get(hash_api_key(key))
        if principal is None:
            raise AuthenticationError(f"{header}: this API key is not known, or was revoked")
        return self._live(principal, scope, header)

    def principal_of_token(self, token: str, now_seconds: int, scope: str) -> ApiKeyPrincipal:
        """On whose behalf a session token was given out, while its key lives and has `scope`.

        Raises as `principal_of_key`, and `SessionExpiredError`.
        """
        known = self._known()
        key_hash = known.key_hashes.get(key_id_of(token))
        if key_hash is None:
            raise AuthenticationError(
                f"{AUTHORIZATION}: the API key of this session is not known, or was revoked"
            )
        check_token(token, key_hash, now_seconds)
        return self._live(known.api_keys[key_hash], scope, AUTHORIZATION)

    def token_for(self, principal: ApiKeyPrincipal, expires_seconds: int) -> str:
        """A session token on behalf of a key's principal."""
        key_hash = self._known().key_hashes.get(principal.key_id)
        if key_hash is None:
            raise AuthenticationError(f"{AUTHORIZATION}: this API key was revoked")
        return make_token(principal.key_id, key_hash, expires_seconds)

    def _known(self) -> CatalogSnapshot:
        if self._snapshot is None:
            raise DependencyDownError(f"API keys cannot be checked: {self._fault}")
        return self._snapshot

    def _live(self, principal: ApiKeyPrincipal, scope: str, header: str) -> ApiKeyPrincipal:
        """A known key's principal, unless it has expired or lacks `scope`."""
        if principal.expires_at is not None and principal.expires_at <= self._clock.now():
            raise AuthenticationError(f"{header}: this API key was replaced, and has expired")
        if scope not in principal.scopes:
            raise AuthorizationError(f"{header}: this API key lacks the scope {scope}")
        return principal

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(self._refresh_seconds)
            await self._read()

    async def _read(self) -> None:
        """Take a newer snapshot; keep the one there is when none can be read."""
        try:
            snapshot = await self._in_thread(self._source.refresh)
            if snapshot is not self._snapshot:
                self._snapshot, self._senders = snapshot, {}
            self._fault = None
        except DependencyDownError as error:
            self._fault = error.message
        except Exception:  # noqa: BLE001 - a dead background task would freeze revocations for good
            _log.exception("could not read the catalog snapshot")
            if self._snapshot is None:
                self._fault = "the catalog snapshot could not be read; the log says why"


def bearer_of(authorization: str) -> str:
    """The text of `Authorization: Bearer`. Raises `AuthenticationError` where there is none."""
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise AuthenticationError(f"{AUTHORIZATION}: expected `Bearer tb_live_…`, an API key")
    return text.strip()
