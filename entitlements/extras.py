"""What a customer is given beside its plans: overrides and grants, as they are written down.

What was known is never changed: one that ends early is known no longer as it was, and known anew
under the same id. Whoever writes holds the customer.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from psycopg.types.json import Jsonb

import sql
from catalog.features import find_feature
from catalog.meter_register import check_metadata
from catalog.meters import find_meter_by_id
from catalog.plan_document import EntitlementEntry, entitlement_of
from core.clock import Clock
from core.errors import BusinessLogicError, ConflictError, ValidationError
from core.ids import TenantId, format_id, new_uuid, parse_id
from core.quantities import parse_positive_quantity
from db.outbox import Change, append
from db.postgres import Connection
from entitlements.bodies import NewGrantBody, NewOverrideBody
from entitlements.errors import GrantNotFoundError, OverrideNotFoundError
from entitlements.facts import Grant, Override, grants_of, overrides_of
from subscriptions.customers.customer import Customer, find_customer
from usage.union import adds_up

GRANT_MAX: Final = timedelta(days=400)
"""A grant lasts so long at most: how it was used is worked out from its start on."""

EXTRAS_MAX: Final = 200
"""Overrides, and grants, of one customer that are not over."""

_TICK: Final = timedelta(microseconds=1)
_SUPERSEDE: Final = {"override": "supersede_override", "grant": "supersede_grant"}
_INSERT: Final = {"override": "insert_override", "grant": "insert_grant"}
_Extra = TypeVar("_Extra", Override, Grant)


def create_override(
    conn: Connection, clock: Clock, tenant_id: TenantId, reference: str, body: NewOverrideBody
) -> Override:
    """Give a customer something else of a feature than its plans do.

    Raises `ValidationError`, `NotFoundError` for a customer or a feature that there is not, and
    `ConflictError` where another override of the feature holds at the same time.
    """
    customer = find_customer(conn, tenant_id, reference)
    feature = find_feature(conn, tenant_id, body.feature)
    start, end = _range(body.start or clock.now(), body.end)
    terms = _terms(body)
    if body.given:
        written = EntitlementEntry(feature=body.feature, **terms)
        offer = entitlement_of(written, feature)
        terms = {
            "limit": offer.limit,
            "hard": offer.hard,
            "reset": offer.reset and str(offer.reset),
            "value": offer.value,
        }
    elif any(terms.values()):
        raise ValidationError(
            "given: nothing is given, so there is no limit, hard, reset or value; leave them out",
            field="given",
        )
    known = overrides_of(conn, customer)
    _refuse_many(known, clock.now(), "overrides")
    for other in known:
        if other.feature == body.feature and _meet(start, end, other):
            until = "" if other.end is None else f" to {other.end.isoformat()}"
            raise ConflictError(
                f"feature: {format_id('ovr', other.id)} overrides {body.feature!r} from"
                f" {other.start.isoformat()}{until}; end that one first",
                field="feature",
                override=format_id("ovr", other.id),
            )
    row = terms | {"given": body.given, **_row(clock, customer, body.metadata, start, end)}
    conn.execute(sql.load("postgres/queries/insert_override"), row | {"feature_id": feature.id})
    found = _found(overrides_of(conn, customer), row["id"])
    _tell(conn, clock, customer, found, "override.created")
    return found


def create_grant(
    conn: Connection, clock: Clock, tenant_id: TenantId, reference: str, body: NewGrantBody
) -> Grant:
    """Give a customer so much more of a metered feature, once.

    Raises `ValidationError`, `NotFoundError` for a customer or a feature that there is not, and
    `BusinessLogicError` for a feature whose use does not add up.
    """
    customer = find_customer(conn, tenant_id, reference)
    feature = find_feature(conn, tenant_id, body.feature)
    if feature.meter_id is None:
        raise BusinessLogicError(
            f"feature: {body.feature!r} is {feature.kind}; only of a metered one there is more",
            field="feature",
        )
    meter = find_meter_by_id(conn, tenant_id, feature.meter_id).definition
    if not adds_up(meter):
        raise BusinessLogicError(
            f"feature: its meter {meter.slug!r} is a {meter.aggregation}, which does not add up, so"
            " a grant of it cannot be used up; override the limit",
            field="feature",
        )
    quantity = parse_positive_quantity(body.quantity, "quantity")
    start, end = _range(body.start or clock.now(), body.end)
    if end is None or end - start > GRANT_MAX:
        raise ValidationError(f"end: at most {GRANT_MAX.days} days after start", field="end")
    _refuse_many(grants_of(conn, customer), clock.now(), "grants")
    row = _row(clock, customer, body.metadata, start, end) | {
        "feature_id": feature.id,
        "quantity": quantity,
        "priority": body.priority,
    }
    conn.execute(sql.load("postgres/queries/insert_grant"), row)
    found = _found(grants_of(conn, customer), row["id"])
    _tell(conn, clock, customer, found, "grant.created")
    return found


def end_override(
    conn: Connection, clock: Clock, tenant_id: TenantId, reference: str, name: str,
    at: datetime | None,
) -> Override | None:  # fmt: skip
    """End an override at an instant, now unless given; None: it has never held.

    Raises `OverrideNotFoundError`, and `BusinessLogicError` where it ends before.
    """
    customer = find_customer(conn, tenant_id, reference)
    known = _named(overrides_of(conn, customer), "ovr", name)
    if known is None:
        raise OverrideNotFoundError(f"override: the customer has none called {name!r}")
    feature = find_feature(conn, tenant_id, known.feature)
    row = known.as_resource() | {"feature_id": feature.id, "given": known.offer is not None}
    _end(conn, clock, customer, known, at, "override", row)
    left = _named(overrides_of(conn, customer), "ovr", name)
    _tell(conn, clock, customer, left or known, "override.ended")
    return left


def end_grant(
    conn: Connection, clock: Clock, tenant_id: TenantId, reference: str, name: str,
    at: datetime | None,
) -> Grant | None:  # fmt: skip
    """End a grant at an instant, now unless given: what is left of it is lost; as `end_override`.

    Raises `GrantNotFoundError`, and `BusinessLogicError` where it ends before.
    """
    customer = find_customer(conn, tenant_id, reference)
    known = _named(grants_of(conn, customer), "grt", name)
    if known is None:
        raise GrantNotFoundError(f"grant: the customer has none called {name!r}")
    feature = find_feature(conn, tenant_id, known.feature)
    row = {
        "feature_id": feature.id, "quantity": known.quantity, "priority": known.priority,
    }  # fmt: skip
    _end(conn, clock, customer, known, at, "grant", row)
    left = _named(grants_of(conn, customer), "grt", name)
    _tell(conn, clock, customer, left or known, "grant.ended")
    return left


def _terms(body: NewOverrideBody) -> dict[str, Any]:
    return {
        "limit": body.limit, "hard": body.hard, "reset": body.reset, "value": body.value,
    }  # fmt: skip


def _end(
    conn: Connection,
    clock: Clock,
    customer: Customer,
    known: Override | Grant,
    at: datetime | None,
    what: str,
    row: dict[str, Any],
) -> None:
    """Let it be known no longer, but for what of it lies before `at`."""
    at = clock.now() if at is None else at
    if known.end is not None and at >= known.end:
        raise BusinessLogicError(f"at: it ends at {known.end.isoformat()}, before that", field="at")
    recorded_at = max(clock.now(), known.recorded_at + _TICK)
    values = {"tenant_id": customer.tenant_id, "id": known.id, "recorded_at": recorded_at}
    conn.execute(sql.load(f"postgres/queries/{_SUPERSEDE[what]}"), values)
    if at > known.start:
        kept = _row(clock, customer, known.metadata, known.start, at)
        conn.execute(sql.load(f"postgres/queries/{_INSERT[what]}"), row | kept | values)


def _row(
    clock: Clock,
    customer: Customer,
    metadata: Any,
    start: datetime,
    end: datetime | None,
) -> dict[str, Any]:
    return {
        "id": new_uuid(clock),
        "tenant_id": customer.tenant_id,
        "customer_id": customer.id,
        "metadata": Jsonb(check_metadata(metadata)),
        "start": start,
        "end": end,
        "recorded_at": clock.now(),
    }


def _range(start: datetime, end: datetime | None) -> tuple[datetime, datetime | None]:
    if end is not None and end <= start:
        raise ValidationError(f"end: must lie after start, {start.isoformat()}", field="end")
    return start, end


def _meet(start: datetime, end: datetime | None, other: Override) -> bool:
    return (other.end is None or start < other.end) and (end is None or other.start < end)


def _refuse_many(known: Sequence[Override | Grant], now: datetime, what: str) -> None:
    if sum(each.end is None or each.end > now for each in known) >= EXTRAS_MAX:
        raise BusinessLogicError(f"customer: it has {EXTRAS_MAX} {what} already; end some first")


def _found(known: Sequence[_Extra], extra_id: UUID) -> _Extra:
    return next(each for each in known if each.id == extra_id)


def _named(known: Sequence[_Extra], prefix: str, name: str) -> _Extra | None:
    try:
        extra_id = parse_id(prefix, name)
    except ValidationError:
        return None
    return next((each for each in known if each.id == extra_id), None)


def _tell(
    conn: Connection, clock: Clock, customer: Customer, extra: Override | Grant, what: str
) -> None:
    shown = extra.as_resource() | {"customer": format_id("cus", customer.id)}
    append(conn, clock, customer.tenant_id, Change(f"entitlement.{what}", shown["id"], shown))
