"""Contracts are made and ended. What is invoiced already stays as it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

import sql
from catalog.meter_definition import check_name, check_slug
from catalog.meter_register import check_metadata
from core.clock import Clock
from core.errors import BusinessLogicError, ValidationError
from core.ids import ContractId, TenantId, format_id
from db.outbox import Change, append
from db.postgres import Connection
from subscriptions.commands import Cancel, Extend
from subscriptions.contracts.body import NewContractBody
from subscriptions.contracts.checks import (
    check_fit,
    check_term,
    refuse_clashes,
    refuse_invoiced,
)
from subscriptions.contracts.contract import Contract, find_contract
from subscriptions.contracts.negotiated import negotiated_with
from subscriptions.contracts.writing import Writing, insert_enterprise_price
from subscriptions.customers.customer import Customer, find_customer, lock_customers
from subscriptions.life.lifecycle import OVER
from subscriptions.life.operate import lock, perform
from subscriptions.life.subscription import Subscription, find_subscription, page_of_subscriptions

_ALL: Final = 1_000_000


def create_contract(
    conn: Connection, clock: Clock, tenant_id: TenantId, body: NewContractBody
) -> Contract:
    """Agree on something with a customer.

    Raises `ValidationError` and `NotFoundError` naming the field, `ConflictError` for a slug in use
    or where another contract says otherwise, `BusinessLogicError` for a term that begins in what is
    invoiced already.
    """
    check_name(body.name)
    check_slug(body.slug)
    check_metadata(body.metadata)
    customer = find_customer(conn, tenant_id, body.customer)
    scope = _locked(conn, tenant_id, customer.id, _subscription_of(conn, customer, body))
    start = body.start or clock.now()
    check_term(start, body.end, "end")
    if body.subscription is None and (body.minimum is not None or body.expires):
        field = "minimum" if body.minimum is not None else "expires"
        raise ValidationError(f"{field}: say of which subscription", field="subscription")
    if body.expires and body.end is None:
        raise ValidationError("expires: the contract has no end; give one", field="end")
    refuse_invoiced(scope, start, "start")
    new = Writing(conn, clock, customer, scope[0] if body.subscription else None, body)
    negotiated = new.negotiated()
    known = negotiated_with(conn, tenant_id, [customer.id])[customer.id]
    refuse_clashes(known, negotiated)
    for each in scope:
        check_fit(conn, each, known.prices + negotiated.prices)
    new.write(negotiated)
    if body.expires and body.subscription is not None:
        perform(conn, clock, tenant_id, body.subscription, Extend(body.end))
    return _told(conn, clock, tenant_id, new.contract_id, "created")


def end_contract(
    conn: Connection, clock: Clock, tenant_id: TenantId, name: str, at: datetime | None = None
) -> Contract:
    """End a contract at an instant (None: now) before its term is over.

    At its start: it never held. From then on the plan's prices hold again, and one that `expires`
    cancels its subscription. Again changes nothing. Raises `ContractNotFoundError`, and
    `BusinessLogicError` for an instant that is invoiced already, or a contract that ended before.
    """
    customer_id = find_contract(conn, tenant_id, name).customer_id
    lock_customers(conn, tenant_id, [customer_id])
    known = find_contract(conn, tenant_id, name)
    end = max(at or clock.now(), known.start)
    if known.ended_at is not None and (at is None or known.ended_at == end):
        return known
    scope = _locked(conn, tenant_id, customer_id, known.subscription)
    over = known.ended_at or known.end
    if over is not None and over <= end:
        raise BusinessLogicError(
            f"at: contract {known.slug!r} ends at {over.isoformat()} already; give an earlier"
            " instant",
            field="at",
        )
    refuse_invoiced(scope, end, "at")
    _cut(conn, clock, known, end)
    if known.expires:
        _cancel(conn, clock, scope[0], end)
    return _told(conn, clock, tenant_id, known.id, "ended")


def _subscription_of(conn: Connection, customer: Customer, body: NewContractBody) -> str | None:
    if body.subscription is None:
        return None
    found = find_subscription(conn, customer.tenant_id, body.subscription)
    if found.customer_id != customer.id:
        raise ValidationError(
            f"subscription: {found.slug!r} is one of customer {found.customer!r}, not of"
            f" {customer.slug!r}",
            field="subscription",
        )
    return found.slug


def _locked(
    conn: Connection, tenant_id: TenantId, customer_id: UUID, subscription: str | None
) -> list[Subscription]:
    """The subscriptions that a contract is for: nobody changes or bills them until commit."""
    if subscription is not None:
        return [lock(conn, tenant_id, subscription)]
    found = page_of_subscriptions(conn, tenant_id, customer_id=customer_id, limit=_ALL)
    ids = sorted(each.id for each in found)
    return [lock(conn, tenant_id, format_id("sub", each)) for each in ids]


def _cut(conn: Connection, clock: Clock, known: Contract, at: datetime) -> None:
    """Let the contract end at an instant, and its prices with it."""
    tenant_id = known.tenant_id
    prices = negotiated_with(conn, tenant_id, [known.customer_id])[known.customer_id].prices
    values = {"tenant_id": tenant_id, "id": known.id, "at": at, "now": clock.now()}
    row = conn.execute(sql.load("postgres/queries/end_contract"), values).fetchone()
    assert row is not None
    recorded_at = row["recorded_from"]
    conn.execute(
        sql.load("postgres/queries/supersede_enterprise_prices"),
        {"contract_id": known.id, "at": at, "recorded_at": recorded_at},
    )
    for own in prices:
        goes_on = own.end is None or own.end > at
        if own.contract_id == known.id and goes_on and own.start < at:
            kept = replace(own, end=at)
            insert_enterprise_price(conn, clock, tenant_id, known.customer_id, kept, recorded_at)


def _cancel(conn: Connection, clock: Clock, subscription: Subscription, at: datetime) -> None:
    """Cancel the subscription of a contract that ends early, unless it is over before."""
    stands = subscription.standing
    if stands.status in OVER or (stands.cancel_at is not None and stands.cancel_at <= at):
        return
    name = format_id("sub", subscription.id)
    if at <= clock.now():
        perform(conn, clock, subscription.tenant_id, name, Cancel("now"), as_of=at)
    else:
        perform(conn, clock, subscription.tenant_id, name, Cancel(at))


def _told(
    conn: Connection, clock: Clock, tenant_id: TenantId, contract_id: ContractId, what: str
) -> Contract:
    found = find_contract(conn, tenant_id, format_id("ctr", contract_id))
    shown = found.as_resource()
    append(conn, clock, tenant_id, Change(f"contract.{what}", shown["id"], shown))
    return found
