"""`/livez` and `/readyz`, for whatever starts, stops and routes to processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fastapi import APIRouter

from core.errors import DependencyDownError

Check = Callable[[], str | None]
"""What is wrong with a dependency right now, or None. Answers from memory, at once."""


def create_health_router(checks: Mapping[str, Check]) -> APIRouter:
    """Both routes; the process is ready while every check says None."""
    router = APIRouter(tags=["health"])

    @router.get("/livez", summary="Is the process alive?")
    async def livez() -> dict[str, str]:
        """Always 200: the event loop answers."""
        return {"status": "alive"}

    @router.get("/readyz", summary="Can it do its work?", responses={503: {"description": "No."}})
    async def readyz() -> dict[str, str]:
        """200 while everything needed is there, else 503 with a reason for each part."""
        faults = {name: fault for name, check in checks.items() if (fault := check()) is not None}
        if faults:
            raise DependencyDownError(f"not ready: {', '.join(faults)}", checks=faults)
        return {"status": "ready"}

    return router
