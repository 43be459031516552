"""Whether a worker lives and can do its work, as whoever started it asks over HTTP."""

from __future__ import annotations

import asyncio
from typing import Final

from clickhouse_connect.driver.client import Client
from prometheus_client import REGISTRY

from core import metric_names
from telemetry.endpoint import Endpoint

_LOOP_SECONDS: Final = 5.0


def serve_bridge(host: str, port: int) -> Endpoint:
    """Metrics and health of a bridge: ready while it does not wait for a server."""
    return Endpoint(REGISTRY, {}, {"servers": _waiting_fault}, host=host, port=port).start()


def _waiting_fault() -> str | None:
    waiting = REGISTRY.get_sample_value(metric_names.STREAM_WAITING)
    return "a server does not answer; the log says which" if waiting else None


class WorkerHealth:
    """What the checks look at. `loop` and `assigned` are set as the worker goes along.

    `assigned`: the group has given this worker its partitions, or told it that there are none left.
    """

    def __init__(self, clickhouse: Client) -> None:
        self._clickhouse = clickhouse
        self.loop: asyncio.AbstractEventLoop | None = None
        self.assigned = False

    def serve(self, host: str, port: int) -> Endpoint:
        """Answer `/metrics`, `/livez` and `/readyz` from now on."""
        alive = {"loop": self.loop_fault}
        ready = {"kafka": self.assignment_fault, "clickhouse": self.clickhouse_fault}
        return Endpoint(REGISTRY, alive, ready, host=host, port=port).start()

    def loop_fault(self) -> str | None:
        """Whether the event loop goes round; it may still be starting."""
        if self.loop is None:
            return None
        turn = asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self.loop)
        try:
            turn.result(_LOOP_SECONDS)
        except TimeoutError:
            turn.cancel()
            return f"the event loop did not answer within {_LOOP_SECONDS:.0f} seconds"
        return None

    def assignment_fault(self) -> str | None:
        """Whether the consumer group has given this worker its share."""
        return None if self.assigned else "no partitions were assigned yet"

    def clickhouse_fault(self) -> str | None:
        """Whether ClickHouse answers."""
        return None if self._clickhouse.ping() else "ClickHouse does not answer"
