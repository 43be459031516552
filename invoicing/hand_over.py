"""What one tenant drafted for a payer that another one of the same owner invoices.

No transaction sees two tenants. The run of the one writes down what it hands over; this brings it
to the other one, a transaction here, then one there, then one here again. Each bears repetition:
what arrives is known by tenant and draft, so it arrives once, whatever dies in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, TypeVar
from uuid import UUID

from psycopg.types.json import Jsonb

import sql
from core.acting import BILLING, Acting
from core.clock import Clock
from core.ids import InvoiceId, TenantId, format_id
from core.money import Currency, Money
from db.outbox import Change, append
from db.postgres import Connection, Database
from identity.owners import owner_of
from invoicing.document import handed_document
from invoicing.model import Invoice
from invoicing.runs import BillingRun
from invoicing.store import select_invoices
from invoicing.tenants import BillingTenant

CARRY_CHECKPOINTS: Final = ("hand-overs read", "group brought", "groups brought", "arrival noted")
"""Every step after which carrying may be killed; `checkpoint` is called with each once reached."""

_Closed = TypeVar("_Closed")

_OWNERS_DIFFER: Final = "the two tenants have no owner in common"
_AT_ONCE: Final = 500
"""Drafts that share a transaction."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A draft that could not be brought, and why; the next time it is tried again."""

    draft_id: InvoiceId
    reason: str


def hand_over_drafts(conn: Connection, clock: Clock, run: BillingRun) -> None:
    """Mark the run's drafts for payers that another tenant invoices; they get no number here.

    The run must be locked, and all its drafts be in.
    """
    rows = conn.execute(
        sql.load("postgres/queries/hand_over_drafts"),
        {
            "tenant_id": run.tenant_id,
            "billing_run_id": run.run_id,
            "handed_at": clock.now(),
        },
    )
    changes = [
        Change(
            "invoice.handed_over",
            format_id("inv", row["id"]),
            {
                "id": format_id("inv", row["id"]),
                "customer": format_id("cus", row["customer_id"]),
                "to": format_id("ten", row["other_tenant_id"]),
                "total": Money(row["total_minor"], Currency(row["currency"])).as_json(),
            },
        )
        for row in rows
    ]
    append(conn, clock, run.tenant_id, *changes)


def carry_for(
    db: Database,
    clock: Clock,
    tenant_ids: Iterable[TenantId],
    checkpoint: Callable[[str], None] = lambda _: None,
) -> list[Waiting]:
    """Bring what these tenants handed over, and what was handed over to them; fetch the numbers.

    Raises `DependencyDownError` or `ConflictError`: what was brought stays, call again.
    """
    members: dict[TenantId, None] = {}
    for tenant_id in tenant_ids:
        members |= dict.fromkeys(_ends(db, tenant_id))
    return [each for member in members for each in _carry(db, clock, member, checkpoint)]


def gives(db: Database, tenant_id: TenantId) -> bool:
    """Whether the tenant hands anything over: then it is closed before those that invoice it."""
    return tenant_id in _ends(db, tenant_id)


def close_tenants(
    db: Database,
    clock: Clock,
    tenants: Sequence[BillingTenant],
    close: Callable[[BillingTenant], list[_Closed]],
    checkpoint: Callable[[str], None] = lambda _: None,
) -> tuple[list[_Closed], list[Waiting]]:
    """Close tenants so that what one hands over is on the next invoice of the other.

    Those that give are closed first; then it is brought, and the others are closed; then the
    numbers are fetched. What `close` returned, in the order of the tenants, and what still waits.
    """
    ids = [each.tenant_id for each in tenants]
    givers = [each for each in tenants if gives(db, each.tenant_id)]
    closed: dict[TenantId, list[_Closed]] = {}
    for some in (givers, [each for each in tenants if each not in givers]):
        carry_for(db, clock, ids, checkpoint)
        closed |= {each.tenant_id: close(each) for each in some}
    waiting = carry_for(db, clock, ids, checkpoint)
    return [each for tenant_id in ids for each in closed[tenant_id]], waiting


def _ends(db: Database, tenant_id: TenantId) -> list[TenantId]:
    with db.transaction(Acting(tenant_id, BILLING), snapshot=True) as conn:
        rows = conn.execute(
            sql.load("postgres/queries/select_hand_over_ends"), {"tenant_id": tenant_id}
        )
        return [TenantId(row["member_tenant_id"]) for row in rows]


