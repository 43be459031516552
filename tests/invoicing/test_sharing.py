"""Several workers share a run: each bills what no other one has, and nothing is left over."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest

from core.clock import ManualClock
from core.endpoints import Endpoints
from core.errors import ConflictError
from core.ids import TenantId
from db.postgres import Database
from invoicing.billing_run import BillingRunner
from invoicing.document import content_hash
from invoicing.preview import preview
from invoicing.store import select_invoices
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


class DiedError(Exception):
    """Stands for a process that ends here: nothing catches it."""


def pay_for_all(url: str, slug: str, children: int) -> None:
    """c0 pays for the next ones."""
    with Database(url) as db, db.transaction() as conn:
        conn.execute(
            "UPDATE subscriptions.customers SET parent_id = %s, payer = 'parent',"
            " recorded_from = recorded_from + interval '1 second' WHERE id = ANY(%s)",
            (
                world.named(slug, "customer", 0),
                [world.named(slug, "customer", number) for number in range(1, children + 1)],
            ),
        )


def test_any_number_of_workers_makes_the_same_joint_invoices(installation: Endpoints) -> None:
    """What one pure function says beforehand is what three workers leave, byte for byte."""
    url, customers = installation.postgres, 24
    world.found_tenant(url, "joint", customers)
    pay_for_all(url, "joint", 14)
    with world.tenant_of(url, "joint") as (db, tenant):
        clock = ManualClock(world.NOW)
        seen = preview(db, world.CountingUsage(), clock, tenant, world.DECEMBER, 1000)

        def work(_: int) -> None:
            runner = BillingRunner(db, world.CountingUsage(), clock, block_customers=2)
            runner.close(tenant, world.DECEMBER)

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(work, range(3)))
        with db.transaction() as conn:
            found = select_invoices(conn, tenant_id=tenant.tenant_id)
    assert [content_hash(each) for each in found] == [content_hash(each) for each in seen.invoices]
    assert [each.number for each in found] == [
        f"INV-{number:06}" for number in range(1, len(found) + 1)
    ]
    # c0 to c14: each once, c0, c3, ... c12 twice, as they began in October.
    [joint] = [each for each in found if each.groups]
    assert len(joint.groups) == 15 + 5
    assert len(found) == 1 + 9 + 3  # c15 to c23, of which c15, c18 and c21 twice


def test_a_joint_invoice_survives_a_kill_before_and_after_its_number(
    installation: Endpoints,
) -> None:
    url = installation.postgres
    for step in ("drafts complete", "drafts numbered", "run finished"):
        slug = step.replace(" ", "-")
        world.found_tenant(url, slug, 3)
        pay_for_all(url, slug, 2)

        def checkpoint(name: str, step: str = step) -> None:
            if name == step:
                raise DiedError

        with world.tenant_of(url, slug) as (db, tenant):
            clock = ManualClock(world.NOW)
            dying = BillingRunner(db, world.CountingUsage(), clock, checkpoint=checkpoint)
            with pytest.raises(DiedError):
                dying.close(tenant, world.DECEMBER)
            BillingRunner(db, world.CountingUsage(), clock).close(tenant, world.DECEMBER)
        # c0 twice 10.01, c1 10.02 (1.5 tokens: 0.015), c2 10.03 (2.5 tokens: 0.025).
        assert [row[:2] + row[3:5] for row in world.summary(url, slug)] == [
            ("INV-000001", "c0", "open", 4007)
        ]


def test_a_child_that_is_parked_comes_later_and_holds_nobody_up(installation: Endpoints) -> None:
    """Together c0 twice 10.01, c2 10.03 (2.5 tokens), c3 twice 10.04: 50.13. Then c1: 10.02."""
    url = installation.postgres
    world.found_tenant(url, "parking", 4, broken=[1])
    pay_for_all(url, "parking", 3)
    [closed] = world.close(url, "parking")
    assert [each.customer_id for each in closed.parked] == [world.named("parking", "customer", 1)]
    [joint] = closed.invoices
    assert (joint.number, joint.total_minor, len(joint.groups)) == ("INV-000001", 5013, 5)
    world.mend(url, "parking")
    [later] = world.close(url, "parking")
    [alone] = later.invoices
    assert alone.paid_for is not None
    assert (alone.number, alone.paid_for.name, alone.total_minor) == ("INV-000002", "c1", 1002)


def test_groups_stay_with_their_invoice(installation: Endpoints) -> None:
    """c0 pays for c1; c2 pays for itself. A copy of a part is a draft that nobody has numbered."""
    url = installation.postgres
    world.found_tenant(url, "kept", 3)
    pay_for_all(url, "kept", 1)
    world.close(url, "kept")
    before = world.summary(url, "kept")
    copy = """INSERT INTO invoicing.invoices SELECT (jsonb_populate_record(
                  NULL::invoicing.invoices, to_jsonb(i) || jsonb_build_object(
                      'id', gen_random_uuid(), 'period_start', '2020-01-01', 'status', 'draft',
                      'part_of', NULL, 'finalised_at', NULL))).*
              FROM invoicing.invoices AS i WHERE status = 'part' LIMIT 1"""
    to_joint = """UPDATE invoicing.invoices SET status = 'part', finalised_at = now(), part_of =
                      (SELECT id FROM invoicing.invoices WHERE kind = 'together')
                  WHERE status = 'draft'"""
    refused = {
        to_joint: "is part of no draft of its payer and currency",
        to_joint.replace("'together'", "'period' AND status = 'open'"): "is part of no draft",
        "UPDATE invoicing.invoices SET status = 'draft' WHERE status = 'part'": "cannot go from",
        "UPDATE invoicing.invoices SET part_of = NULL WHERE status = 'part'": "is final",
        "UPDATE invoicing.invoices SET status = 'open' WHERE status = 'part'": "cannot go from",
        "DELETE FROM invoicing.invoices WHERE status = 'part'": "is final",
    }
    for statement, message in refused.items():
        with psycopg.connect(url) as conn:
            conn.execute(copy.encode())
            with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match=message):
                conn.execute(statement.encode())
            conn.rollback()
    assert world.summary(url, "kept") == before
