"""Who sends: an API key to its principal, from memory, also while Postgres is down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from fastapi import Request

from catalog.snapshot import ApiKeyPrincipal, CatalogSnapshot, SnapshotSource
from core.errors import AuthenticationError, AuthorizationError, DependencyDownError
from identity.api_keys import hash_api_key

_log: Final = logging.getLogger(__name__)
_T = TypeVar("_T")


class KeyGate:
    """Holds the newest catalog snapshot and reads it again every `refresh_seconds`."""

    def __init__(self, source: SnapshotSource, refresh_seconds: float) -> None:
        self._source = source
        self._refresh_seconds = refresh_seconds
        self._snapshot: CatalogSnapshot | None = None
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

    def principal_of(self, request: Request, scope: str) -> ApiKeyPrincipal:
        """Whose API key a request carries, if the key has `scope`.

        Raises `AuthenticationError`, `AuthorizationError` where the scope is missing, and
        `DependencyDownError` while no snapshot was ever read.
        """
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise AuthenticationError("authorization: expected `Bearer tb_live_…`, an API key")
        if self._snapshot is None:
            raise DependencyDownError(f"API keys cannot be checked: {self._fault}")
        principal = self._snapshot.api_keys.get(hash_api_key(key.strip()))
        if principal is None:
            raise AuthenticationError("authorization: this API key is not known, or was revoked")
        if scope not in principal.scopes:
            raise AuthorizationError(f"authorization: this API key lacks the scope {scope}")
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
            self._snapshot = await self._in_thread(self._source.refresh)
            self._fault = None
        except DependencyDownError as error:
            self._fault = error.message
        except Exception:  # noqa: BLE001 - a dead background task would freeze revocations for good
            _log.exception("could not read the catalog snapshot")
            if self._snapshot is None:
                self._fault = "the catalog snapshot could not be read; the log says why"
