"""Commands on subscriptions: locked, brought up to date, applied, checked, written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import sql
from core.clock import Clock
from core.errors import BusinessLogicError, PreconditionError, ValidationError
from core.ids import TenantId, format_id
from db.postgres import Connection
from subscriptions.commands import Command
from subscriptions.contracts.checks import check_custom_prices
from subscriptions.customers.customer import lock_customers, read_customer, refuse_deleted
from subscriptions.errors import SubscriptionNotFoundError
from subscriptions.life.checks import Version, check_addons, check_buys, check_overlap, find_version
from subscriptions.life.lifecycle import OVER
from subscriptions.life.phases import laid_out, phased_versions
from subscriptions.life.standing import Standing, steps_until
from subscriptions.life.store import save
from subscriptions.life.subscription import (
    Subscription,
    find_subscription,
    subscription_key,
)
from subscriptions.life.timeline import Terms, joined


def perform(
    conn: Connection,
    clock: Clock,
    tenant_id: TenantId,
    name: str,
    command: Command,
    *,
    as_of: datetime | None = None,
    revision: int | None = None,
) -> Subscription:
    """Do something to the subscription with this id or slug, at `as_of` or now; as it is then.

    What comes by itself up to that instant comes first. `revision` is what the caller read. A
    command that changes nothing writes nothing. Raises `SubscriptionNotFoundError`,
    `PreconditionError` for another revision, `ValidationError` for an instant in the future,
    `BusinessLogicError` for one before the last change or in what is invoiced,
    `ConflictError` where another subscription prices the same usage, or for a customer that was
    deleted, `ValidationError` where a price of the customer's own does not fit, and what the
    command raises.
    """
    at = _instant(clock, as_of)
    known = lock(conn, tenant_id, name)
    if revision is not None and revision != known.revision:
        raise PreconditionError(
            f"If-Match: subscription {known.slug!r} is at revision {known.revision} by now, not"
            f" {revision}; read it again and decide",
            field="If-Match",
        )
    known = bring_up_to_date(conn, clock, known, at)
    if at < known.standing.at:
        raise BusinessLogicError(
            f"as_of: the last change of subscription {known.slug!r} was at"
            f" {known.standing.at.isoformat()}; give that instant or a later one",
            field="as_of",
        )
    after = command.apply(known.standing, at, known.cycle)
    if after == known.standing:
        return known
    if known.standing.status in OVER:
        refuse_deleted(read_customer(conn, tenant_id, format_id("cus", known.customer_id)))
    after = _in_phases(conn, known, _fitting(conn, known, after), at)
    if replace(after, at=known.standing.at) == known.standing:
        return known
    saved = save(conn, clock, known, command.name, after)
    check_overlap(conn, saved)
    check_custom_prices(conn, saved)
    return saved


def bring_up_to_date(
    conn: Connection, clock: Clock, known: Subscription, as_of: datetime
) -> Subscription:
    """Write down what came by itself up to `as_of`, each step at its own instant."""
    for step in steps_until(known.standing, as_of):
        known = save(conn, clock, known, step.name, step.standing)
    return known


def lock(conn: Connection, tenant_id: TenantId, name: str) -> Subscription:
    """The subscription, locked until commit, after its customer: always in this order.

    Raises `SubscriptionNotFoundError`.
    """
    row = conn.execute(
        sql.load("postgres/queries/select_subscription_customer"),
        {"tenant_id": tenant_id, **subscription_key(name)},
    ).fetchone()
    if row is None:
        raise SubscriptionNotFoundError(
            f"subscription: there is none called {name!r}", subscription=name
        )
    lock_customers(conn, tenant_id, [row["customer_id"]])
    values = {"tenant_id": tenant_id, "id": row["id"]}
    conn.execute(sql.load("postgres/queries/lock_subscription"), values)
    return find_subscription(conn, tenant_id, format_id("sub", row["id"]))


def _instant(clock: Clock, as_of: datetime | None) -> datetime:
    now = clock.now()
    if as_of is not None and as_of > now:
        raise ValidationError(
            f"as_of: {as_of.isoformat()} lies in the future; give an instant up to"
            f" {now.isoformat()}, or say when it is to happen",
            field="as_of",
        )
    return as_of or now


def _fitting(conn: Connection, known: Subscription, after: Standing) -> Standing:
    """The same without quantities that a plan version does not know, as one that is planned may.

    Raises where something came in that the customer cannot buy, or that no version knows.
    """
    before, bought = _bought(known.standing), _bought(after)
    if before == bought:
        return after
    had, wanted = (
        {each for version_id, addons, _ in some for each in (version_id, *addons)}
        for some in (before, bought)
    )
    versions = {
        each: find_version(conn, known.tenant_id, version_id=each) for each in sorted(wanted)
    }
    for each in sorted(wanted - had):
        payer = f"subscription {known.slug!r}"
        check_buys(versions[each], known.currency, known.interval, payer=payer)
    for version_id, addons, _ in bought:
        check_addons(versions[version_id], [versions[each] for each in addons])
    agreed = frozenset().union(*(version.agreed for version in versions.values()))
    keys = frozenset().union(*(keys for _, _, keys in bought))
    versions[after.plan_version_id].check_quantities(keys - agreed)
    return _pruned(after, versions)


def _in_phases(conn: Connection, known: Subscription, after: Standing, at: datetime) -> Standing:
    """The same with what is planned from `at` on in the phases of its plans."""
    if after.terms == known.standing.terms:
        return after
    versions = sorted({each.plan_version_id for each in after.terms})
    plans = phased_versions(conn, known.tenant_id, versions)
    return replace(after, terms=laid_out(after.terms, at, plans, known.cycle.zone))


def _pruned(standing: Standing, versions: Mapping[UUID, Version]) -> Standing:
    def fitting(terms: Terms) -> Terms:
        known = versions[terms.plan_version_id].agreed
        return replace(
            terms, quantities={key: each for key, each in terms.quantities.items() if key in known}
        )

    terms = joined(fitting(each) for each in standing.terms)
    return replace(standing, terms=terms).holding(fitting(standing.chosen(standing.at)))


def _bought(standing: Standing) -> set[tuple[UUID, frozenset[UUID], frozenset[str]]]:
    """The plan versions, each with its add-ons and the keys of its quantities, now or any time."""
    held = [standing.chosen(standing.at), *standing.terms]
    return {
        (each.plan_version_id, frozenset(each.addons), frozenset(each.quantities)) for each in held
    }
