"""From due periods to draft invoices, with reads only: what run and preview share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, TypeVar
from uuid import UUID

import psycopg

import sql
from catalog.meters import MeterDefinition
from core.acting import BILLING, Acting
from core.errors import (
    ConflictError,
    DependencyDownError,
    TollbookError,
)
from core.ids import CustomerId, MeterId, SubscriptionId, TenantId
from core.period import Period
from db.postgres import Connection, Database
from invoicing.assemble import assemble
from invoicing.billed_lines import Plans, billed_lines, plans_of
from invoicing.model import OPENING_KIND, Billable, Invoice, PaidFor, PlanLine, RunTerms, Section
from invoicing.own_periods import has_advance, own_sections
from invoicing.rating_frames import parts_of
from invoicing.settings import party
from invoicing.settling import Account
from invoicing.store import read_accounts
from invoicing.usage_source import DueKey, Reading, Stretch, UsageSource, block_usage
from invoicing.ways import ways_of
from subscriptions.contracts.negotiated import negotiated_with
from subscriptions.periods import DuePeriod, due_periods
from subscriptions.whole_life import PaidSubject, read_paid_subjects

_T = TypeVar("_T")

_NOT_THE_CUSTOMERS_FAULT: Final = (ConflictError, DependencyDownError)
_CUSTOMERS_FAULT: Final = (TollbookError, psycopg.DataError, psycopg.IntegrityError)


def due_blocks(
    db: Database, tenant_id: TenantId, terms: RunTerms, block_customers: int
) -> Iterator[list[DuePeriod]]:
    """The tenant's due periods, in blocks of whole customers, each read when it is asked for."""
    block: list[DuePeriod] = []
    customers = 0
    every = _all_due(db, tenant_id, terms.as_of, 2 * block_customers)
    for _, of_one in groupby(every, key=attrgetter("customer_id")):
        block += of_one
        customers += 1
        if customers == block_customers:
            yield block
            block, customers = [], 0
    if block:
        yield block


def _all_due(db: Database, tenant_id: TenantId, as_of: datetime, limit: int) -> Iterator[DuePeriod]:
    """The tenant's due periods in order, `limit` at a time, each page as it is when it is read."""
    after: DuePeriod | None = None
    while True:
        with db.transaction(Acting(tenant_id, BILLING), snapshot=True) as conn:
            page = due_periods(conn, tenant_id, as_of, after, limit)
        yield from page
        if len(page) < limit:
            return
        after = page[-1]


