"""One row on its way in: made, or compared with what is there.

What it makes is made by the functions of API and commands, so every check holds. What is there
stays as it is: a customer is compared as it is now, a subscription as it was when it was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal

from core.calendar.cycle import Cycle
from core.calendar.intervals import Interval
from core.calendar.zones import parse_time_zone
from core.clock import Clock, ManualClock
from core.errors import ValidationError
from core.ids import TenantId, parse_id
from db.postgres import Connection
from subscriptions.commands import Cancel, PauseCommand
from subscriptions.commands.bodies import addons_of, quantities_of
from subscriptions.customers.customer import Customer, find_customer, refuse_deleted
from subscriptions.customers.facts import NewCustomer
from subscriptions.customers.register import create_customer, known_as, with_facts
from subscriptions.customers.subjects import SINCE_EVER, link_subject
from subscriptions.life.change_history import changes_of
from subscriptions.life.checks import Version, find_version
from subscriptions.life.create import Done, NewSubscription, create_subscription, draw_up
from subscriptions.life.subscription import Subscription, page_of_subscriptions
from subscriptions.moving.rows import SubjectRow, SubscriptionRow, instant

Outcome = Literal["created", "equal", "different"]
Brought = tuple[Outcome, tuple[str, ...]]
"""What became of a row, and the fields in which it differs from what is there."""

_COMPARED: Final = (
    "customer", "plan", "status", "billing_cycle", "anchor", "start",
    "trial_ends_at", "trial_converts", "cancel_at", "expires_at", "ended_at", "quantities",
    "subjects", "pause", "billed_until", "advance_billed_until", "metadata",
)  # fmt: skip


def bring_customer(
    conn: Connection, clock: Clock, tenant_id: TenantId, new: NewCustomer
) -> Brought:
    """Make the customer, or compare it. Raises as `create_customer`."""
    known = known_as(conn, tenant_id, new.slug)
    if known is None:
        create_customer(conn, clock, tenant_id, new)
        return "created", ()
    refuse_deleted(known)
    was, wanted = known.as_row(), with_facts(conn, known, new).as_row()
    fields = tuple(name for name in was if was[name] != wanted[name])
    return _compared(fields)


def bring_subject(conn: Connection, clock: Clock, tenant_id: TenantId, row: SubjectRow) -> Brought:
    """Link the subject. Raises as `link_subject`."""
    customer = find_customer(conn, tenant_id, row.customer)
    zone = parse_time_zone(customer.time_zone)
    since = SINCE_EVER if row.valid_from is None else instant(row.valid_from, zone, "from")
    until = None if row.valid_to is None else instant(row.valid_to, zone, "to")
    _, is_new = link_subject(conn, clock, customer, row.subject, since, until)
    return "created" if is_new else "equal", ()


def bring_subscription(
    conn: Connection, clock: Clock, tenant_id: TenantId, row: SubscriptionRow
) -> Brought:
    """Make the subscription, or compare it with what was made then. Raises as its creation."""
    customer = find_customer(conn, tenant_id, row.customer)
    version = find_version(conn, tenant_id, plan=row.plan, number=row.version)
    addons = [each for each in addons_of(conn, tenant_id, row.addons) if each[1]]
    found = page_of_subscriptions(conn, tenant_id, slug=row.slug, limit=1)
    if not found:
        new, done = _meant(row, customer, addons, clock)
        if new.billed_through is None and new.start < clock.now():
            raise ValidationError(
                "billed_through: missing; all since the start,"
                f" {new.start.isoformat()}, would be billed. Say up to when it is billed"
                " already, or give the start to bill all of it",
                field="billed_through",
            )
        create_subscription(conn, clock, customer, version, new, done)
        return "created", ()
    return _compared(_differences(conn, found[0], row, customer, version, addons))


def _differences(
    conn: Connection,
    known: Subscription,
    row: SubscriptionRow,
    customer: Customer,
    version: Version,
    addons: list[tuple[Version, Any]],
) -> tuple[str, ...]:
    """The fields in which the row would have made another one, at the instant it was made."""
    [first, *_] = [*changes_of(conn, known.tenant_id, known.id, limit=1), None]
    was, at = known.as_resource(), known.recorded_at
    if first is not None:
        was, at = first.before or first.after, first.created_at
    then = ManualClock(at)
    lived = replace(customer, time_zone=known.time_zone, currency=known.currency)
    new, done = _meant(row, lived, addons, then)
    made, _ = draw_up(then, lived, version, new, done)
    wanted = made.as_resource()
    # What was written down before there was a field says nothing of it.
    fields: list[str] = [name for name in _COMPARED if name in was and was[name] != wanted[name]]
    sold = {
        find_version(conn, known.tenant_id, version_id=parse_id("plv", each)).plan: many
        for each, many in was["addons"].items()
    }
    if sold != {addon.plan: f"{many:f}" for addon, many in addons}:
        fields.append("addons")
    if row.version is not None and was["plan_version"] != row.version:
        fields.append("version")
    return tuple(fields)


def _meant(
    row: SubscriptionRow, customer: Customer, addons: list[tuple[Version, Any]], clock: Clock
) -> tuple[NewSubscription, list[Done]]:
    """The subscription that a row means, and what was done to it before it came here."""
    zone = parse_time_zone(customer.time_zone)
    told = {
        name: instant(value, zone, name)
        for name in SubscriptionRow.model_fields
        if isinstance(value := getattr(row, name), datetime)
    }
    start = told["start"]
    anchor = told.get("anchor", start)
    interval = Interval.parse(row.billing_cycle, "billing_cycle")
    cycle = Cycle(anchor, zone, interval)
    _check_current_period(cycle, told.get("current_period_start"))
    new = NewSubscription(
        slug=row.slug,
        start=start,
        interval=interval,
        anchor=anchor,
        trial_ends_at=told.get("trial_ends_at"),
        trial_converts=row.trial_converts,
        expires_at=told.get("expires_at"),
        quantities=quantities_of(row.quantities) or {},
        subjects=row.subjects,
        metadata=row.metadata,
        addons={addon.id: many for addon, many in addons},
        billed_through=told.get("billed_through"),
        advance_billed_until=told.get("advance_billed_until"),
        cut_period=row.cut_period,
    )
    return new, _done(row, told, cycle, clock.now())


def _check_current_period(cycle: Cycle, begins: datetime | None) -> None:
    """Refuse a row whose period does not begin where its anchor says."""
    if begins is None:
        return
    whole = cycle.period_of(begins)
    if whole.start != begins:
        raise ValidationError(
            f"current_period_start: {begins.isoformat()} is no boundary: periods step from the"
            f" anchor {cycle.anchor.isoformat()} to {whole.start.isoformat()} and"
            f" {whole.end.isoformat()}; give the anchor that its periods step from",
            field="current_period_start",
        )


def _done(
    row: SubscriptionRow, told: Mapping[str, datetime], cycle: Cycle, now: datetime
) -> list[Done]:
    done: list[Done] = []
    if "paused_since" in told:
        done.append((told["paused_since"], PauseCommand(until=told.get("paused_until"))))
    elif "paused_until" in told:
        raise ValidationError(
            "paused_until: it is not paused; give paused_since", field="paused_since"
        )
    end = told.get("cancel_at")
    if row.cancel_at_period_end:
        if end is not None:
            raise ValidationError(
                "cancel_at: give it, or cancel_at_period_end, not both", field="cancel_at"
            )
        if "current_period_start" not in told:
            raise ValidationError(
                "current_period_start: missing; say which period it is canceled with",
                field="current_period_start",
            )
        end = cycle.period_of(told["current_period_start"]).end
    if end is not None:
        done.append((min(end, now), Cancel(end)))
    return done


def _compared(fields: tuple[str, ...]) -> Brought:
    return ("different", fields) if fields else ("equal", ())
