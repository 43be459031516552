from __future__ import annotations

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from core.clock import ManualClock
from core.endpoints import Endpoints
from invoicing.billing_run import CHECKPOINTS, BillingRunner
from invoicing.document import content_hash, invoice_document
from invoicing.errors import FutureCloseError
from invoicing.preview import preview
from invoicing.store import select_invoices
from tests.invoicing import world
from usage.cut import Cut

CUSTOMERS = 6
ROOT = Path(world.__file__).parents[2]


def process(url: str, slug: str, *, block: int = 2, crash_at: int = 0) -> tuple[int, str]:
    """Close a tenant in a process of its own: its exit code, and the checkpoint it died at."""
    arguments = [url, slug, world.DECEMBER.isoformat(), str(block), str(crash_at)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.invoicing.world", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in {0, world.KILLED}, done.stderr
    return done.returncode, done.stdout.strip()


def anonymous(rows: list[world.Summary]) -> list[tuple[object, ...]]:
    """The invoices without their numbers, sorted: tenants order their customers by other ids."""
    return sorted((*row[1:5], sorted(row[5].items())) for row in rows)


def numbers(rows: list[world.Summary]) -> list[str | None]:
    return [row[0] for row in rows]


def gapless(count: int) -> list[str]:
    return [f"INV-{number:06}" for number in range(1, count + 1)]


@pytest.mark.req("INV-05")
def test_closing_a_period_makes_one_invoice_per_due_subscription(installation: Endpoints) -> None:
    url = installation.postgres
    world.found_tenant(url, "one", CUSTOMERS)
    [closed] = world.close(url, "one", world.NOVEMBER)
    # c0 and c3 started in October: 10.00 + 0.5 x 0.01 = 10.005 -> 10.01; 3.5 x 0.01 -> 10.04.
    assert sorted((each.buyer["name"], each.total_minor) for each in closed.invoices) == [
        ("c0", 1001),
        ("c3", 1004),
    ]
    [closed] = world.close(url, "one", world.DECEMBER)
    assert sorted(each.buyer["name"] for each in closed.invoices) == [
        f"c{number}" for number in range(CUSTOMERS)
    ]
    rows = world.summary(url, "one")
    assert numbers(rows) == gapless(CUSTOMERS + 2)
    assert {row[3] for row in rows} == {"open"}
    assert not closed.parked


def test_invoices_are_numbered_by_customer_subscription_and_period(installation: Endpoints) -> None:
    url = installation.postgres
    world.found_tenant(url, "order", CUSTOMERS)
    [closed] = world.close(url, "order")
    keys = [(each.customer_id, each.subscription_id, each.period) for each in closed.invoices]
    assert keys == sorted(keys)
    assert [each.number for each in closed.invoices] == gapless(CUSTOMERS + 2)


def test_repeating_a_run_makes_nothing_new(installation: Endpoints) -> None:
    url = installation.postgres
    world.found_tenant(url, "again", CUSTOMERS)
    world.close(url, "again")
    first = world.summary(url, "again")
    [closed] = world.close(url, "again")
    assert closed.invoices == []
    assert world.summary(url, "again") == first


def test_the_size_of_a_block_changes_nothing(installation: Endpoints) -> None:
    url = installation.postgres
    for block in (1, 3, 1000):
        world.found_tenant(url, f"block-{block}", CUSTOMERS)
        world.close(url, f"block-{block}", block=block)
    results = [world.summary(url, f"block-{block}") for block in (1, 3, 1000)]
    assert len({repr(anonymous(rows)) for rows in results}) == 1
    assert all(numbers(rows) == gapless(CUSTOMERS + 2) for rows in results)


def test_a_run_killed_at_every_step_and_repeated_leaves_the_same_invoices(
    installation: Endpoints,
) -> None:
    url = installation.postgres
    broken = [4]
    world.found_tenant(url, "whole", CUSTOMERS, broken)
    world.close(url, "whole")
    expected = anonymous(world.summary(url, "whole"))
    assert len(expected) == CUSTOMERS + 2 - len(broken)
    reached: Counter[str] = Counter()
    crash_at = 0
    while True:
        crash_at += 1
        slug = f"killed-{crash_at}"
        world.found_tenant(url, slug, CUSTOMERS, broken)
        code, name = process(url, slug, crash_at=crash_at)
        if code == 0:
            break
        reached[name] += 1
        unnumbered = [row for row in world.summary(url, slug) if row[0] is None]
        assert (name == "run finished") <= (not unnumbered), name
        world.close(url, slug)
        rows = world.summary(url, slug)
        assert anonymous(rows) == expected, name
        assert numbers(rows) == gapless(len(expected)), name
    assert set(reached) == set(CHECKPOINTS)


def test_a_run_killed_twice_is_finished_by_the_next_close_of_another_instant(
    installation: Endpoints,
) -> None:
    url = installation.postgres
    world.found_tenant(url, "twice", CUSTOMERS)
    names = [process(url, "twice", crash_at=crash_at)[1] for crash_at in (5, 9)]
    assert all(names)
    later = world.DECEMBER + timedelta(days=3)
    first, second = world.close(url, "twice", later)
    assert (first.run.as_of, second.run.as_of) == (world.DECEMBER, later)
    assert [each.number for each in first.invoices] == gapless(CUSTOMERS + 2)
    assert {each.issued_at for each in first.invoices} == {world.DECEMBER}
    assert second.invoices == []


def test_an_unfinished_run_goes_on_with_the_cut_it_began_with(installation: Endpoints) -> None:
    url = installation.postgres
    world.found_tenant(url, "cut", CUSTOMERS)
    assert process(url, "cut", crash_at=4)[0] == world.KILLED
    with world.tenant_of(url, "cut") as (db, tenant):
        newer = world.CountingUsage([Cut({"1/0": 99, "1/1": 99})])
        [closed] = BillingRunner(db, newer, ManualClock(world.NOW)).close(tenant, world.DECEMBER)
    assert len(closed.invoices) == CUSTOMERS + 2
    assert {repr(each.cut) for each in closed.invoices} == {repr(world.CUT)}


def test_two_runs_at_once_leave_the_same_invoices(installation: Endpoints) -> None:
    url = installation.postgres
    customers = 24
    world.found_tenant(url, "alone", customers)
    world.close(url, "alone")
    expected = anonymous(world.summary(url, "alone"))
    pairs = {"both-live": 0, "both-live-again": 0, "one-dies-early": 7, "one-dies-late": 14}
    for slug, crash_at in pairs.items():
        world.found_tenant(url, slug, customers)
        with ThreadPoolExecutor(2) as pool:
            started = [
                pool.submit(process, url, slug, block=3, crash_at=crash) for crash in (0, crash_at)
            ]
            codes = [each.result()[0] for each in started]
        assert codes[0] == 0
        rows = world.summary(url, slug)
        assert anonymous(rows) == expected
        assert numbers(rows) == gapless(len(expected))


def test_a_failing_customer_is_parked_and_billed_when_it_is_mended(installation: Endpoints) -> None:
    url = installation.postgres
    world.found_tenant(url, "parked", 9, broken=[1, 6])
    [closed] = world.close(url, "parked", block=9)
    by_id = {world.named("parked", "customer", number): number for number in range(9)}
    assert sorted(by_id[each.customer_id] for each in closed.parked) == [1, 6]
    assert {each.error_code for each in closed.parked} == {"currency_mismatch"}
    assert "its price is in USD" in closed.parked[0].error_message
    assert [each.number for each in closed.invoices] == gapless(9)  # 7 customers, 2 of them twice
    world.mend(url, "parked")
    [later] = world.close(url, "parked", block=9)
    assert sorted(each.buyer["name"] for each in later.invoices) == ["c1", "c6", "c6"]
    assert [each.number for each in later.invoices] == gapless(12)[9:]
    assert later.parked == []


def test_a_preview_shows_what_the_run_makes_and_writes_nothing(installation: Endpoints) -> None:
    url = installation.postgres
    world.found_tenant(url, "preview", CUSTOMERS, broken=[2])
    with world.tenant_of(url, "preview") as (db, tenant):
        seen = preview(db, world.CountingUsage(), ManualClock(world.NOW), tenant, world.DECEMBER, 2)
    assert world.summary(url, "preview") == []
    [closed] = world.close(url, "preview")
    assert [content_hash(each) for each in seen.invoices] == [
        content_hash(each) for each in closed.invoices
    ]
    assert seen.parked == closed.parked
    assert [invoice_document(each)["number"] for each in seen.invoices] == [None] * 7


def test_a_stored_invoice_reads_back_to_the_same_bytes(installation: Endpoints) -> None:
    url = installation.postgres
    world.found_tenant(url, "bytes", CUSTOMERS)
    [closed] = world.close(url, "bytes")
    with psycopg.connect(url) as conn:
        stored = conn.execute("SELECT number_text, content_hash FROM invoicing.invoices").fetchall()
    assert dict(stored) == {each.number: content_hash(each) for each in closed.invoices}
    with world.tenant_of(url, "bytes") as (db, tenant), db.transaction() as conn_:
        again = select_invoices(conn_, tenant_id=tenant.tenant_id)
    assert again == closed.invoices


def test_the_future_cannot_be_closed(installation: Endpoints) -> None:
    url = installation.postgres
    world.found_tenant(url, "future", 1)
    with pytest.raises(FutureCloseError, match=r"as-of: 2030-01-01.* lies in the future"):
        world.close(url, "future", datetime(2030, 1, 1, tzinfo=UTC))


def test_a_tenant_without_due_periods_gets_no_invoices(installation: Endpoints) -> None:
    url = installation.postgres
    world.found_tenant(url, "empty", 0)
    [closed] = world.close(url, "empty")
    assert (closed.invoices, closed.parked) == ([], [])
