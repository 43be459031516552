"""`python -m tests.ingest.neighbours`: does a tenant at its limit slow another?

One sends single events, one after another; in every other round a second tenant sends batches far
over its limit and does not wait when it is told to. Prints the quiet one's times with and without.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Final

from core.clock import SystemClock
from core.ids import TenantId
from core.rate_limits import Rate, RateLimits
from db.postgres import Database
from identity.rate_limits import set_tenant_limits
from tests.ingest.load import Answers, Load, Template
from tests.ingest.service import Service
from tests.plugins.installations import install
from tests.plugins.stack import running_stack

ROUNDS: Final = 8
PER_ROUND: Final = 60
NOISY_PER_SECOND: Final = 100
NOISY_EVENTS: Final = 100
LIMIT: Final = RateLimits(events=Rate(200, 400))
"""Of the noisy tenant, which sends fifty times as much."""

_MILLIS: Final = 1000
_LOOK_SECONDS: Final = 0.05
_SPAWN: Final = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Seen:
    """Seconds of the quiet tenant's requests without and with its neighbour; its refusals."""

    alone: list[float]
    beside: list[float]
    refused: int

    def figures(self) -> dict[str, float]:
        """In milliseconds."""
        found: dict[str, float] = {"noisy_requests_refused": self.refused}
        for name, part in (("alone", self.alone), ("beside", self.beside)):
            hundredths = statistics.quantiles(part, n=100)
            for place in (50, 90, 99):
                found[f"{name}_ms_p{place}"] = round(hundredths[place - 1] * _MILLIS, 2)
        return found


def compare(url: str, quiet_key: str, noisy_key: str, per_round: int = PER_ROUND) -> Seen:
    """Rounds alone and beside the neighbour, in turns, so that both see the same machine."""
    goes, ends, refused = _SPAWN.Event(), _SPAWN.Event(), _SPAWN.Value("q", 0)
    neighbour = _SPAWN.Process(target=_be_noisy, args=(url, noisy_key, goes, ends, refused))
    neighbour.start()
    try:
        goes.set()
        while not refused.value and neighbour.is_alive():
            time.sleep(_LOOK_SECONDS)
        alone, beside = asyncio.run(_measure(url, quiet_key, per_round, goes))
    finally:
        ends.set()
        neighbour.join(60)
    assert neighbour.exitcode == 0
    return Seen(alone, beside, refused.value)


async def _measure(
    url: str, api_key: str, per_round: int, goes: Event
) -> tuple[list[float], list[float]]:
    load, single = Load(url), Template(api_key, 1)
    parts: tuple[list[float], list[float]] = ([], [])
    for number in range(2 * ROUNDS):
        if number % 2:
            goes.set()
        else:
            goes.clear()
        await asyncio.sleep(2 * _LOOK_SECONDS)
        answers = Answers()
        for _ in range(per_round):
            status = await load.send(single, answers)
            assert status == 202, status
        parts[number % 2].extend(answers.seconds)
    await load.close()
    return parts


def _be_noisy(url: str, api_key: str, goes: Event, ends: Event, refused: Synchronized[int]) -> None:
    """A process of its own: send at one rate while `goes`, on as many connections as that takes."""

    async def send() -> None:
        load, batch = Load(url, first_number=10_000_000), Template(api_key, NOISY_EVENTS)
        answers = Answers()
        under_way: set[asyncio.Task[int]] = set()
        while not ends.is_set():
            if goes.is_set():
                under_way.add(asyncio.create_task(load.send(batch, answers)))
            under_way = {task for task in under_way if not task.done()}
            refused.value = answers.statuses[429]
            await asyncio.sleep(1 / NOISY_PER_SECOND)
        if under_way:
            await asyncio.wait(under_way)
        await load.close()

    asyncio.run(send())


def limit_tenant(service: Service, tenant_id: TenantId, limits: RateLimits) -> None:
    """Store a tenant's limits."""
    with Database(service.endpoints.postgres) as db, db.transaction() as conn:
        set_tenant_limits(conn, SystemClock(), tenant_id, limits)


def main() -> None:
    """Compare on a stack of its own."""
    with running_stack() as stack, tempfile.TemporaryDirectory() as folder:
        service = Service(install(stack.endpoints()), Path(folder))
        _, quiet_key = service.add_tenant("quiet")
        limit_tenant(service, service.tenant_id, LIMIT)
        service.start()
        try:
            seen = compare(service.url, quiet_key, service.api_key, 4 * PER_ROUND)
        finally:
            service.end()
    sys.stdout.write(json.dumps(seen.figures(), indent=2) + "\n")


if __name__ == "__main__":
    main()
