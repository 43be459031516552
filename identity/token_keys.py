"""The public keys of whoever signs tokens: fetched when needed, kept while the signer is away."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Final

import httpx
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from core.clock import monotonic_seconds
from core.errors import DependencyDownError

ALGORITHMS: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"})
"""Only such whose keys are public: nobody can sign with what verifies."""

FRESH_SECONDS: Final = 600.0
"""How long keys are used without asking for them again."""

AGAIN_SECONDS: Final = 10.0
"""How soon they are asked for again, at most, whatever tokens come."""

_FETCH_SECONDS: Final = 3.0
_DOCUMENT_BYTES_MAX: Final = 256 * 1024
_KEYS_MAX: Final = 100
_RSA_BITS_MIN: Final = 2048

Fetch = Callable[[], Mapping[str, Any]]
"""Gets the JSON Web Key Set; raises `DependencyDownError`."""

_log: Final = logging.getLogger(__name__)


def fetch_over_http(url: str) -> Fetch:
    """Fetch a key set from `url`; redirects are not followed."""

    def fetch() -> Mapping[str, Any]:
        give_up_at = monotonic_seconds() + _FETCH_SECONDS
        found = bytearray()
        try:
            with httpx.stream("GET", url, timeout=_FETCH_SECONDS, follow_redirects=False) as answer:
                answer.raise_for_status()
                for chunk in answer.iter_bytes():
                    found += chunk
                    if len(found) > _DOCUMENT_BYTES_MAX or monotonic_seconds() > give_up_at:
                        found.clear()
                        break
            document = json.loads(found)
        except (httpx.HTTPError, ValueError, RecursionError) as error:
            raise DependencyDownError(f"the token keys at {url}: {error}") from error
        if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
            raise DependencyDownError(f"the token keys at {url}: this is no key set")
        return document

    return fetch


class TokenKeys:
    """Keys by their id. Safe to share between threads; one fetches them."""

    def __init__(self, fetch: Fetch, now_seconds: Callable[[], float] = monotonic_seconds) -> None:
        self._fetch = fetch
        self._now_seconds = now_seconds
        self._lock = Lock()
        self._keys: dict[str, PyJWK] = {}
        self._fetched_seconds: float | None = None
        self._tried_seconds: float | None = None

    def find(self, key_id: str) -> PyJWK | None:
        """The key with an id, None where the signer has none.

        Keys that were once fetched are used for as long as the signer cannot be asked. Raises
        `DependencyDownError` when they could never be.
        """
        now = self._now_seconds()
        known = self._keys.get(key_id)
        stale = self._fetched_seconds is None or now - self._fetched_seconds >= FRESH_SECONDS
        # Who has a key does not wait for new ones; who has none waits for whoever fetches them.
        if (stale or known is None) and self._lock.acquire(blocking=known is None):
            try:
                self._refresh(now)
            finally:
                self._lock.release()
        return self._keys.get(key_id)

    def _refresh(self, now: float) -> None:
        if self._tried_seconds is not None and now - self._tried_seconds < AGAIN_SECONDS:
            if self._fetched_seconds is None:
                raise DependencyDownError("tokens cannot be checked: their keys did not come")
            return
        self._tried_seconds = now
        try:
            document = self._fetch()
        except DependencyDownError as error:
            if self._fetched_seconds is None:
                raise
            _log.warning("tokens are checked with keys from before: %s", error.message)
            return
        self._keys = usable_keys(document)
        self._fetched_seconds = now


def usable_keys(document: Mapping[str, Any]) -> dict[str, PyJWK]:
    """The keys of a set that may verify a signature here, by id; the others are left out."""
    found: dict[str, PyJWK] = {}
    for entry in document["keys"][:_KEYS_MAX]:
        key = _usable(entry)
        if key is not None:
            found[entry["kid"]] = key
    return found


def _usable(entry: object) -> PyJWK | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str):
        return None
    if entry.get("use", "sig") != "sig" or "d" in entry or entry.get("kty") == "oct":
        return None
    try:
        if entry.get("alg") not in {None, *ALGORITHMS}:
            return None
        key = PyJWK(entry)
    except (PyJWTError, ValueError, KeyError, TypeError, NotImplementedError):
        return None
    if key.algorithm_name not in ALGORITHMS:
        return None
    bits = getattr(key.key, "key_size", None)
    return None if entry["kty"] == "RSA" and (bits or 0) < _RSA_BITS_MIN else key
