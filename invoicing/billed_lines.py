"""What due periods are billed: the lines of the plans that held in them, and for how long.

Terms that change within a period make several lines of one key, each for its part. A line whose
price and quantity go on is one line, so that its tiers go on, too. An era is a time in which the
percentages of other lines stay what they are: lines end with it, so that each percentage is of all
that was billed in its own era.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import sql
from catalog.meters import MeterDefinition
from core.calendar.intervals import Interval
from core.errors import BusinessLogicError, InternalError
from core.ids import MeterId, TenantId
from core.money import Currency
from core.period import Period
from db.postgres import Connection
from invoicing.model import PlanLine
from rating.prices import Price, model_named
from rating.rounding import parse_rounding_mode
from subscriptions.periods import DuePeriod
from subscriptions.timeline import Terms


@dataclass(frozen=True, slots=True)
class BilledPlan:
    """A plan version for one billing cycle."""

    name: str
    version: int
    lines: tuple[PlanLine, ...]
    meters: tuple[MeterDefinition, ...]


_ONE: Final = Decimal(1)

Plans = Mapping[tuple[UUID, Interval], BilledPlan]
"""By plan version and billing cycle."""


def billed_lines(due: DuePeriod, plans: Plans) -> tuple[PlanLine, ...]:
    """What a due period is billed, in the order of the plan that held last; maybe nothing.

    Raises `BusinessLogicError` for a plan without lines of the subscription's cycle.
    """
    found: dict[str, list[PlanLine]] = {}
    era, percentages, until = due.period.start, None, None
    for terms in due.terms:
        lines = list(_lines_of(terms, due, plans))
        now = {(line.key, line.price.price_id) for line in lines if _of_lines(line)}
        if now != percentages or terms.start != until:
            era, percentages = terms.start, now
        until = terms.end
        for line in lines:
            _add(found.setdefault(line.key, []), replace(line, era=era))
    last = plans[due.terms[-1].plan_version_id, due.billing_cycle].lines if due.terms else ()
    keys = dict.fromkeys([line.key for line in last if line.key in found] + list(found))
    return tuple(
        replace(
            line,
            span=None if line.span == due.period else line.span,
            era=None if line.era == due.period.start else line.era,
        )
        for key in keys
        for line in found[key]
    )


def _lines_of(terms: Terms, due: DuePeriod, plans: Plans) -> Iterator[PlanLine]:
    """The lines that are billed while the terms hold."""
    for version_id, many in ((terms.plan_version_id, _ONE), *terms.addons.items()):
        lines = plans[version_id, due.billing_cycle].lines
        if not lines:
            raise BusinessLogicError(
                f"plan version {version_id}: has no lines that are billed"
                f" {due.billing_cycle}, so there is nothing to bill"
            )
        for line in lines:
            if not (terms.trial and _waived(line)):
                yield _during(line, terms, many)


def _waived(line: PlanLine) -> bool:
    """A trial waives what is due whatever is used: fees, and agreed quantities."""
    return line.meter_id is None and not _of_lines(line)


def _of_lines(line: PlanLine) -> bool:
    return model_named(line.price.model).of_lines


def _during(line: PlanLine, terms: Terms, many: Decimal) -> PlanLine:
    """The line as it is billed while the terms hold: of an add-on, so many times its quantity."""
    assert terms.end is not None, "what is billed of a period ends"
    quantity = line.quantity
    if quantity is not None:
        quantity = terms.quantities.get(line.key, quantity) * many
    return replace(line, quantity=quantity, span=Period(terms.start, terms.end))


def _add(lines: list[PlanLine], line: PlanLine) -> None:
    """Add a line, or let the one before go on."""
    if lines and lines[-1].era == line.era:
        before = lines[-1]
        assert before.span is not None
        assert line.span is not None
        goes_on = before.price.price_id == line.price.price_id
        goes_on &= (before.quantity, before.meter_id) == (line.quantity, line.meter_id)
        if goes_on and before.span.end == line.span.start:
            lines[-1] = replace(line, span=Period(before.span.start, line.span.end))
            return
    lines.append(line)


def plans_of(
    conn: Connection, tenant_id: TenantId, block: Sequence[DuePeriod]
) -> dict[tuple[UUID, Interval], BilledPlan]:
    """What each plan version of a block has for each billing cycle that it is subscribed to."""
    wanted = {
        (version_id, due.billing_cycle)
        for due in block
        for each in due.terms
        for version_id in (each.plan_version_id, *each.addons)
    }
    rows: defaultdict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for row in conn.execute(
        sql.load("postgres/queries/select_plan_lines"),
        {
            "tenant_id": tenant_id,
            "plan_version_ids": sorted({version for version, _ in wanted}),
        },
    ):
        rows[row["plan_version_id"]].append(row)
    return {
        (version_id, cycle): _plan(tenant_id, rows[version_id], cycle)
        for version_id, cycle in wanted
    }


def _plan(tenant_id: TenantId, rows: Sequence[dict[str, Any]], cycle: Interval) -> BilledPlan:
    lines = [row for row in rows if row["cadence"] in {None, str(cycle)}]
    return BilledPlan(
        name=lines[0]["plan_name"] if lines else "",
        version=lines[0]["plan_version"] if lines else 0,
        lines=tuple(_plan_line(row) for row in lines),
        meters=tuple(_meter(tenant_id, row) for row in lines if row["meter_id"]),
    )


def _plan_line(row: dict[str, Any]) -> PlanLine:
    price = Price(
        price_id=str(row["price_id"]),
        content_hash=row["content_hash"],
        model=row["model"],
        parameters=row["parameters"],
        currency=Currency(row["currency"]),
        rounding_mode=parse_rounding_mode(row["rounding"]),
        adjustments=row["adjustments"],
    )
    meter_id = MeterId(row["meter_id"]) if row["meter_id"] else None
    return PlanLine(row["key"], row["name"], meter_id, price, row["price_version"], row["quantity"])


def _meter(tenant_id: TenantId, row: dict[str, Any]) -> MeterDefinition:
    if row["catalog_version"] is None:
        raise InternalError(f"rate card {row['key']}: its meter {row['meter_id']} is gone")
    return MeterDefinition.from_document(
        row["definition"],
        meter_id=MeterId(row["meter_id"]),
        tenant_id=tenant_id,
        slug=row["meter_slug"],
        name=row["meter_name"],
        catalog_version=row["catalog_version"],
        unit=row["unit"],
        archived_at=row["archived_at"],
    )
