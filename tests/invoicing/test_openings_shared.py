"""Several workers, and workers that die, on openings: each is billed once, and none is skipped."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from core.clock import ManualClock
from core.endpoints import Endpoints
from db.postgres import Database
from invoicing.billing_run import BillingRunner
from invoicing.store import select_invoices
from subscriptions.commands import Cancel
from subscriptions.setup import apply_catalog
from tests.invoicing import world
from tests.subscriptions.operating import Desk

CUSTOMERS = 12
ROOT = Path(world.__file__).parents[2]
Rows = list[tuple[str, str, int, int]]


def found(url: str, slug: str) -> Desk:
    """Customers who pay 30.00 a month in advance, from November 2023 on, which has 30 days."""
    price = {"model": "flat", "amount": "30.00"}
    card = {"key": "fee", "name": "Fee", "timing": "in_advance", "price": price}
    content = {
        "tenant": {
            "slug": slug,
            "name": slug,
            "invoicing": {"seller": {"name": "Seller", "address": ["Berlin"]}},
        },
        "plans": [{"slug": "basic", "name": "B", "currency": "EUR", "rate_cards": [card]}],
        "customers": [
            {"slug": f"c{n}", "name": f"c{n}", "currency": "EUR", "time_zone": "UTC"}
            for n in range(CUSTOMERS)
        ],
    }
    clock = ManualClock(world.NOVEMBER)
    database = Database(url)
    desk = Desk(database, clock, apply_catalog(database, clock, content).tenant_id)
    for n in range(CUSTOMERS):
        desk.subscribe(f"s{n}", plan="basic", payer=f"c{n}")
    return desk


def killed(url: str, slug: str, as_of: datetime, crash_at: int) -> str:
    """A run in a process of its own that dies at a checkpoint; which one that was."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.invoicing.world", url, slug, as_of.isoformat(), "4",
         str(crash_at)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == world.KILLED, done.stderr
    return done.stdout.strip()


def rows(desk: Desk) -> Rows:
    """What was invoiced: of whom, kind, lines and total, in order of numbers."""
    with desk.database.transaction() as conn:
        made = select_invoices(conn, tenant_id=desk.tenant_id)
    assert sorted(each.number or "" for each in made) == [
        f"INV-{number:06}" for number in range(1, len(made) + 1)
    ]
    return sorted(
        (
            str(each.buyer["name"]),
            f"{each.period.start:%m-%d} {each.kind}",
            sum(line.amount_minor for line in each.lines),
            each.total_minor,
        )
        for each in made
    )


def expected() -> Rows:
    """All pay for November; c0, c3, … end on the 11th: -30.00 and 10.00; the rest pay December."""
    openings = [(f"c{n}", "11-01 opening", 30_00, 30_00) for n in range(CUSTOMERS)]
    ends = [
        (f"c{n}", "11-01 period", -20_00 if n % 3 == 0 else 30_00, 0 if n % 3 == 0 else 30_00)
        for n in range(CUSTOMERS)
    ]
    return sorted([*openings, *ends])


def live_on(desk: Desk) -> None:
    for n in range(0, CUSTOMERS, 3):
        desk.at(world.NOVEMBER.replace(day=11)).do(Cancel("now"), f"s{n}")


def test_workers_share_openings_and_what_settles_them(installation: Endpoints) -> None:
    url = installation.postgres
    desk = found(url, "shared-openings")
    with world.tenant_of(url, "shared-openings") as (db, tenant):

        def work(as_of: datetime) -> None:
            clock = ManualClock(world.NOW)
            BillingRunner(db, world.CountingUsage(), clock, block_customers=2).close(tenant, as_of)

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(work, [world.NOVEMBER] * 3))
            live_on(desk)
            list(pool.map(work, [world.DECEMBER] * 3))
    assert rows(desk) == expected()
    assert_credits(desk)
    desk.database.close()


def test_a_worker_killed_between_claim_and_commit_bills_nothing_twice(
    installation: Endpoints,
) -> None:
    """At each of these steps of a block of openings, and of the block that settles them."""
    url, reached = installation.postgres, Counter[str]()
    for crash_at in (3, 4, 5, 6):
        slug = f"killed-openings-{crash_at}"
        desk = found(url, slug)
        for as_of in (world.NOVEMBER, world.DECEMBER):
            reached[killed(url, slug, as_of, crash_at)] += 1
            assert world.close(url, slug, as_of, block=3)[-1].parked == []
            if as_of == world.NOVEMBER:
                live_on(desk)
        assert rows(desk) == expected(), crash_at
        assert_credits(desk)
        desk.database.close()
    steps = ("block rated", "drafts inserted", "periods marked", "block committed")
    assert reached == dict.fromkeys(steps, 2)


def assert_credits(desk: Desk) -> None:
    left = [desk.find(f"s{n}").credit_minor for n in range(CUSTOMERS)]
    assert left == [20_00 if n % 3 == 0 else 0 for n in range(CUSTOMERS)]
