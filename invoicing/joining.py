"""One invoice per payer: the drafts of a run are joined before they are numbered.

It is done under the run's lock, when all its drafts are in, in the transaction that numbers them:
so what becomes of them does not depend on who wrote them, or how often it was begun.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final
from uuid import UUID

import sql
from core.clock import Clock
from core.ids import CustomerId, TenantId
from db.postgres import Connection
from invoicing import store
from invoicing.drafting import buyers_of
from invoicing.model import TOGETHER_KIND, Invoice, ReceivedGroup, RunTerms
from invoicing.numbering import series_id
from invoicing.runs import BillingRun
from invoicing.together import Payer, in_order_of_numbers, put_together

_PAYERS_AT_ONCE: Final = 100
"""Whose drafts, with all their lines, are held in memory."""

Received = dict[CustomerId, list[ReceivedGroup]]


def join_drafts(
    conn: Connection, clock: Clock, run: BillingRun, terms: RunTerms, prefix: str
) -> None:
    """Make one invoice of the drafts of each payer that pays for others, or for other tenants.

    The run must be locked, and all its drafts be in.
    """
    values = {"tenant_id": run.tenant_id, "billing_run_id": run.run_id}
    received = _waiting(conn, terms, "lock_groups_waiting")
    rows = conn.execute(
        sql.load("postgres/queries/select_drafts_to_join"), values | {"payer_ids": list(received)}
    )
    drafts: defaultdict[CustomerId, list[UUID]] = defaultdict(list)
    for row in rows:
        drafts[CustomerId(row["customer_id"])].append(row["id"])
    payers = _payers(conn, run.tenant_id, drafts.keys() | received.keys())
    for some in _batches(sorted(payers), _PAYERS_AT_ONCE):
        ids = list(chain.from_iterable(drafts[each] for each in some))
        found = store.select_invoices(conn, tenant_id=run.tenant_id, ids=ids)
        for made in _joined(terms, {each: payers[each] for each in some}, found, received):
            if made.kind == TOGETHER_KIND:
                series = series_id(conn, clock, run.tenant_id, prefix)
                _write(conn, clock, run, made, series)


def as_numbered(conn: Connection, terms: RunTerms, drafts: Sequence[Invoice]) -> list[Invoice]:
    """The invoices that a run would make of its drafts, in the order of their numbers."""
    received = _waiting(conn, terms, "select_groups_waiting")
    concerned = {each.customer_id for each in drafts if each.paid_for} | received.keys()
    alone = [each for each in drafts if each.customer_id not in concerned]
    rest = [each for each in drafts if each.customer_id in concerned]
    payers = _payers(conn, terms.tenant_id, concerned)
    return list(in_order_of_numbers(chain(alone, _joined(terms, payers, rest, received))))


def _joined(
    terms: RunTerms,
    payers: Mapping[CustomerId, Payer],
    drafts: Iterable[Invoice],
    received: Received,
) -> Iterator[Invoice]:
    by_payer: defaultdict[CustomerId, list[Invoice]] = defaultdict(list)
    for draft in drafts:
        by_payer[draft.customer_id].append(draft)
    for payer_id, payer in payers.items():
        yield from put_together(terms, payer, by_payer[payer_id], received.get(payer_id, ()))


def _waiting(conn: Connection, terms: RunTerms, query: str) -> Received:
    """What other tenants handed over by the run's instant, by who pays for it now."""
    rows = conn.execute(
        sql.load(f"postgres/queries/{query}"),
        {"tenant_id": terms.tenant_id, "as_of": terms.as_of},
    )
    groups = [store.received_group(row) for row in rows]
    if not groups:
        return {}
    buyers = buyers_of(conn, terms.tenant_id, list({each.customer_id for each in groups}))
    found: defaultdict[CustomerId, list[ReceivedGroup]] = defaultdict(list)
    for group in groups:
        found[buyers[group.customer_id].customer_id].append(group)
    return dict(found)


def _payers(
    conn: Connection, tenant_id: TenantId, ids: Collection[CustomerId]
) -> dict[CustomerId, Payer]:
    """By id, in the order of their ids."""
    buyers = buyers_of(conn, tenant_id, list(ids)).values()
    parties = {each.customer_id: each.party for each in buyers}
    rows = conn.execute(
        sql.load("postgres/queries/select_payer_terms"),
        {"tenant_id": tenant_id, "customer_ids": list(ids)},
    )
    found = {CustomerId(row["id"]): row for row in rows}
    return {
        each: Payer(each, parties.get(each, {}), found[each]["time_zone"], _apart(found[each]))
        for each in sorted(ids)
    }


def _apart(row: Mapping[str, Any]) -> bool:
    return bool(row["invoices"] == "apart")


def _batches(payers: Sequence[CustomerId], size: int) -> Iterator[Sequence[CustomerId]]:
    for start in range(0, len(payers), size):
        yield payers[start : start + size]


def _write(conn: Connection, clock: Clock, run: BillingRun, made: Invoice, series: UUID) -> None:
    now = clock.now()
    store.insert_drafts(conn, [made], billing_run_id=run.run_id, series_id=series, created_at=now)
    shared = {"tenant_id": run.tenant_id, "invoice_id": made.invoice_id}
    ids = [each.invoice_id for each in made.groups]
    conn.execute(
        sql.load("postgres/queries/join_drafts"), shared | {"ids": ids, "finalised_at": now}
    )
    for group in made.received:
        conn.execute(
            sql.load("postgres/queries/join_received"),
            shared | {"member_tenant_id": group.member_tenant_id, "draft_id": group.draft_id},
        )
