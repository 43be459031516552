"""A new subscription as people and programs write it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from core.calendar.intervals import Interval
from core.calendar.zones import add_days, parse_time_zone
from core.clock import Clock
from core.errors import ValidationError
from core.ids import TenantId
from core.instants import Instant
from core.money import Currency
from core.refusals import refusal_of
from db.postgres import Connection
from subscriptions.commands.bodies import Quantities, addons_of, quantities_of
from subscriptions.customers.customer import find_customer
from subscriptions.life.checks import find_version
from subscriptions.life.create import NewSubscription, create_subscription, hold_limit
from subscriptions.life.subscription import Subscription

TRIAL_DAYS_MAX: Final = 730
"""A trial lasts two years at most."""


class NewSubscriptionBody(BaseModel):
    """Who subscribes to what, from when on.

    `start` may lie in the past or the future; missing: now. Periods step from the `anchor`: the
    start (`anniversary`), the first day of the calendar's month, quarter, year or week
    (`calendar`), the end of the trial (`trial_end`), or an instant. A trial lasts `trial_days` days
    or until `trial_ends_at`, unless said as long as that of the plan; then it is billed, or expires
    (`trial_converts`). With the activation `payment` nothing begins before a payment succeeds, and
    there is no trial. `expires_at` is the end of a contract. `subjects` are those whose usage it
    bills; missing: all of the customer's. `currency` is one that the plan is sold in; missing: the
    customer's. What lies before `billed_through` is billed already, elsewhere: a boundary of its
    periods, unless `cut_period`; and own periods of lines in advance that begin before
    `advance_billed_until`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    slug: str
    customer: str
    plan: str
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    start: Instant | None = None
    billing_cycle: str = "monthly"
    anchor: Literal["anniversary", "calendar", "trial_end"] | Instant = "anniversary"
    activation: Literal["start", "payment"] = "start"
    trial_days: Annotated[int, Field(ge=1, le=TRIAL_DAYS_MAX)] | None = None
    trial_ends_at: Instant | None = None
    trial_converts: bool = True
    expires_at: Instant | None = None
    currency: str | None = None
    quantities: Quantities = {}
    addons: Quantities = {}
    billed_through: Instant | None = None
    advance_billed_until: Instant | None = None
    cut_period: bool = False
    subjects: list[str] | None = None
    metadata: dict[str, str] = {}

    def create(self, conn: Connection, clock: Clock, tenant_id: TenantId) -> Subscription:
        """Create it. Raises as `create_subscription`, and `NotFoundError` for what it names."""
        hold_limit(conn, tenant_id)
        customer = find_customer(conn, tenant_id, self.customer)
        version = find_version(conn, tenant_id, plan=self.plan, number=self.version)
        start = self.start or clock.now()
        new = NewSubscription(
            slug=self.slug,
            start=start,
            interval=Interval.parse(self.billing_cycle, "billing_cycle"),
            anchor=self.anchor,
            activation=self.activation,
            trial_ends_at=self._trial_end(start, customer.time_zone),
            trial_converts=self.trial_converts,
            expires_at=self.expires_at,
            currency=None if self.currency is None else Currency(self.currency),
            quantities=quantities_of(self.quantities) or {},
            addons={
                addon.id: many for addon, many in addons_of(conn, tenant_id, self.addons) if many
            },
            billed_through=self.billed_through,
            advance_billed_until=self.advance_billed_until,
            cut_period=self.cut_period,
            subjects=self.subjects,
            metadata=self.metadata,
        )
        return create_subscription(conn, clock, customer, version, new)

    def _trial_end(self, start: datetime, zone: str) -> datetime | None:
        if self.trial_days is None:
            return self.trial_ends_at
        if self.trial_ends_at is not None:
            raise ValidationError(
                "trial_days: the trial has an end already; give one of the two", field="trial_days"
            )
        return add_days(start, self.trial_days, parse_time_zone(zone))


def parse_new(document: Mapping[str, Any]) -> NewSubscriptionBody:
    """A new subscription as it is written. Raises `ValidationError` naming field and fix."""
    try:
        return NewSubscriptionBody.model_validate(dict(document))
    except pydantic.ValidationError as error:
        raise refusal_of(error) from error
