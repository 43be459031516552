"""How a subscription stands, written down: its row, its terms and pauses, its changes and events.

All in the transaction of the caller, who holds the lock; what was known stays on record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from psycopg.types.json import Jsonb

import sql
from core.clock import Clock
from core.errors import BusinessLogicError
from core.ids import SubscriptionId, TenantId, format_id, new_uuid
from core.period import Period
from db import outbox
from db.postgres import Connection
from subscriptions.life.lifecycle import Status
from subscriptions.life.standing import Standing, Step, next_step_at
from subscriptions.life.subscription import (
    Subscription,
    addon_texts,
    find_subscription,
    quantity_texts,
)
from subscriptions.life.timeline import Pause, Terms, billed, terms_at

_TICK: Final = timedelta(microseconds=1)
_Stretch = TypeVar("_Stretch", Terms, Pause)


def insert(conn: Connection, clock: Clock, made: Subscription, steps: Sequence[Step]) -> bool:
    """Write a new subscription down, which came here by `steps`; False where its slug is taken."""
    now = clock.now()
    row = _row(made, made.standing, now) | {
        "tenant_id": made.tenant_id,
        "slug": made.slug,
        "customer_id": made.customer_id,
        "plan_id": made.plan_id,
        "billing_cycle": str(made.interval),
        "currency": made.currency.code,
        "time_zone": made.time_zone,
        "anchor_at": made.anchor,
        "activation": made.standing.activation,
        "billed_until": made.billed_until,
        "opened_at": made.opened_at,
        "came_at": made.came_at,
        "advance_from": made.advance_from,
        "subjects": None if made.subjects is None else list(made.subjects),
    }
    if not conn.execute(sql.load("postgres/queries/insert_subscription"), row).rowcount:
        return False
    _write_stretches(
        conn, clock, made, replace(made.standing, terms=(), pauses=()), made.standing, now
    )
    shown = made.as_resource()
    _record(conn, clock, made, "create", None, shown)
    told = [outbox.Change("subscription.created", shown["id"], shown)]
    status: Status = "FREE"
    for step in steps:
        if step.standing.status != status:
            told.append(status_changed(made.id, status, step.standing, step.name))
        status = step.standing.status
    outbox.append(conn, clock, made.tenant_id, *told)
    return True


def save(
    conn: Connection, clock: Clock, known: Subscription, name: str, after: Standing
) -> Subscription:
    """Let the subscription stand as `after` from now on, because of `name`; as it is then.

    Raises `BusinessLogicError` where that changes what is invoiced already.
    """
    _refuse_invoiced(known, after)
    _refuse_invoiced_in_advance(conn, known, after)
    # Two changes of one instant, by a clock that stands still, are known one after the other.
    recorded_at = max(clock.now(), known.recorded_at + _TICK)
    _write_stretches(conn, clock, known, known.standing, after, recorded_at)
    conn.execute(sql.load("postgres/queries/update_subscription"), _row(known, after, recorded_at))
    saved = find_subscription(conn, known.tenant_id, format_id("sub", known.id))
    before, shown = known.as_resource(), saved.as_resource()
    _record(conn, clock, saved, name, before, shown)
    told = [outbox.Change(f"subscription.{name}", shown["id"], shown)]
    if known.standing.status != after.status:
        told.append(status_changed(saved.id, known.standing.status, after, name))
    outbox.append(conn, clock, known.tenant_id, *told)
    return saved


def status_changed(
    subscription_id: SubscriptionId, before: Status, after: Standing, name: str
) -> outbox.Change:
    """What is told of a change of state: both states, when, and what led from one to the other."""
    shown = format_id("sub", subscription_id)
    facts = {
        "subscription": shown,
        "old_status": before,
        "new_status": after.status,
        "at": after.at.isoformat(),
        "because": name,
    }
    return outbox.Change("subscription.status.changed", shown, facts)


def earliest_period(known: Subscription, standing: Standing) -> Period:
    """The earliest period that is not invoiced: it begins where terms do, or goes on."""
    floor = known.billed_until
    starts = [
        each.start if floor is None else max(each.start, floor)
        for each in standing.terms
        if floor is None or each.end is None or each.end > floor
    ]
    start = min(starts, default=known.period.start)
    found = next(known.cycle.periods_from(start, standing.end), None)
    return found or Period(start, known.cycle.period_of(start).end)


def _refuse_invoiced(known: Subscription, after: Standing) -> None:
    until, before = known.billed_until, known.standing
    start = min(before.start, after.start)
    if until is None or until <= start:
        return
    invoiced = Period(start, until)
    was, now = (billed(each.terms, each.pauses, each.end, invoiced) for each in (before, after))
    if was != now:
        raise BusinessLogicError(
            f"as_of: the subscription is invoiced up to {until.isoformat()}; give that instant or"
            " a later one",
            field="as_of",
        )


def _refuse_invoiced_in_advance(conn: Connection, known: Subscription, after: Standing) -> None:
    """Refuse an end at the instant from which something is invoiced in advance.

    No later invoice would take it back: nothing is left to be invoiced. And where something else
    did that, any change at that instant: what held then says what it has invoiced.
    """
    before = known.standing
    last = max((at for at in (known.billed_until, known.opened_at) if at), default=None)
    if last is None:
        return
    moment = Period(last, last + _TICK)
    was, now = (billed(each.terms, each.pauses, each.end, moment) for each in (before, after))
    if not (last == known.came_at and was != now) and (after.end is None or after.end > last):
        return
    held = terms_at(before.terms, last)
    if held is None or (before.end is not None and before.end <= last):
        return
    versions = [held.plan_version_id, *held.addons]
    query = sql.load("postgres/queries/has_lines_in_advance")
    row = conn.execute(query, {"plan_version_ids": versions}).fetchone()
    if row is not None and row["found"]:
        raise BusinessLogicError(
            f"as_of: the subscription is invoiced in advance from {last.isoformat()} on; give a"
            " later instant",
            field="as_of",
        )


def _stretch_start(known: Subscription, period: Period) -> datetime:
    """Since when it is billed without a break: from its first period, or since it came back."""
    until, ended = known.billed_until, known.standing.end
    closed = until is not None and ended is not None and ended <= until
    if until is None or closed or until < period.start:
        return period.start
    return known.stretch_start or known.standing.start


def _row(known: Subscription, standing: Standing, recorded_at: datetime) -> dict[str, Any]:
    period = earliest_period(known, standing)
    stretch_start = _stretch_start(known, period)
    held = None
    if stretch_start == period.start != known.opened_at:
        held = terms_at(standing.terms, period.start)
    return {
        "id": known.id,
        "plan_version_id": standing.plan_version_id,
        "status": standing.status,
        "ended_at": standing.end,
        "period_start": period.start,
        "period_end": period.end,
        "start_at": standing.start,
        "quantities": Jsonb(quantity_texts(standing.quantities)),
        "addons": Jsonb(addon_texts(standing.addons)),
        "trial_ends_at": standing.trial_ends_at,
        "trial_converts": standing.trial_converts,
        "cancel_at": standing.cancel_at,
        "expires_at": standing.expires_at,
        "over_at": standing.over_at,
        "failed_payments": standing.failed_payments,
        "retry_at": standing.retry_at,
        "grace_ends_at": standing.grace_ends_at,
        "next_step_at": next_step_at(standing),
        "metadata": Jsonb(dict(known.metadata)),
        "valid_from": standing.at,
        "recorded_at": recorded_at,
        "stretch_start": stretch_start,
        "opening_versions": [] if held is None else [held.plan_version_id, *held.addons],
    }


def _write_stretches(
    conn: Connection,
    clock: Clock,
    known: Subscription,
    before: Standing,
    after: Standing,
    recorded_at: datetime,
) -> None:
    shared = {"tenant_id": known.tenant_id, "subscription_id": known.id, "recorded_at": recorded_at}
    gone, come = _differences(before.terms, after.terms)
    if gone:
        query = sql.load("postgres/queries/supersede_subscription_terms")
        conn.execute(query, shared | {"starts": [each.start for each in gone]})
    for terms in come:
        row = shared | {
            "id": new_uuid(clock),
            "plan_version_id": terms.plan_version_id,
            "quantities": Jsonb(quantity_texts(terms.quantities)),
            "addons": Jsonb(addon_texts(terms.addons)),
            "trial": terms.trial,
            "phase": terms.phase,
            "start": terms.start,
            "end": terms.end,
        }
        conn.execute(sql.load("postgres/queries/insert_subscription_terms"), row)
    unpaused, paused = _differences(before.pauses, after.pauses)
    if unpaused:
        query = sql.load("postgres/queries/supersede_subscription_pauses")
        conn.execute(query, shared | {"starts": [each.start for each in unpaused]})
    for pause in paused:
        row = shared | {
            "id": new_uuid(clock),
            "billing": pause.billing,
            "service": pause.service,
            "start": pause.start,
            "end": pause.end,
        }
        conn.execute(sql.load("postgres/queries/insert_subscription_pause"), row)


def _differences(
    before: tuple[_Stretch, ...], after: tuple[_Stretch, ...]
) -> tuple[list[_Stretch], list[_Stretch]]:
    """What is in one and not in the other, both ways."""
    return (
        [each for each in before if each not in after],
        [each for each in after if each not in before],
    )


def _record(
    conn: Connection,
    clock: Clock,
    saved: Subscription,
    name: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any],
) -> None:
    conn.execute(
        sql.load("postgres/queries/insert_subscription_change"),
        {
            "id": new_uuid(clock),
            "tenant_id": TenantId(saved.tenant_id),
            "subscription_id": saved.id,
            "revision": saved.revision,
            "change": name,
            "before": None if before is None else Jsonb(before),
            "after": Jsonb(after),
            "effective_at": saved.standing.at,
            "now": clock.now(),
        },
    )
