"""New subscriptions: begun now, earlier or later, with a trial or without, each slug once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

import sql
from catalog.meter_definition import check_slug
from catalog.meter_register import check_metadata
from core.calendar.cycle import Cycle
from core.calendar.intervals import MONTHLY, Interval
from core.calendar.zones import instant_of, parse_time_zone, wall_of
from core.clock import Clock
from core.errors import ConflictError, ValidationError
from core.ids import SubscriptionId, TenantId, new_uuid
from core.instants import check_instant
from core.money import Currency
from core.period import Period
from db.postgres import Connection
from identity.settings import held_settings, settings_of
from subscriptions.commands.base import Command
from subscriptions.contracts.checks import check_custom_prices
from subscriptions.customers.customer import Customer
from subscriptions.errors import LimitReachedError
from subscriptions.life.change_history import changes_of
from subscriptions.life.checks import (
    Version,
    check_addons,
    check_buys,
    check_overlap,
    check_subjects,
    find_version,
)
from subscriptions.life.phases import laid_out, trial_end
from subscriptions.life.standing import Activation, Standing, Step, steps_until
from subscriptions.life.store import earliest_period, insert
from subscriptions.life.subscription import Subscription, page_of_subscriptions

Anchoring = Literal["anniversary", "calendar", "trial_end"]
Done = tuple[datetime, Command]
"""What was done to a subscription, and when."""

ANCHORINGS: Final[tuple[Anchoring, ...]] = get_args(Anchoring)


@dataclass(frozen=True, slots=True)
class NewSubscription:
    """What a subscription is created with.

    `start` may lie in the past or the future. `anchor` is where periods step from: the start
    (`anniversary`), the first day of its month or year, or its Monday (`calendar`), or the end of
    the trial; or an instant. `expires_at` is a contract's end. `subjects` are those that it owns.
    `currency` is one of those that the plan is sold in; None: the customer's. A trial lasts until
    `trial_ends_at`, without one as long as the trial of the plan, unless a payment comes first.
    `addons` are plan versions, each so many times. What lies before `billed_through` is billed
    already, elsewhere; only with `cut_period` may that be within a period. Lines in advance are
    billed there for own periods that begin before `advance_billed_until`, too; None: where
    `billed_through` has come, for those under way then.
    """

    slug: str
    start: datetime
    interval: Interval = MONTHLY
    anchor: Anchoring | datetime = "anniversary"
    activation: Activation = "start"
    trial_ends_at: datetime | None = None
    trial_converts: bool = True
    expires_at: datetime | None = None
    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    subjects: Sequence[str] | None = None
    currency: Currency | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    addons: Mapping[UUID, Decimal] = field(default_factory=dict)
    billed_through: datetime | None = None
    cut_period: bool = False
    advance_billed_until: datetime | None = None

    def trying(self, version: Version, zone: ZoneInfo) -> NewSubscription:
        """The same with the end of its trial, which the plan may say.

        Raises `ValidationError` where it says what becomes of a trial that there is none of.
        """
        end = self.trial_ends_at
        if end is None and self.activation == "start":
            end = trial_end(version.phased, self.start, zone)
        if not self.trial_converts and end is None:
            raise ValidationError(
                "trial_converts: there is no trial; give its end", field="trial_ends_at"
            )
        return replace(self, trial_ends_at=end)

    def __post_init__(self) -> None:
        check_slug(self.slug)
        check_metadata(self.metadata)
        for name in (
            "start", "anchor", "trial_ends_at", "expires_at", "billed_through",
            "advance_billed_until",
        ):  # fmt: skip
            if isinstance(at := getattr(self, name), datetime):
                check_instant(at, name)
        for name in ("trial_ends_at", "expires_at"):
            at = getattr(self, name)
            if at is not None and at <= self.start:
                raise ValidationError(
                    f"{name}: {at.isoformat()} is not after the start, {self.start.isoformat()}",
                    field=name,
                )
        if self.activation == "payment" and self.trial_ends_at is not None:
            raise ValidationError(
                "activation: a trial begins without a payment; leave one of them out",
                field="activation",
            )


def create_subscription(
    conn: Connection,
    clock: Clock,
    customer: Customer,
    version: Version,
    new: NewSubscription,
    done: Sequence[Done] = (),
) -> Subscription:
    """Subscribe a customer, and bring the subscription up to now.

    `done` are commands of the time before now, where it comes from elsewhere. `customer` must come
    from this transaction, which holds its lock, and the limit's (`hold_limit`) before it. Raises
    `ConflictError` for a slug in use, or where
    another subscription prices the same usage at the same time, `BusinessLogicError` for a version
    that cannot be bought, `ValidationError` naming the field, and what the commands raise.
    """
    currency = new.currency or customer.currency
    addons = [find_version(conn, customer.tenant_id, version_id=each) for each in new.addons]
    for each in (version, *addons):
        check_buys(each, currency, new.interval, payer=f"customer {customer.slug!r}")
    version.check_quantities(new.quantities)
    check_addons(version, addons)
    _refuse_too_many(conn, customer.tenant_id)
    made, steps = draw_up(clock, customer, version, new, done)
    if not insert(conn, clock, made, steps):
        raise ConflictError(
            f"slug: the subscription {new.slug!r} exists already; choose another", field="slug"
        )
    check_overlap(conn, made)
    check_custom_prices(conn, made)
    return made


def draw_up(
    clock: Clock,
    customer: Customer,
    version: Version,
    new: NewSubscription,
    done: Sequence[Done] = (),
) -> tuple[Subscription, list[Step]]:
    """The subscription as it would be made now, and how it came there; nothing is written.

    Raises `ValidationError` naming the field, and what the commands raise.
    """
    made, now = _made(clock, customer, version, new), clock.now()
    if new.billed_through is not None:
        _check_billed_through(made.cycle, new, new.billed_through, now)
    standing, steps = made.standing, list[Step]()
    for at, command in sorted(done, key=lambda each: each[0]):
        if at > now:
            raise ValidationError(
                f"{command.name}: {at.isoformat()} lies in the future", field=command.name
            )
        steps += steps_until(standing, at)
        standing = steps[-1].standing if steps else standing
        after = command.apply(standing, at, made.cycle)
        if after.terms != standing.terms:
            plans = {version.id: version.phased}
            after = replace(after, terms=laid_out(after.terms, at, plans, made.cycle.zone))
        steps += [Step(command.name, after)] if after != standing else []
        standing = after
    steps += steps_until(standing, now)
    standing = steps[-1].standing if steps else standing
    stands = replace(made, standing=standing)
    return replace(stands, period=earliest_period(stands, standing)), steps


def _check_billed_through(
    cycle: Cycle, new: NewSubscription, until: datetime, now: datetime
) -> None:
    """Refuse what nobody can have billed, and what would cut a period by mistake."""
    why = ""
    last = cycle.period_of(max(now, new.start)).end
    whole = cycle.period_of(until)
    if until < new.start:
        why = f"lies before the start, {new.start.isoformat()}; leave it out to bill all"
    elif until > last:
        why = f"lies behind the period that lasts; give {last.isoformat()} or an earlier instant"
    elif until not in {whole.start, new.start} and not new.cut_period:
        why = (
            "is within a period, which would be cut; give its boundary"
            f" {whole.start.isoformat()} or {whole.end.isoformat()}, or set cut_period"
        )
    if why:
        raise ValidationError(f"billed_through: {until.isoformat()} {why}", field="billed_through")


def hold_limit(conn: Connection, tenant_id: TenantId) -> None:
    """Where the tenant may have so many: wait for the others who make one, until they commit.

    Ask before a customer is locked. A set-up file holds its tenant first as well, so the two never
    wait for each other.
    """
    if settings_of(conn, tenant_id).limits.subscriptions is not None:
        held_settings(conn, tenant_id)


def _advance_from(cycle: Cycle, new: NewSubscription, now: datetime) -> datetime | None:
    """Own periods of lines in advance that begin before this instant are billed elsewhere.

    Raises `ValidationError` for what nobody can have billed, and for the middle of a period.
    """
    through, told = new.billed_through, new.advance_billed_until
    why = ""
    if through is None:
        if told is None:
            return None
        why = "is of no use by itself; give billed_through, too"
    else:
        whole = cycle.period_of(through)
        is_cut = through not in {whole.start, new.start}
        if told is None:
            return whole.start if is_cut or through > now else whole.end
        if told == through:
            return whole.start
        own, last = cycle.period_of(told), cycle.period_of(max(now, new.start, through)).end
        if told < through:
            why = f"lies before billed_through; give {through.isoformat()} or a later instant"
        elif told > last:
            why = (
                f"lies behind the period that lasts; give {last.isoformat()} or an earlier instant"
            )
        elif told != own.start:
            why = (
                "is within a period, which is billed in advance as a whole; give its boundary"
                f" {own.start.isoformat()} or {own.end.isoformat()}"
            )
        if not why:
            return told
    assert told is not None
    raise ValidationError(
        f"advance_billed_until: {told.isoformat()} {why}", field="advance_billed_until"
    )


def _refuse_too_many(conn: Connection, tenant_id: TenantId) -> None:
    """Raise `LimitReachedError` where the tenant has as many as its operator lets it."""
    most = settings_of(conn, tenant_id).limits.subscriptions
    if most is None:
        return
    row = conn.execute(
        sql.load("postgres/queries/count_live_subscriptions"), {"tenant_id": tenant_id}
    ).fetchone()
    if row is not None and row["live"] >= most:
        raise LimitReachedError(
            f"subscriptions: this tenant may have {most} subscription(s) that are not over; ask the"
            " operator for more",
            limit=most,
        )


def ensure_subscription(
    conn: Connection, clock: Clock, customer: Customer, version: Version, new: NewSubscription
) -> tuple[Subscription, bool]:
    """The subscription with the slug, created if missing; and whether it was created.

    An existing one stays as it is, also where it has another plan by now. Raises as
    `create_subscription`, and `ConflictError` when the slug stands for something else.
    """
    known = page_of_subscriptions(conn, customer.tenant_id, slug=new.slug, limit=1)
    if not known:
        return create_subscription(conn, clock, customer, version, new), True
    _check_same(conn, known[0], customer, version, new)
    return known[0], False


def _made(clock: Clock, customer: Customer, version: Version, new: NewSubscription) -> Subscription:
    zone = parse_time_zone(customer.time_zone)
    new = new.trying(version, zone)
    standing = Standing(
        at=min(clock.now(), new.start),
        status="FREE",
        start=new.start,
        activation=new.activation,
        plan_version_id=version.id,
        quantities=dict(new.quantities),
        addons=dict(new.addons),
        trial_ends_at=new.trial_ends_at,
        trial_converts=new.trial_converts,
        expires_at=new.expires_at,
    )
    if new.activation == "start":
        standing = standing.begun(new.start, trial_until=new.trial_ends_at)
        plans = {version.id: version.phased}
        standing = replace(standing, terms=laid_out(standing.terms, new.start, plans, zone))
    anchor = _anchor(new, Cycle(new.start, zone, new.interval))
    cycle, first = Cycle(anchor, zone, new.interval), new.billed_through or new.start
    whole = cycle.period_of(first)
    came_at, advance_from = new.billed_through, _advance_from(cycle, new, clock.now())
    opened = came_at and advance_from and advance_from > came_at
    return Subscription(
        id=SubscriptionId(new_uuid(clock)),
        tenant_id=customer.tenant_id,
        slug=new.slug,
        customer_id=customer.id,
        customer=customer.slug,
        plan_id=version.plan_id,
        plan=version.plan,
        plan_number=version.number,
        currency=new.currency or customer.currency,
        time_zone=customer.time_zone,
        anchor=anchor,
        interval=new.interval,
        period=whole if new.billed_through is None else Period(first, whole.end),
        billed_until=new.billed_through,
        standing=standing,
        revision=1,
        recorded_at=clock.now(),
        subjects=check_subjects(new.subjects),
        metadata=dict(new.metadata),
        stretch_start=came_at,
        opened_at=came_at if opened else None,
        came_at=came_at,
        advance_from=advance_from,
    )


def _anchor(new: NewSubscription, cycle: Cycle) -> datetime:
    if isinstance(new.anchor, datetime):
        return new.anchor
    if new.anchor == "anniversary":
        return new.start
    if new.anchor == "trial_end":
        if new.trial_ends_at is None:
            raise ValidationError("anchor: there is no trial; give trial_ends_at", field="anchor")
        return new.trial_ends_at
    return _calendar_start(new.start, cycle)


def _calendar_start(start: datetime, cycle: Cycle) -> datetime:
    """The first day of the interval that people would say the start lies in."""
    wall = wall_of(start, cycle.zone)
    day = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    match cycle.interval.unit:
        case "day":
            first = day
        case "week":
            first = day - timedelta(days=day.weekday())
        case "month":
            first = day.replace(day=1)
        case "quarter":
            first = day.replace(day=1, month=day.month - (day.month - 1) % 3)
        case "year":
            first = day.replace(day=1, month=1)
    return instant_of(first, cycle.zone)


def _check_same(
    conn: Connection,
    known: Subscription,
    customer: Customer,
    version: Version,
    new: NewSubscription,
) -> None:
    new = new.trying(version, known.cycle.zone)
    [first, *_] = [*changes_of(conn, known.tenant_id, known.id, limit=1), None]
    plan = known.plan if first is None else (first.before or first.after)["plan"]
    for word, before, now in (
        ("customer", known.customer, customer.slug),
        ("plan", plan, version.plan),
        ("anchor", known.anchor, _anchor(new, known.cycle)),
        ("billing_cycle", str(known.interval), str(new.interval)),
        ("currency", known.currency, new.currency or known.currency),
    ):
        if before != now:
            raise ConflictError(
                f"{word}: subscription {new.slug!r} has {before}, for ever; choose another slug",
                field=word,
            )
