"""Two tenants of one owner, one of which invoices a customer of the other.

`python -m tests.invoicing.tenants_world URL MEMBER HOME CRASH_AT` closes both in a process of its
own and ends it with `os._exit(9)` at checkpoint number CRASH_AT of the handing over (0 = never).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

from core.acting import OPERATOR, Acting
from core.clock import ManualClock
from core.ids import TenantId, format_id
from db.postgres import Database
from identity.owners import set_owner
from invoicing import payer_links
from invoicing.billing_run import BillingRunner, Closed
from invoicing.document import invoice_document
from invoicing.hand_over import Waiting, close_tenants
from invoicing.model import Invoice
from invoicing.store import select_invoices
from invoicing.tenants import billing_tenants
from tests.invoicing import world

CLOCK = ManualClock(world.NOW)
OWNER = "Acme Holding"


def acting(slug: str) -> Acting:
    return Acting(TenantId(world.named(slug)), OPERATOR)


def owned(db: Database, slug: str, owner: str | None = OWNER) -> None:
    with db.transaction(acting(slug)) as conn:
        set_owner(conn, CLOCK, acting(slug).tenant_id, owner)


def found_both(url: str, member: str, home: str, customers: int = 2) -> None:
    """Two tenants alike, of one owner; nothing is agreed on."""
    with Database(url) as db:
        for slug in (member, home):
            world.found_tenant(url, slug, customers)
            owned(db, slug)


def agree(url: str, member: str, home: str, given: str = "c0", taken: str = "c0") -> None:
    """`home` invoices `given` of `member` to its own customer `taken`."""
    with Database(url) as db:
        link = payer_links.offer(db, CLOCK, acting(member), given, acting(home).tenant_id)
        name = format_id("cus", link.customer_id)
        payer_links.accept(db, CLOCK, acting(home), taken, acting(member).tenant_id, name)


def close_both(
    db: Database,
    *slugs: str,
    as_of: datetime = world.DECEMBER,
    checkpoint: Callable[[str], None] = lambda _: None,
) -> tuple[dict[str, Closed], list[Waiting]]:
    """Close tenants, each once, in the order given where nothing else decides."""
    with db.transaction() as conn:
        tenants = [tenant for slug in slugs for tenant in billing_tenants(conn, slug)]

    def close(tenant: Any) -> list[Closed]:
        return BillingRunner(db, world.CountingUsage(), CLOCK).close(tenant, as_of)

    closed, waiting = close_tenants(db, CLOCK, tenants, close, checkpoint)
    return {each.tenant.slug: each for each in closed}, waiting


def stored(url: str, slug: str) -> list[Invoice]:
    with Database(url) as db, db.transaction() as conn:
        return select_invoices(conn, tenant_id=acting(slug).tenant_id)


Told = tuple[str | None, str, str, list[tuple[str, str, str, str]]]


def told(url: str, slug: str) -> list[Told]:
    """What was billed, comparable between worlds, sorted by number; groups by whose they are."""
    found = []
    for invoice in stored(url, slug):
        document = invoice_document(invoice)
        groups = [
            (
                "theirs" if "tenant" in each else "own",
                each.get("for", {"name": ""})["name"],
                each["period"]["start"],
                each["total"]["amount"],
            )
            for each in document.get("groups", ())
        ]
        total = document["total"]["amount"]
        found.append((document["number"], document["status"], total, groups))
    return found


def main() -> None:
    url, member, home, crash_at = sys.argv[1:]
    reached = 0

    def checkpoint(name: str) -> None:
        nonlocal reached
        reached += 1
        if reached == int(crash_at):
            sys.stdout.write(name)
            sys.stdout.flush()
            os._exit(world.KILLED)

    with Database(url) as db:
        close_both(db, home, member, checkpoint=checkpoint)


if __name__ == "__main__":
    main()
