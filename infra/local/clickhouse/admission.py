"""How many requests may be inside the engine at once, and how many may wait for a place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from infra.local.clickhouse.errors import TOO_MANY_SIMULTANEOUS_QUERIES, EngineError


@dataclass(frozen=True, slots=True)
class Limits:
    """`running` requests at once, `waiting` more in line, each for at most `wait_seconds`.

    A client that neither sends nor takes a byte for `idle_seconds` loses its place.
    """

    running: int = 32
    waiting: int = 256
    wait_seconds: float = 10.0
    idle_seconds: float = 60.0


class Admission:
    """Hands out the places."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._places = asyncio.Semaphore(limits.running)
        self._waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place. Raises `EngineError` (202) when the line is full or too slow."""
        if self._places.locked() and self._waiting >= self._limits.waiting:
            raise self._refusal(f"{self._waiting} more are waiting")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                await self._places.acquire()
        except TimeoutError:
            raise self._refusal(f"waited {self._limits.wait_seconds:g} s for a place") from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()

    def _refusal(self, reason: str) -> EngineError:
        return EngineError.of(
            TOO_MANY_SIMULTANEOUS_QUERIES,
            f"Too many simultaneous queries. Maximum: {self._limits.running}; {reason}.",
        )
