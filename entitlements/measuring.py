"""How a customer stands with a feature: what it may use, what it used up to a cut of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

import sql
from catalog.features import Feature, find_feature
from catalog.meter_definition import MeterDefinition
from catalog.meters import find_meter_by_id
from core.acting import Acting
from core.clock import Clock
from core.ids import CustomerId
from core.instants import END
from core.period import Period
from db.postgres import Connection, Database
from entitlements.burning import EXACT, Burnt, Stretch, burn
from entitlements.facts import Facts, Grant, read_facts
from entitlements.given import Given, edges, given_at, served
from identity.sandboxes import clock_of
from subscriptions.customers.customer import Customer
from usage.cut import Cut
from usage.reader import UsageReader
from usage.union import used_in

_RECORDS_AT_ONCE: Final = 300


@dataclass(frozen=True, slots=True)
class Measured:
    """A customer and a feature at `as_of`, of the tenant's; `read_at` is the machine's time.

    `cut` is None where nothing is counted. `burnt` is of events up to the cut; `reserved` by
    records in the window whose events are not among them; `seen` are the records whose events are;
    `held` by holds that are open.
    """

    customer: Customer
    feature: Feature
    meter: MeterDefinition | None
    as_of: datetime
    given: Given | None
    has_subscription: bool
    cut: Cut | None = None
    burnt: Burnt | None = None
    reserved: Decimal = Decimal(0)
    seen: tuple[UUID, ...] = ()
    read_at: datetime | None = None
    """None: at `as_of`."""
    held: Decimal = Decimal(0)

    def elapsed(self, now: datetime) -> timedelta:
        """How long ago that was, by the machine's time."""
        return max(now - (self.read_at or self.as_of), timedelta(0))


@dataclass(frozen=True, slots=True)
class _Record:
    """A record of use whose event was not seen."""

    id: UUID
    event_key: bytes
    event_type: str
    subject: str
    quantity: Decimal
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Measuring:
    """Reads how customers stand, from Postgres and ClickHouse; threads may share it."""

    db: Database
    reader: Callable[[], UsageReader]
    clock: Clock

    def features_of(self, acting: Acting, customer: str) -> list[str]:
        """The features that may be given to a customer at some time."""
        with self.db.transaction(acting, snapshot=True) as conn:
            return read_facts(conn, acting.tenant_id, customer).features

    def measure(self, acting: Acting, customer: str, feature: str) -> Measured:
        """How a customer (id or slug) stands with a feature now.

        Raises `CustomerNotFoundError`, `NotFoundError` for a feature that there is not, and
        `DependencyDownError`.
        """
        read_at = self.clock.now()
        with self.db.transaction(acting, snapshot=True) as conn:
            as_of = clock_of(conn, self.clock, acting.tenant_id).now()
            facts = read_facts(conn, acting.tenant_id, customer)
            found = find_feature(conn, acting.tenant_id, feature)
            meter = None
            if found.meter_id is not None:
                meter = find_meter_by_id(conn, acting.tenant_id, found.meter_id).definition
        given = given_at(facts, feature, as_of)
        is_served = any(served(facts, as_of))
        measured = Measured(facts.customer, found, meter, as_of, given, is_served, read_at=read_at)
        if given is None or meter is None:
            return measured
        return self._counted(acting, measured, meter, facts, given)

    def _counted(
        self, acting: Acting, known: Measured, meter: MeterDefinition, facts: Facts, given: Given
    ) -> Measured:
        reader = self.reader()
        # First the cut, then the records: one whose event lies before the cut was written before
        # its event was sent, so it is among those that are read now.
        cut = reader.cut()
        with self.db.transaction(acting, snapshot=True) as conn:
            records = _open_records(conn, known)
            held = _held(conn, known)
        seen = _seen(reader, known, records, cut)
        stretches, grants = stretches_of(facts, known.feature.slug, given, known.as_of)
        subjects = [
            (link.subject, Period(link.valid_from, link.valid_to or END)) for link in facts.links
        ]
        used = used_in(reader, meter, subjects, [period for period, _ in stretches], cut)
        burnt = burn(
            [
                Stretch(period, period, None, quantity)
                if what is None
                else Stretch(period, what.window, what.limit, quantity)
                for (period, what), quantity in zip(stretches, used, strict=True)
            ],
            grants,
            known.as_of,
        )
        with localcontext(EXACT):
            reserved = sum(
                (r.quantity for r in records if r.id not in seen and r.occurred_at in given.window),
                Decimal(0),
            )
        return replace(known, cut=cut, burnt=burnt, reserved=reserved, held=held, seen=tuple(seen))