def in_halves(
    block: Sequence[DuePeriod],
    attempt: Callable[[Sequence[DuePeriod]], _T],
    park: Callable[[CustomerId, Exception], None],
) -> Iterator[_T]:
    """Try a block; when a customer's data breaks it, try its halves, and park whoever fails alone.

    So one failing customer costs some 2 x log2(block) tries, and its neighbours nothing else.
    A server that is down or a lock that is held is nobody's fault: the error goes up.
    """
    try:
        yield attempt(block)
    except _NOT_THE_CUSTOMERS_FAULT:
        raise
    except _CUSTOMERS_FAULT as error:
        customers = list(dict.fromkeys(due.customer_id for due in block))
        if len(customers) == 1:
            park(customers[0], error)
            return
        first = set(customers[: len(customers) // 2])
        for half in (
            [due for due in block if due.customer_id in first],
            [due for due in block if due.customer_id not in first],
        ):
            yield from in_halves(half, attempt, park)


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who pays for a customer, as its invoices say; `paid_for` where it is not itself."""

    customer_id: CustomerId
    party: Mapping[str, Any]
    paid_for: PaidFor | None


@dataclass(frozen=True, slots=True)
class Block:
    """What Postgres says of some due periods: what is billed, whose usage, by which meters."""

    billables: list[Billable]
    """Of those of which something is billed."""
    stretches: list[Stretch]
    meters: dict[MeterId, MeterDefinition]
    accounts: dict[SubscriptionId, Account]
    """Of those of which something is, or was, billed in advance."""


def draft_block(
    db: Database, usage: UsageSource, terms: RunTerms, block: Sequence[DuePeriod]
) -> list[Invoice | None]:
    """Draft the invoices of a block: reads and arithmetic, no write, the same each time.

    One per due period, in their order; None where nothing is billed of it.
    """
    with db.transaction(Acting(terms.tenant_id, BILLING), snapshot=True) as conn:
        read = read_block(conn, terms.tenant_id, block)
    drafts = {
        (draft.subscription_id, draft.period.start, draft.kind == OPENING_KIND): draft
        for draft in rate_block(usage, terms, read)
    }
    return [drafts.get((due.subscription_id, due.period.start, due.opening)) for due in block]


def rate_block(usage: UsageSource, terms: RunTerms, block: Block) -> list[Invoice]:
    """The invoices of a block, whose lines may be for parts of their periods."""
    readings = readings_of(block.billables, block.meters)
    used = block_usage(usage, terms.tenant_id, terms.cut, block.stretches, readings)
    return assemble(terms, block.billables, used, block.accounts)


def read_block(conn: Connection, tenant_id: TenantId, block: Sequence[DuePeriod]) -> Block:
    """Read what is to be billed for some due periods, as the transaction sees it."""
    plans = plans_of(conn, tenant_id, block)
    customers = list({due.customer_id for due in block})
    buyers = buyers_of(conn, tenant_id, customers)
    negotiated = negotiated_with(conn, tenant_id, customers)
    billables, times = [], []
    for due in block:
        mine = negotiated[due.customer_id]
        lines = () if due.opening else billed_lines(due, plans, mine)
        own = own_sections(due, plans, mine)
        if lines or own:
            sections = tuple(section for section, _ in own)
            billables.append(_billable(due, lines, sections, plans, buyers))
        if lines:
            times.append(due)
        times += [each for section, each in own if not section.rhythm.in_advance]
    meters = {meter.id: meter for plan in plans.values() for meter in plan.meters}
    accounts = read_accounts(conn, tenant_id, _since(block, billables, plans))
    return Block(billables, _stretches(conn, times), meters, accounts)


def _since(
    block: Sequence[DuePeriod], billables: Sequence[Billable], plans: Plans
) -> dict[SubscriptionId, datetime]:
    """From when on it matters what subscriptions were billed in advance, of those that were."""
    since = {due.subscription_id: due.period.start for due in block if has_advance(due, plans)}
    for billable in billables:
        for section in billable.sections:
            if section.rhythm.in_advance:
                known = since[billable.subscription_id]
                since[billable.subscription_id] = min(known, section.whole.start)
    return since


def _billable(
    due: DuePeriod,
    lines: tuple[PlanLine, ...],
    sections: tuple[Section, ...],
    plans: Plans,
    buyers: Mapping[UUID, Buyer],
) -> Billable:
    """A due period with what its invoice says: the plan is the one that held last."""
    buyer = buyers[due.customer_id]
    held = due.terms
    if not held:  # only what was billed in advance is settled
        assert due.life is not None
        held = tuple(each for each in due.life.terms if each.start <= due.at)
    version_id = held[-1].plan_version_id
    plan = plans[version_id, due.billing_cycle]
    return Billable(
        customer_id=buyer.customer_id,
        subscription_id=due.subscription_id,
        plan_version_id=version_id,
        period=due.period,
        time_zone=due.time_zone,
        currency=due.currency,
        buyer=buyer.party,
        plan={"name": plan.name, "version": plan.version},
        lines=lines,
        whole=due.whole,
        paid_for=buyer.paid_for,
        opening=due.opening,
        sections=sections,
    )


def readings_of(
    billables: Sequence[Billable], meters: Mapping[MeterId, MeterDefinition]
) -> dict[DueKey, list[Reading]]:
    """What each due period reads of usage: a reading for each of its lines that has a meter."""
    ways = ways_of(line.price for _, part in parts_of(billables) for line in part.lines)
    found: defaultdict[DueKey, list[Reading]] = defaultdict(list)
    for each, part in parts_of(billables):
        found[each.subscription_id, part.period] += [
            Reading(meters[line.meter_id], line.span_in(part.period), ways[line.price.price_id])
            for line in part.lines
            if line.meter_id is not None
        ]
    return dict(found)


def _stretches(conn: Connection, block: Sequence[DuePeriod]) -> list[Stretch]:
    """When the customer of each due period pays for which subject: the period, or parts of it."""
    partial = [due for due in block if due.partial_subjects]
    paid: defaultdict[tuple[UUID, str], list[PaidSubject]] = defaultdict(list)
    for each in read_paid_subjects(conn, sorted({due.customer_id for due in partial})):
        paid[each.customer_id, each.subject].append(each)
    return [
        Stretch(due, subject, span)
        for due in block
        for subject in due.subjects
        for span in (
            _spans(due.period, paid[due.customer_id, subject])
            if subject in due.partial_subjects
            else [due.period]
        )
    ]


def _spans(period: Period, paid: Sequence[PaidSubject]) -> list[Period]:
    """What one customer pays for one subject's usage of the period."""
    return [
        Period(max(period.start, since), min(period.end, until or period.end))
        for _, _, since, until in paid
        if since < period.end and (until is None or until > period.start)
    ]


def buyers_of(
    conn: Connection, tenant_id: TenantId, customer_ids: Sequence[CustomerId]
) -> dict[UUID, Buyer]:
    """Who pays for each of these customers, by its id."""
    rows = conn.execute(
        sql.load("postgres/queries/select_buyers"),
        {"tenant_id": tenant_id, "customer_ids": customer_ids},
    )
    return {row["customer_id"]: _buyer(row) for row in rows}


def _buyer(row: Mapping[str, Any]) -> Buyer:
    told = party(row["billing_info"], "billing_info", default_name=row["name"])
    paid_for = None
    if row["id"] != row["customer_id"]:
        paid_for = PaidFor(CustomerId(row["customer_id"]), row["customer_name"])
    return Buyer(CustomerId(row["id"]), told, paid_for)
