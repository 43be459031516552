"""`/metrics`: what the process counted, in Prometheus' text form."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector


def create_metrics_router(*, shared: bool = False) -> APIRouter:
    """The route. `shared`: sum over all processes that share the port, through their files."""
    router = APIRouter(tags=["health"])

    @router.get("/metrics", summary="What the process counted", response_class=Response)
    def metrics() -> Response:
        """Counters, gauges and histograms; the names are listed in the reference."""
        registry = REGISTRY
        if shared:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no types
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router
