"""Several workers share a run: each bills what no other one has, and nothing is left over."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from core.clock import ManualClock
from core.endpoints import Endpoints
from core.errors import ConflictError
from core.ids import TenantId
from db.postgres import Database
from invoicing.billing_run import BillingRunner
from subscriptions.periods import DuePeriod, claim, due_periods
from tests.invoicing import world

WAIT_SECONDS = 60


def test_what_one_holds_the_other_leaves_and_waits_for_only_in_the_end(
    installation: Endpoints,
) -> None:
    """The first stops in its first block; the second bills all others meanwhile, then waits."""
    url, blocks = installation.postgres, 6
    world.found_tenant(url, "shared", 2 * blocks)
    rated: dict[str, int] = {"first": 0, "second": 0}
    held, go_on = threading.Event(), threading.Event()

    def checkpoint_of(name: str) -> object:
        def reached(step: str) -> None:
            if step == "block rated":
                rated[name] += 1
                if name == "first" and rated[name] == 1:
                    held.set()
                    assert go_on.wait(WAIT_SECONDS)

        return reached

    with world.tenant_of(url, "shared") as (db, tenant):

        def work(name: str) -> int:
            runner = BillingRunner(
                db,
                world.CountingUsage(),
                ManualClock(world.NOW),
                block_customers=2,
                checkpoint=checkpoint_of(name),  # type: ignore[arg-type]  # a function
            )
            [closed] = runner.close(tenant, world.DECEMBER)
            return len(closed.invoices)

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(work, "first")
            assert held.wait(WAIT_SECONDS)
            second = pool.submit(work, "second")
            with pytest.raises(TimeoutError):
                second.result(timeout=3)
            assert rated == {"first": 1, "second": blocks - 1}, "nobody does what another one does"
            go_on.set()
            assert first.result(WAIT_SECONDS) == second.result(WAIT_SECONDS) == 2 * blocks + 4
    numbers = [row[0] for row in world.summary(url, "shared")]
    assert numbers == [f"INV-{number:06}" for number in range(1, len(numbers) + 1)]


def test_what_changed_after_it_was_read_is_read_again(installation: Endpoints) -> None:
    url = installation.postgres
    world.found_tenant(url, "changed", 3)
    with Database(url) as db, world.tenant_of(url, "changed") as (_, tenant):
        with db.transaction(snapshot=True) as conn:
            block = due_periods(conn, tenant.tenant_id, world.DECEMBER, None, 100)
        older = [replace(block[0], revision=block[0].revision - 1), *block[1:]]
        with db.transaction() as conn:
            mine, whole = claim(conn, tenant.tenant_id, older, wait=False)
            assert (mine, whole) == (block[1:], False)
            with db.transaction() as other:
                assert claim(other, tenant.tenant_id, block, wait=False) == ([], False)
            with pytest.raises(ConflictError, match="in the way"):
                wait_shortly(db, tenant.tenant_id, block)
        with db.transaction() as conn:
            assert claim(conn, tenant.tenant_id, block, wait=True) == (block, True)


def wait_shortly(db: Database, tenant_id: TenantId, block: Sequence[DuePeriod]) -> None:
    with db.transaction() as conn:
        conn.execute("SET LOCAL lock_timeout = '100ms'")
        claim(conn, tenant_id, block, wait=True)