def stretches_of(
    facts: Facts, feature: str, given: Given, at: datetime
) -> tuple[list[tuple[Period, Given | None]], list[Grant]]:
    """The time that says how the window of `at` stands, in parts, and the grants that matter.

    One part, the window, where there are no grants. Else from the start of the oldest grant that
    matters: each part has one limit, and no window and no grant begins or ends within it. What lies
    after `at` is as now.
    """
    start, grants = given.window.start, list[Grant]()
    while True:
        some = [g for g in facts.grants if g.feature == feature and g.start <= at and g.end > start]
        if len(some) == len(grants):
            break
        grants, start = some, min(start, *(grant.start for grant in some))
    if not grants:
        return [(given.window, given)], []
    cuts = {edge for edge in edges(facts, feature) if start < edge <= at}
    while True:
        parts = _walk(facts, feature, Period(start, given.window.end), sorted(cuts), at)
        known = {period.start for period, _ in parts}
        windows = {what.window.start for _, what in parts if what is not None}
        missing = {edge for edge in windows if start < edge and edge not in known}
        if not missing:
            return parts, grants
        cuts |= missing


def _walk(
    facts: Facts, feature: str, whole: Period, cuts: Sequence[datetime], at: datetime
) -> list[tuple[Period, Given | None]]:
    bounds = [whole.start, *cuts, whole.end]
    parts: list[tuple[Period, Given | None]] = []
    for start, end in pairwise(bounds):
        here = start
        while here < end:
            what = given_at(facts, feature, min(here, at))
            stop = end if what is None else min(end, what.window.end)
            parts.append((Period(here, stop), what))
            here = stop
    return parts


def _open_records(conn: Connection, known: Measured) -> list[_Record]:
    rows = conn.execute(
        sql.load("postgres/queries/select_open_usage_records"),
        counter_key(known.customer.tenant_id, known.customer.id, known.feature.id),
    )
    return [_Record(**row) for row in rows]


def _held(conn: Connection, known: Measured) -> Decimal:
    """What holds keep; read with the records, so one that becomes a record is never both."""
    key = counter_key(known.customer.tenant_id, known.customer.id, known.feature.id)
    values = key | {"at": known.as_of}
    row = conn.execute(sql.load("postgres/queries/sum_open_holds"), values).fetchone()
    assert row is not None
    return Decimal(row["quantity"])


def counter_key(tenant_id: UUID, customer_id: CustomerId, feature_id: UUID) -> dict[str, Any]:
    """What a counter and its records are found by."""
    return {"tenant_id": tenant_id, "customer_id": customer_id, "feature_id": feature_id}


def _seen(reader: UsageReader, known: Measured, records: Sequence[_Record], cut: Cut) -> set[UUID]:
    found: set[UUID] = set()
    for some in _runs(records, _RECORDS_AT_ONCE):
        times = [record.occurred_at for record in some]
        keys = reader.seen_keys(
            known.customer.tenant_id,
            sorted({record.event_type for record in some}),
            sorted({record.subject for record in some}),
            (min(times), max(times)),
            [record.event_key for record in some],
            cut,
        )
        found |= {record.id for record in some if record.event_key in keys}
    return found


def _runs(records: Sequence[_Record], size: int) -> Iterator[Sequence[_Record]]:
    """The records in runs of `size`."""
    for start in range(0, len(records), size):
        yield records[start : start + size]