def _carry(
    db: Database, clock: Clock, member: TenantId, checkpoint: Callable[[str], None]
) -> list[Waiting]:
    with db.transaction(Acting(member, BILLING), snapshot=True) as conn:
        rows = conn.execute(
            sql.load("postgres/queries/select_open_hand_overs"), {"tenant_id": member}
        ).fetchall()
    checkpoint("hand-overs read")
    by_home = sorted(rows, key=lambda row: row["home_tenant_id"])
    waiting: list[Waiting] = []
    for home, mine in groupby(by_home, key=lambda row: TenantId(row["home_tenant_id"])):
        some = list(mine)
        for start in range(0, len(some), _AT_ONCE):
            waiting += _bring(db, clock, member, home, some[start : start + _AT_ONCE], checkpoint)
    return waiting


def _bring(
    db: Database,
    clock: Clock,
    member: TenantId,
    home: TenantId,
    rows: Sequence[Mapping[str, Any]],
    checkpoint: Callable[[str], None],
) -> list[Waiting]:
    """Read here, write there, write down here what became of it."""
    left = [row["invoice_id"] for row in rows if row["arrived_at"] is None]
    with db.transaction(Acting(member, BILLING), snapshot=True) as conn:
        drafts = select_invoices(conn, tenant_id=member, ids=left)
        owner = owner_of(conn, member)
    reasons: dict[UUID, str]
    with db.transaction(Acting(home, BILLING)) as conn:
        if owner is not None and owner == owner_of(conn, home):
            reasons = _receive(conn, clock, member, home, drafts, checkpoint)
        else:
            reasons = {each.invoice_id: _OWNERS_DIFFER for each in drafts}
        values = {
            "tenant_id": home,
            "member_tenant_id": member,
            "draft_ids": [row["invoice_id"] for row in rows],
        }
        found = conn.execute(sql.load("postgres/queries/select_received_numbers"), values)
        numbers = {row["draft_id"]: row["number_text"] for row in found}
    checkpoint("groups brought")
    with db.transaction(Acting(member, BILLING)) as conn:
        for row in rows:
            _note(conn, clock, member, row["invoice_id"], reasons, numbers)
    checkpoint("arrival noted")
    return [Waiting(InvoiceId(draft_id), reason) for draft_id, reason in reasons.items()]


def _receive(
    conn: Connection,
    clock: Clock,
    member: TenantId,
    home: TenantId,
    drafts: Sequence[Invoice],
    checkpoint: Callable[[str], None],
) -> dict[UUID, str]:
    """Take in what is for a payer of this tenant; why the rest is not, by draft."""
    rows = conn.execute(
        sql.load("postgres/queries/select_taken_payers"),
        {"tenant_id": home, "member_tenant_id": member},
    )
    payers = {row["other_customer_id"]: row for row in rows}
    reasons: dict[UUID, str] = {}
    for draft in drafts:
        payer = payers.get(draft.customer_id)
        if reason := _refusal(payer, draft):
            reasons[draft.invoice_id] = reason
            continue
        assert payer is not None
        conn.execute(
            sql.load("postgres/queries/insert_received_group"),
            {
                "tenant_id": home,
                "member_tenant_id": member,
                "draft_id": draft.invoice_id,
                "customer_id": payer["customer_id"],
                "currency": draft.currency.code,
                "total_minor": draft.total_minor,
                "document": Jsonb(handed_document(draft)),
                "issued_at": draft.issued_at,
                "arrived_at": clock.now(),
            },
        )
        checkpoint("group brought")
    return reasons


def _refusal(payer: Mapping[str, Any] | None, draft: Invoice) -> str | None:
    if payer is None:
        return "nobody there took this customer"
    if payer["deleted_at"] is not None:
        return f"customer {payer['slug']!r} there was deleted"
    if payer["currency"] != draft.currency.code:
        return f"customer {payer['slug']!r} there has {payer['currency']}, not {draft.currency}"
    return None


def _note(
    conn: Connection,
    clock: Clock,
    member: TenantId,
    draft_id: UUID,
    reasons: Mapping[UUID, str],
    numbers: Mapping[UUID, str],
) -> None:
    reason, number = reasons.get(draft_id), numbers.get(draft_id)
    changed = conn.execute(
        sql.load("postgres/queries/update_hand_over"),
        {
            "tenant_id": member,
            "invoice_id": draft_id,
            "arrived_at": None if reason else clock.now(),
            "waits_for": reason,
            "number_text": number,
        },
    ).fetchone()
    if changed is not None and number is not None:
        told = {"id": format_id("inv", draft_id), "number": number}
        append(conn, clock, member, Change("invoice.taken_over", told["id"], told))
