"""A Tollbook that other products' clients meet: the compatible routes, a worker, and keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from core.clock import SystemClock
from core.endpoints import Endpoints
from db.postgres import Database
from identity.api_keys import SCOPES, insert_api_key, list_api_keys
from tests.compat.environment import run_client
from tests.scenarios.world import World


class Town:
    """Everything that runs, and ways to ask it."""

    def __init__(self, endpoints: Endpoints, folder: Path, python: Path) -> None:
        self.world, self._python = World(endpoints, folder), python
        with Database(endpoints.postgres) as db, db.transaction() as conn:
            self.key = insert_api_key(
                conn, SystemClock(), self.world.tenant_id, "compat", tuple(sorted(SCOPES))
            )
            keys = list_api_keys(conn, self.world.tenant_id)
        [self.key_id] = [key.id for key in keys if key.name == "compat"]
        compat = self.world.process("compat", "serve", "compat", "--port", "0")
        self.worker = self.world.worker("a")
        self.url = compat.wait_for(r"listening on (http://\S+)")[1]

    def end(self) -> None:
        """Kill what runs."""
        self.world.end()

    def client(self, name: str, path: str, **question: Any) -> dict[str, Any]:
        """What a client's script says."""
        asked = {"url": f"{self.url}{path}", "key": self.key, **question}
        return run_client(self._python, name, asked)

    def count(self) -> None:
        """Wait until everything sent is counted."""
        self.world.wait_until_proved(self.worker.start)

    def total(self, event_type: str, value: str) -> dict[str, str]:
        """Subject -> exact sum of a value of events of a type, asked by HTTP."""
        headers = {"Authorization": f"Bearer {self.key}"}
        slug = f"sum-of-{event_type}".replace("_", "-")
        with httpx.Client(base_url=f"{self.url}/compat/openmeter/api/v1", headers=headers) as http:
            made = http.post(
                "/meters",
                json={
                    "slug": slug,
                    "aggregation": "SUM",
                    "eventType": event_type,
                    "valueProperty": f"$.{value}",
                },
            )
            assert made.status_code == httpx.codes.CREATED, made.text
            asked = http.get(
                f"/meters/{slug}/query",
                params={"groupBy": "subject"},
                headers={"accept": "text/csv"},
            )
            assert asked.status_code == httpx.codes.OK, asked.text
        lines = [line.split(",") for line in asked.text.splitlines()[1:]]
        return {subject: total for _, _, subject, total in lines}
